"""glance-api: images."""
