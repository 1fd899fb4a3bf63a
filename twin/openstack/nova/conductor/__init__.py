"""nova-conductor: takes builds and moves from host to host, and writes to the database for the compute hosts."""
