"""Agents that live, die and come back: what the server believes of them, and what that does to ports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer

L2 = "neutron-openvswitch-agent@compute-0"


def _alive(cloud, component):
    agents = cloud.ask("agents.list").body
    host = component.partition("@")[2] or cloud.world.components[component].node.name
    return next(a["alive"] for a in agents if a["binary"] == component.partition("@")[0] and a["host"] == host)


def test_agents_that_report_are_alive(cloud):
    cloud.run(400)
    agents = cloud.ask("agents.list").body
    assert len(agents) == 7  # four Open vSwitch agents, one of DHCP, one of L3, one of metadata
    assert all(agent["alive"] for agent in agents)
    assert not cloud.lines("neutron.agents-dead")


def test_a_dead_agent_is_believed_in_for_75_seconds(cloud):
    cloud.run(60)
    last = cloud.tables.agent("Open vSwitch agent", "compute-0").heartbeat
    cloud.kill(L2)
    cloud.world.run(until=last + 74)
    assert _alive(cloud, L2)
    cloud.world.run(until=last + 78)
    assert not _alive(cloud, L2)
    cloud.run(45)
    line = cloud.lines("neutron.agents-dead")[-1]
    assert line.args[3:5] == (1, 7)
    assert "compute-0" in line.args[5]


def test_an_agent_that_comes_back_is_told_so_and_looks_at_everything_anew(cloud):
    cloud.run(30)
    row = cloud.tables.agent("Open vSwitch agent", "compute-0")
    row.heartbeat = cloud.now - 100.0  # its reports did not come through
    cloud.run(40)
    assert cloud.lines("agent.ovs-revived", L2)
    assert cloud.lines("agent.ovs-full-sync", L2)
    assert _alive(cloud, L2)


def test_a_port_is_not_bound_where_the_agent_is_known_to_be_dead(cloud):
    cloud.kill(L2)
    cloud.run(120)
    port = cloud.port()
    assert port["binding:vif_type"] == "binding_failed"
    assert port["status"] == "DOWN"
    assert len(cloud.lines("neutron.dead-agent")) == len(cloud.lines("neutron.bind-failed")) == 10
    assert len(cloud.lines("neutron.bind-attempt")) == 9
    assert cloud.port(host="compute-1", server="other")["binding:vif_type"] == "ovs"


def test_a_port_on_a_host_whose_agent_died_just_now_never_becomes_active(cloud):
    cloud.kill(L2)
    port = cloud.port()
    assert port["binding:vif_type"] == "ovs"
    told = cloud.events_to_nova()
    cloud.boot(port)
    assert not cloud.active(port["id"], within=200)
    assert cloud.events_to_nova() == told
    assert not cloud.plane.switches["compute-0"].passes(port["id"])


def test_an_agent_that_starts_finds_what_was_plugged_in_meanwhile(cloud):
    cloud.kill(L2)
    port = cloud.port()
    cloud.boot(port)
    cloud.run(20)
    cloud.world.components[L2].start()
    assert cloud.active(port["id"], within=40)
    assert cloud.lines("agent.ovs-initialized", L2)


def test_what_was_wired_goes_on_without_the_agent(cloud):
    port = cloud.port()
    cloud.boot(port)
    assert cloud.active(port["id"])
    cloud.kill(L2)
    cloud.run(200)
    assert cloud.plane.switches["compute-0"].passes(port["id"])
    assert cloud.status(port["id"]) == "ACTIVE"


def test_without_a_dhcp_agent_a_wired_port_stays_down(cloud):
    older = cloud.port(server="older")
    cloud.boot(older)
    assert cloud.active(older["id"])
    cloud.kill("neutron-dhcp-agent")
    port = cloud.port()
    cloud.boot(port)
    assert not cloud.active(port["id"], within=200)
    assert cloud.tables.provisioning_blocks[port["id"]] == {"DHCP"}
    assert cloud.plane.switches["compute-0"].passes(port["id"])
    assert not cloud.plane.answers_dhcp(port["id"])
    assert cloud.plane.answers_dhcp(older["id"])  # dnsmasq outlives the agent
    assert cloud.lines("neutron.no-dhcp-agents")


def test_a_dhcp_agent_that_starts_catches_up(cloud):
    cloud.kill("neutron-dhcp-agent")
    port = cloud.port()
    cloud.boot(port)
    cloud.run(30)
    cloud.world.components["neutron-dhcp-agent"].start()
    assert cloud.active(port["id"], within=60)
    assert cloud.plane.answers_dhcp(port["id"])
    assert cloud.lines("agent.dhcp-sync-complete")


def test_a_new_network_is_served_when_it_has_a_subnet(cloud):
    node = cloud.node
    network = cloud.ask("networks.create", "POST", name="net").body
    cloud.run(5)
    assert not node.serves(network["id"])
    cloud.ask("subnets.create", "POST", network_id=network["id"], cidr="10.1.0.0/24")
    cloud.run(20)
    assert node.serves(network["id"])
    (port,) = cloud.ask("ports.list", network_id=network["id"]).body
    assert port["device_owner"] == "network:dhcp"
    assert port["status"] == "ACTIVE"


def test_networks_of_a_dead_agent_are_given_to_another(cloud):
    (agent,) = cloud.tables.agents["DHCP agent"].values()
    cloud.kill("neutron-dhcp-agent")
    cloud.tables.agents["DHCP agent"]["compute-1"] = replace(agent, id="other", host="compute-1", heartbeat=1e6)
    cloud.run(200)
    assert cloud.tables.networks[cloud.network.id].dhcp_agents == ["compute-1"]
    assert cloud.lines("neutron.network-unhosted")[0].args[3] == cloud.network.id
    assert cloud.lines("neutron.network-added")[0].args[3:] == (cloud.network.id, "other", "compute-1")


def test_a_network_without_any_agent_is_warned_of(cloud):
    cloud.kill("neutron-dhcp-agent")
    cloud.run(100)
    network = cloud.ask("networks.create", "POST", name="net").body
    cloud.ask("subnets.create", "POST", network_id=network["id"], cidr="10.1.0.0/24")
    assert cloud.lines("neutron.no-more-dhcp-agents")
    assert cloud.lines("neutron.dhcp-unschedulable")[-1].args[3] == network["id"]


def test_a_dnsmasq_that_died_is_started_anew_by_the_monitor(cloud):
    node = cloud.node
    node._dead[cloud.network.id] = None
    assert not node.serves(cloud.network.id)
    cloud.run(65)
    assert node.serves(cloud.network.id)
    assert cloud.lines("agent.process-died")
    assert cloud.lines("agent.process-respawning")


def test_agents_say_once_that_they_cannot_report_and_once_that_they_can_again(cloud):
    cloud.run(60)
    cloud.kill("neutron-server")
    cloud.run(150)
    failed = cloud.lines("agent.dhcp-report-failed")
    assert failed
    assert cloud.lines("agent.rpc-timeout", "neutron-dhcp-agent")
    cloud.site.neutron.start()
    cloud.run(200)
    assert len(cloud.lines("agent.dhcp-report-recovered")) == 1
    assert _alive(cloud, "neutron-dhcp-agent")


@pytest.mark.parametrize("host", ["compute-0", "compute-1"])
def test_a_machine_that_boots_loses_its_ports_and_its_agent_finds_them_again(cloud, host):
    port = cloud.port(host=host)
    cloud.boot(port)
    assert cloud.active(port["id"])
    switch = cloud.plane.switches[host]
    switch.unplug(port["id"])
    cloud.run(10)
    assert cloud.status(port["id"]) == "DOWN"
    switch.plug(port["id"])
    assert cloud.active(port["id"])


def test_guests_are_told_who_they_are(cloud):
    port = cloud.port()
    cloud.boot(port)
    assert cloud.active(port["id"])
    cloud.run(60)
    lines = cloud.lines("agent.metadata-access")
    assert len(lines) == 9
    assert {line.args[3] for line in lines} == {port["fixed_ips"][0]["ip_address"]}
    assert [line.args[6] for line in lines].count(404) == 1  # user_data that nobody gave
    assert len(cloud.lines("nova.metadata-access")) == 9
    assert cloud.site.libvirts["compute-0"].domains["server-1"].guest.has_key


def test_without_a_metadata_agent_guests_get_no_key(cloud):
    cloud.kill("neutron-metadata-agent")
    port = cloud.port()
    cloud.boot(port)
    assert cloud.active(port["id"])
    cloud.run(100)
    assert not cloud.lines("agent.metadata-access")
    assert not cloud.site.libvirts["compute-0"].domains["server-1"].guest.has_key


def test_an_agent_that_starts_writes_the_flows_that_were_lost(cloud):
    port = cloud.port()
    cloud.boot(port)
    assert cloud.active(port["id"])
    switch = cloud.plane.switches["compute-0"]
    cloud.kill(L2)
    switch.ports[port["id"]].flows = False
    cloud.world.components[L2].start()
    cloud.run(40)
    assert switch.passes(port["id"])
    assert cloud.lines("agent.ovs-flows-cleaned", L2)


def test_an_agent_notices_that_the_switch_was_started_anew(cloud):
    ports = [cloud.port(server=f"server-{i}") for i in range(2)]
    for port in ports:
        cloud.boot(port)
    assert all(cloud.active(port["id"]) for port in ports)
    cloud.run(10)
    switch = cloud.plane.switches["compute-0"]
    switch.restarted()
    cloud.run(30)
    assert len(cloud.lines("agent.ovs-restarted", L2)) == 1
    assert all(switch.passes(port["id"]) for port in ports)


def test_an_agent_that_starts_makes_its_tunnels_and_the_others_theirs(cloud):
    switches = cloud.plane.switches
    cloud.kill(L2)
    switches["compute-0"].tunnels.clear()
    for name, switch in switches.items():
        if name != "compute-0":
            switch.tunnels.discard("compute-0")
    cloud.world.components[L2].start()
    cloud.run(20)
    assert switches["compute-0"].tunnels == set(switches) - {"compute-0"}
    assert all("compute-0" in switch.tunnels for name, switch in switches.items() if name != "compute-0")


def test_the_exporter_counts_what_neutron_has(cloud):
    cloud.port()
    server = cloud.world.components["neutron-server"]
    values = dict(zip([metric.name for metric in server.metrics], server.sample(), strict=True))
    assert values["openstack_neutron_networks"] == 2
    assert values["openstack_neutron_ports"] == len(cloud.tables.ports) >= 2
    agent = cloud.world.components[L2]
    assert dict(zip([m.name for m in agent.metrics], agent.sample(), strict=True))["openstack_neutron_agent_state"] == 1
    cloud.kill(L2)
    cloud.run(120)
    assert agent.sample()[0] == 0


def test_an_agent_whose_clock_is_late_is_taken_for_dead_and_said_so_at_its_start(cloud):
    agent = cloud.world.components[L2]
    cloud.run(30)
    agent.impose(Condition(Layer.CONTAINER, "clock_offset", -600.0, "skew"))
    cloud.run(120)
    assert not _alive(cloud, L2)  # what it sends seems to be from before the server's start
    cloud.run(900)
    assert _alive(cloud, L2)
    cloud.kill(L2)
    agent.start()
    cloud.run(20)
    assert cloud.lines("neutron.agent-clock")[-1].args[7] in (600, 601)


@pytest.mark.parametrize(("share", "most"), [(0.5, 5), (1.0, 6)])
def test_flows_that_an_agent_does_not_miss_come_back_with_its_restart(cloud, share, most):
    ports = [cloud.port(server=f"server-{i}") for i in range(6)]
    for port in ports:
        cloud.boot(port)
    assert all(cloud.active(port["id"], within=60) for port in ports)
    cloud.run(20)
    agent, switch = cloud.world.components[L2], cloud.plane.switches["compute-0"]
    agent.impose(Condition(Layer.CONTAINER, "flows_lost", share, "loss"))
    cloud.run(100)
    lost = [port for port in ports if not switch.passes(port["id"])]
    assert 0 < len(lost) <= most
    assert not cloud.errors()
    assert all(cloud.status(port["id"]) == "ACTIVE" for port in lost)  # nobody knows
    agent.stop("restart")
    agent.start()
    cloud.run(60)
    assert all(switch.passes(port["id"]) for port in ports)


def test_a_killed_dnsmasq_says_nothing_until_the_monitor_finds_it(cloud):
    port = cloud.port()
    cloud.boot(port)
    assert cloud.active(port["id"])
    agent = cloud.world.components["neutron-dhcp-agent"]
    agent.impose(Condition(Layer.CONTAINER, "dhcp_dead", 1.0, "kill"))
    assert not cloud.plane.answers_dhcp(port["id"])
    assert not cloud.errors()
    cloud.run(61)
    assert cloud.lines("agent.process-died")
    assert cloud.plane.answers_dhcp(port["id"])
