"""What agents make for a network on their machines is taken away with it."""

from __future__ import annotations

from typing import Any

CONTROLLER = "controller-1"


def network(cloud: Any) -> dict[str, Any]:
    """A network that is served."""
    body = cloud.ask("networks.create", "POST", name="net").body
    cloud.ask("subnets.create", "POST", network_id=body["id"], cidr="10.1.0.0/24")
    cloud.run(20)
    assert cloud.node.serves(body["id"])
    return body


def vlans(cloud: Any, host: str) -> dict[str, int]:
    return cloud.plane.agents[host].agent.vlan_manager.mapping


def test_a_deleted_network_leaves_no_tap_and_no_vlan(cloud):
    net = network(cloud)
    switch = cloud.plane.switches[CONTROLLER]
    assert net["id"] in vlans(cloud, CONTROLLER) and len(switch.ports) == 2
    assert cloud.ask("networks.delete", "DELETE", network_id=net["id"]).status == 204
    cloud.run(60)
    assert set(vlans(cloud, CONTROLLER)) == {cloud.network.id} and len(switch.ports) == 1
    assert [line.args[4] for line in cloud.lines("agent.ovs-vlan-reclaimed")] == [net["id"]]


def test_the_last_guest_s_port_takes_the_vlan_of_its_network_along(cloud):
    port = cloud.port()
    cloud.boot(port)
    assert cloud.active(port["id"])
    assert set(vlans(cloud, "compute-0")) == {cloud.network.id}
    assert cloud.ask("ports.delete", "DELETE", port_id=port["id"]).status == 204
    cloud.run(10)
    cloud.plane.switches["compute-0"].unplug(port["id"])
    cloud.run(10)
    assert vlans(cloud, "compute-0") == {}
    assert cloud.lines("agent.ovs-vlan-unmanaged")  # its tap went after the news


def test_without_a_free_vlan_a_port_is_not_wired_and_the_agent_tries_again(cloud):
    cloud.plane.agents["compute-0"].agent.vlan_manager.mapping.update({str(n): n for n in range(1, 4095)})
    port = cloud.port()
    cloud.boot(port)
    assert not cloud.active(port["id"], within=10)
    assert len(cloud.lines("agent.ovs-no-vlan", "neutron-openvswitch-agent@compute-0")) > 1
    assert cloud.lines("agent.ovs-ports-failed", "neutron-openvswitch-agent@compute-0")


def test_a_dhcp_agent_takes_down_what_was_deleted_while_it_was_away(cloud):
    net = network(cloud)
    agent = cloud.world.components["neutron-dhcp-agent"]
    cloud.kill("neutron-dhcp-agent")
    cloud.tables.networks[net["id"]].dhcp_agents.clear()  # it is another's now
    agent.start()
    cloud.run(60)
    assert not cloud.node.serves(net["id"]) and cloud.node.serves(cloud.network.id)
    assert len(cloud.plane.switches[CONTROLLER].ports) == 1
