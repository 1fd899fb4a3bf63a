"""nova-compute: what happens to servers on their host."""
