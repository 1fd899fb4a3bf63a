"""Routers and floating IPs, from the request to the namespace."""

from __future__ import annotations

import pytest


@pytest.fixture
def routed(cloud):
    """A network with a router to the public one."""
    network = cloud.ask("networks.create", "POST", name="net").body
    subnet = cloud.ask("subnets.create", "POST", network_id=network["id"], cidr="10.1.0.0/24").body
    router = cloud.ask("routers.create", "POST", name="router", external_network_id=cloud.public.id).body
    assert cloud.ask("routers.add_interface", "PUT", router_id=router["id"], subnet_id=subnet["id"]).status == 200
    cloud.run(20)
    return network, subnet, router


def _port(cloud, network):
    port = cloud.ask(
        "ports.create",
        "POST",
        network_id=network["id"],
        device_id="s",
        device_owner="compute:nova",
        host_id="compute-0",
    ).body
    cloud.boot(port)
    assert cloud.active(port["id"])
    return port


def test_a_router_is_built_with_its_interface_and_gateway(cloud, routed):
    network, _, router = routed
    node = cloud.node
    assert node.routers[router["id"]] == {network["id"]}
    assert router["id"] in node.proxies
    row = cloud.tables.routers[router["id"]]
    ports = [*row.interfaces.values(), row.gateway_port]
    assert [cloud.status(port) for port in ports] == ["ACTIVE", "ACTIVE"]
    assert all(cloud.plane.switches[cloud.node.node.name].passes(port) for port in ports)
    assert cloud.lines("agent.l3-update-finished")
    assert not cloud.errors()


def test_a_floating_ip_leads_to_its_port(cloud, routed):
    port = _port(cloud, routed[0])
    floating = cloud.ask("floatingips.create", "POST", external_network_id=cloud.public.id, port_id=port["id"]).body
    cloud.run(10)
    node = cloud.node
    assert node.floating[floating["floating_ip_address"]] == port["id"]
    assert cloud.ask("floatingips.show", floatingip_id=floating["id"]).body["status"] == "ACTIVE"
    assert cloud.lines("neutron.floating-ip")[-1].args[4] == "associated"
    assert cloud.ask("floatingips.delete", "DELETE", floatingip_id=floating["id"]).status == 204
    cloud.run(10)
    assert floating["floating_ip_address"] not in node.floating


def test_a_floating_ip_moves_from_port_to_port_and_goes_with_none(cloud, routed):
    port = _port(cloud, routed[0])
    floating = cloud.ask("floatingips.create", "POST", external_network_id=cloud.public.id).body
    assert floating["status"] == "DOWN"
    node, address = cloud.node, floating["floating_ip_address"]
    cloud.ask("floatingips.update", "PUT", floatingip_id=floating["id"], port_id=port["id"])
    cloud.run(10)
    assert node.floating[address] == port["id"]
    cloud.plane.switches["compute-0"].unplug(port["id"])
    cloud.ask("ports.delete", "DELETE", port_id=port["id"])
    cloud.run(10)
    assert address not in node.floating
    assert cloud.ask("floatingips.show", floatingip_id=floating["id"]).body["port_id"] is None


def test_an_address_without_a_way_to_its_port_is_refused(cloud):
    port = cloud.port()
    response = cloud.ask("floatingips.create", "POST", external_network_id=cloud.public.id, port_id=port["id"])
    assert response.status == 404
    assert "is not reachable from subnet" in response.message
    assert not cloud.tables.floating_ips


def test_what_is_in_use_stays(cloud, routed):
    network, subnet, router = routed
    interface = cloud.tables.routers[router["id"]].interfaces[subnet["id"]]
    assert cloud.ask("routers.delete", "DELETE", router_id=router["id"]).status == 409
    response = cloud.ask("ports.delete", "DELETE", port_id=interface)
    assert response.status == 409
    assert "cannot be deleted directly via the port API" in response.message
    port = _port(cloud, network)
    cloud.ask("floatingips.create", "POST", external_network_id=cloud.public.id, port_id=port["id"])
    response = cloud.ask("routers.remove_interface", "PUT", router_id=router["id"], subnet_id=subnet["id"])
    assert response.status == 409
    assert not any(line.component == "neutron-server" for line in cloud.errors())


def test_a_router_goes_with_its_namespace(cloud, routed):
    _, subnet, router = routed
    assert cloud.ask("routers.remove_interface", "PUT", router_id=router["id"], subnet_id=subnet["id"]).status == 200
    assert cloud.ask("routers.delete", "DELETE", router_id=router["id"]).status == 204
    cloud.run(15)
    node = cloud.node
    assert router["id"] not in node.routers
    assert router["id"] not in node.proxies
    assert not [port for port in cloud.tables.ports.values() if port.device_id == router["id"]]


def test_an_agent_that_starts_builds_the_routers_that_came_meanwhile(cloud):
    cloud.kill("neutron-l3-agent")
    router = cloud.ask("routers.create", "POST", name="router", external_network_id=cloud.public.id).body
    subnet = cloud.network.subnets[0]
    cloud.ask("routers.add_interface", "PUT", router_id=router["id"], subnet_id=subnet)
    cloud.run(30)
    node = cloud.node
    assert router["id"] not in node.routers
    cloud.world.components["neutron-l3-agent"].start()
    cloud.run(30)
    assert node.routers[router["id"]] == {cloud.network.id}
    assert cloud.lines("agent.l3-started")
