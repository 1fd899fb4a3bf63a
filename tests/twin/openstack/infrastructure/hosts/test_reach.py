"""Whether a tester gets into a server, and what it sees where it does not."""

from __future__ import annotations

import pytest

from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.infrastructure.dataplane import PortPath
from twin.openstack.infrastructure.openvswitch import Tunnels


@pytest.fixture
def site(machines):
    """A server on each host, up for a while."""
    machines.do(machines.build("a"))
    machines.do(machines.build("b", machines.second))
    machines.world.run(until=machines.now + 60)
    return machines


def test_a_healthy_server_is_reached_from_outside_and_from_its_neighbour(site):
    for reach in (site.plane.reaches("a"), site.plane.reaches("a", "b"), site.plane.reaches("b", "a")):
        assert reach.ok
        assert reach.symptom == "connected"
        assert 0.5 < reach.seconds < 2.0


def test_a_server_that_boots_is_reached_when_it_is_up_and_not_before(machines):
    machines.do(machines.build("a"))
    seen = []
    for _ in range(40):
        seen.append((machines.plane.reaches("a").why, machines.plane.reaches("a").symptom))
        machines.world.run(until=machines.now + 0.5)
    whys = list(dict.fromkeys(seen))
    assert whys == [("booting", "no route"), ("sshd not up", "refused"), ("", "connected")]


def _floating_gone(site):
    del site.network.floating["ip-a"]


def _router_gone(site):
    site.network.routers.clear()


def _flows_gone(site):
    site.plane.switches["compute-0"].restarted()


def _unplugged(site):
    site.plane.switches["compute-0"].unplug("port-a")


def _dead_vlan(site):
    site.plane.switches["compute-0"].unwire("port-a")


def _no_tunnel(site):
    site.plane.switches["compute-0"].tunnels.discard("controller-1")


def _closed(site):
    site.plane.ports["port-a"].ssh_allowed = False


def _small_packets(site):
    site.impose(site.nodes[0], "mtu", 1400, Layer.NETWORK)


def _settings(site):
    site.impose(site.agents["compute-0"], "mtu", 1400, Layer.CONFIGURATION)


def _no_key(site):
    site.first.domains["a"].guest.has_key = False


def _paused(site):
    site.do(site.first.suspend_domain(site.context(), "a"))


def _destroyed(site):
    site.do(site.first.destroy(site.context(), "a"))


def _partition(site):
    site.impose(site.nodes[0], "blocked", 1.0, Layer.NETWORK)


def _deleted(site):
    site.plane.release("port-a")


@pytest.mark.parametrize(
    ("trouble", "why", "symptom", "from_neighbour"),
    [
        (_floating_gone, "no floating IP", "timed out", True),
        (_router_gone, "no router", "timed out", True),
        (_flows_gone, "no flows", "no route", False),
        (_unplugged, "not plugged", "no route", False),
        (_dead_vlan, "not wired", "no route", False),
        (_no_tunnel, "no tunnel", "no route", True),
        (_closed, "security group", "timed out", False),
        (_small_packets, "mtu", "hung", False),
        (_settings, "mtu", "hung", False),
        (_no_key, "no key", "denied", False),
        (_paused, "guest stands still", "no route", False),
        (_destroyed, "no guest", "no route", False),
        (_partition, "no tunnel", "no route", False),
        (_deleted, "no port", "timed out", False),
    ],
)
def test_one_missing_link_is_enough(site, trouble, why, symptom, from_neighbour):
    trouble(site)
    reach = site.plane.reaches("a")
    assert (reach.ok, reach.why, reach.symptom) == (False, why, symptom)
    assert site.plane.reaches("a", "b").ok is from_neighbour
    assert site.plane.reaches("b").ok is (trouble is not _router_gone), "who does not need it is not touched"


def test_small_packets_still_pass_where_large_ones_vanish(site):
    _small_packets(site)
    assert site.plane.answers_dhcp("port-a")
    assert site.plane.answers_metadata("port-a")


def test_a_dead_agent_changes_nothing_for_wired_ports(site):
    for agent in site.agents.values():
        agent.stop()
    assert site.plane.reaches("a").ok
    assert site.plane.answers_dhcp("port-a")


def test_a_network_node_that_boots_has_nothing_until_its_agents_say_so(site):
    site.control.brought_back("reboot")
    site.control.booted = site.now + 1e-9
    assert site.plane.reaches("a").why == "no floating IP"
    assert not site.plane.answers_dhcp("port-a")
    site.network.routers["router"] = {"net"}
    site.network.floating["ip-a"] = "port-a"
    assert site.plane.reaches("a").why == "no tunnel"


# --- flows -------------------------------------------------------------------------------------------------------


def test_lost_flows_come_back_when_the_agent_writes_them_anew(site):
    agent, switch = site.agents["compute-0"], site.plane.switches["compute-0"]
    site.impose(agent, "flows_lost", 1.0)
    switch.notice(agent)
    assert switch.empty
    assert site.plane.reaches("a").why == "no flows"
    site.plane.bind("port-new", PortPath("new", "net", "compute-0"))
    switch.plug("port-new")
    switch.wire("port-new", 1)
    switch.notice(agent)
    assert switch.passes("port-new"), "new ports are wired as ever"
    switch.resync(agent)
    assert site.plane.reaches("a").ok
    assert not site.world.truth.active


