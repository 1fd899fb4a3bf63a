"""What all OpenStack services share, by the names of the libraries that do it: contexts, workers, HTTP, RPC, SQL."""
