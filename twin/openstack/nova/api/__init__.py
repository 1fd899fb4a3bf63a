"""nova-api: the compute API, resource by resource."""
