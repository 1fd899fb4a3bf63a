"""neutron's agents: DHCP, L3, metadata, Open vSwitch."""
