"""What runs in the published methods' environment, which knows nothing of this project: pandas and their packages."""