def test_a_share_of_the_ports_loses_its_flows(site):
    agent, switch = site.agents["compute-0"], site.plane.switches["compute-0"]
    for i in range(400):
        switch.plug(f"port-{i}")
        switch.wire(f"port-{i}", 1)
    site.impose(agent, "flows_lost", 0.25)
    switch.notice(agent)
    left = sum(switch.passes(f"port-{i}") for i in range(400))
    assert 260 < left < 340


def test_the_kernel_prints_taps(site):
    assert site.printed("kernel.promiscuous")[0].args == ("tapport-a",)
    _unplugged(site)
    assert site.printed("kernel.promiscuous-left")[0].args == ("tapport-a",)


# --- addresses ---------------------------------------------------------------------------------------------------


def _kill_dnsmasq(machines, again=False):
    agent = machines.agents["controller-1"]
    layer, value = (Layer.CONTAINER, 2.0) if again else (Layer.PROCESS, 1.0)
    condition = machines.impose(agent, "dhcp_dead", value, layer)
    machines.network.notice(agent)
    return agent, condition


def test_without_dhcp_a_guest_boots_without_an_address_and_never_asks_again(machines):
    agent, _ = _kill_dnsmasq(machines)
    machines.do(machines.build("a"))
    machines.world.run(until=machines.now + 60)
    assert machines.plane.reaches("a").why == "no address"
    machines.world.run(until=machines.now + 200)
    assert machines.network.dead() == ["net"]
    assert machines.network.start_dnsmasq(agent, "net")
    machines.world.run(until=machines.now + 600)
    assert machines.plane.reaches("a").why == "no address"
    machines.do(machines.first.reset_domain(machines.context(), "a"))
    machines.world.run(until=machines.now + 60)
    assert machines.plane.reaches("a").ok


def test_a_dnsmasq_that_comes_back_within_two_minutes_is_in_time(machines):
    agent, _ = _kill_dnsmasq(machines)
    machines.do(machines.build("a"))
    machines.world.run(until=machines.now + 60)
    machines.network.start_dnsmasq(agent, "net")
    assert not machines.world.truth.active, "the process monitor has cured what was only killed"
    machines.world.run(until=machines.now + 60)
    assert machines.plane.reaches("a").ok


def test_a_dnsmasq_that_dies_whenever_it_starts_needs_its_files_renewed(machines):
    agent, _ = _kill_dnsmasq(machines, again=True)
    assert not machines.network.start_dnsmasq(agent, "net")
    agent.renew(frozenset({Layer.PROCESS}), "restart")
    assert not machines.network.start_dnsmasq(agent, "net")
    agent.renew(frozenset({Layer.PROCESS, Layer.CONTAINER}), "recreate")
    assert machines.network.start_dnsmasq(agent, "net")
    assert machines.network.serves("net")


def test_an_address_outlives_its_server_until_the_lease_ends(site):
    _kill_dnsmasq(site)
    assert site.plane.reaches("a").ok
    site.world.run(until=site.now + 86_400)
    assert site.plane.reaches("a").why == "no address"


def test_dnsmasq_answers_only_those_it_was_told_of(machines):
    machines.plane.bind("port-x", PortPath("x", "net", "compute-0"))
    machines.plane.switches["compute-0"].plug("port-x")
    machines.plane.switches["compute-0"].wire("port-x", 1)
    assert not machines.plane.answers_dhcp("port-x")
    machines.network.reload_allocations("net", {"port-x"})
    assert machines.plane.answers_dhcp("port-x")


def test_a_port_that_is_wired_too_late_gets_its_address_at_the_next_try(machines):
    machines.do(machines.build("a", wired=False))
    machines.world.run(until=machines.now + 30)
    machines.plane.switches["compute-0"].wire("port-a", 1)
    assert machines.plane.reaches("a").why == "no address"
    machines.world.run(until=machines.now + 60)
    assert machines.plane.reaches("a").ok


def test_without_metadata_a_guest_comes_up_late_and_without_the_key(machines):
    machines.plane.metadata_backend = lambda: False
    machines.do(machines.build("a"))
    machines.world.run(until=machines.now + 100)
    assert machines.plane.reaches("a").symptom == "refused"
    machines.world.run(until=machines.now + 150)
    assert machines.plane.reaches("a").symptom == "denied"
    machines.plane.metadata_backend = lambda: True
    machines.do(machines.first.reset_domain(machines.context(), "a"))
    machines.world.run(until=machines.now + 60)
    assert machines.plane.reaches("a").ok


def test_conditions_of_settings_go_with_a_rollback(site):
    agent = site.agents["compute-0"]
    agent.impose(Condition(Layer.CONFIGURATION, "mtu", 1400, "fault"))
    assert site.plane.reaches("a").why == "mtu"
    agent.renew(frozenset({Layer.CONFIGURATION}), "rollback-config")
    assert site.plane.reaches("a").ok


def test_a_thousand_machines_have_tunnels_to_each_other_in_little_room():
    numbers: dict[str, int] = {}
    names = [f"compute-{i}" for i in range(1000)]
    meshes = [Tunnels(numbers) for _ in names]
    for name, mesh in zip(names, meshes, strict=True):
        mesh.update(other for other in names if other != name)
    assert all(len(mesh) == 999 for mesh in meshes)
    assert set(meshes[3]) == {*names} - {"compute-3"}
    meshes[3].discard("compute-7")
    meshes[3].discard("elsewhere")
    assert "compute-7" not in meshes[3]
    assert "compute-3" not in meshes[3]
    assert "compute-8" in meshes[3]
    assert sum(len(mesh._made) for mesh in meshes) <= 1e6
