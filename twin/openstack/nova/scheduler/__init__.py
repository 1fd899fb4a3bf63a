"""nova-scheduler: which host takes a server."""
