"""Neutron: networks, ports, routers and the agents that make them real."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.openstack.site import Site

EXTERNAL_NETWORK, PRIVATE_NETWORK = "public", "private"


def build(site: Site) -> None:
    """The agents of a site whose server and hosts are there, and the networks that every cloud begins with."""
    from twin.openstack.neutron.agent.openvswitch_service import OpenvswitchAgent
    from twin.openstack.neutron.networks import begin
    from twin.openstack.oslo.service import connect

    machines = [*site.hosts.values(), *(node.node for node in site.dataplane.network_nodes.values())]
    for node in dict.fromkeys(machines):  # a host may be a network node as well
        agent = OpenvswitchAgent(site, f"neutron-openvswitch-agent@{node.name}", node)
        connect(agent, site.broker.nodes[0], site.neutron)
    begin(site)
