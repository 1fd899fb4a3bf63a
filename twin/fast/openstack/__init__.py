"""The OpenStack cluster as arrays: calls that visit services, servers that are built on hosts, and what breaks them."""
