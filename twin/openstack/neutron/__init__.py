"""Neutron: networks, ports, routers and the agents that make them real."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.openstack.site import Site


def build(site: Site) -> None:
    """The agents of a site whose server, hosts and data plane are there, and the networks that it begins with."""
    from twin.openstack.neutron.agent.dhcp_service import DhcpAgentService
    from twin.openstack.neutron.agent.l3_service import L3AgentService
    from twin.openstack.neutron.agent.metadata import MetadataAgentService
    from twin.openstack.neutron.agent.openvswitch_service import OpenvswitchAgent
    from twin.openstack.neutron.agent.service import NeutronAgent
    from twin.openstack.neutron.networks import begin
    from twin.openstack.oslo.service import connect

    network_nodes = [network_node.node for network_node in site.dataplane.network_nodes.values()]
    agents: list[NeutronAgent] = [
        OpenvswitchAgent(site, f"neutron-openvswitch-agent@{node.name}", node)
        for node in dict.fromkeys((*site.hosts.values(), *network_nodes))  # a host may be a network node as well
    ]
    for node in network_nodes[:1]:
        agents += [
            DhcpAgentService(site, "neutron-dhcp-agent", node),
            L3AgentService(site, "neutron-l3-agent", node),
            MetadataAgentService(site, "neutron-metadata-agent", node),
        ]
    for agent in agents:
        connect(agent, site.broker.nodes[0], site.neutron)
    begin(site)
