"""What all OpenStack services share, under the name of the libraries that do it there: contexts, workers, HTTP, RPC, SQL."""
