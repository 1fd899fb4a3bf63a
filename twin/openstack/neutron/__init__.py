"""Neutron: networks, ports, routers and the agents that make them real."""
