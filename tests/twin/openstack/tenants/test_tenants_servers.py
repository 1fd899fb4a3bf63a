"""Servers that tenants have had before: where they are, what they load, and how their outages are counted."""

from __future__ import annotations

from typing import Any

import pytest

from twin import Scenario, World
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.mechanics.tenants import PROBE_INTERVAL
from twin.scenario import ScenarioError

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: tenants}
spec:
  cluster: {kind: openstack, preset: small, computes: 4, spares: 0}
  workload: {tenants: TENANTS}
  slo: {availability: 99.9%}
  telemetry: {mode: recorded}
  control: {warmup: 0s}
  horizon: 86400s
"""


def world(tenants: str = "{servers: 40}") -> Any:
    return World(Scenario.parse(SCENARIO.replace("TENANTS", tenants)), seed=3)


def domains(made: World) -> list[Any]:
    return [domain for libvirt in made.cluster.site.libvirts.values() for domain in libvirt.domains.values()]


def test_servers_are_spread_evenly_and_agree_with_the_tables():
    made = world("{servers: 41, projects: 3}")
    site, fleet = made.cluster.site, made.cluster.workload.fleet
    counts = [len(libvirt.domains) for libvirt in site.libvirts.values()]
    assert sum(counts) == 41 and max(counts) - min(counts) <= 1
    assert len({server.project for server in fleet.servers}) == 3
    for server in fleet.servers:
        assert site.tables.servers[server.uuid].host == site.dataplane.ports[server.port].host == server.host
        assert server.uuid in site.libvirts[server.host].domains


def test_every_server_can_be_reached_from_the_first_probe_on():
    made = world()
    made.run(until=3 * PROBE_INTERVAL)
    probes = made.cluster.workload.probes
    assert probes.probes == pytest.approx(3 * 40, abs=40)
    assert not probes.down and not probes.outages and not any(made.slo.violated)


def test_an_outage_is_counted_from_the_probe_that_finds_it_to_the_one_that_does_not():
    """Ten of forty servers lose their flows from 300 s to 900 s: 600 s each, give or take one round of probes."""
    made = world()
    probes, switch = made.cluster.workload.probes, made.cluster.site.dataplane.switches["compute-2"]
    made.run(until=300)
    for port in switch.ports.values():
        port.flows = False
    made.run(until=900)
    assert len(probes.down) == 10
    for port in switch.ports.values():
        port.flows = True
    made.run(until=1200)
    assert len(probes.outages) == 10 and not probes.down
    assert {outage.end - outage.start for outage in probes.outages} == {600.0}  # a multiple of the interval
    assert all(300 < outage.start <= 360 and 900 < outage.end <= 960 for outage in probes.outages)
    assert probes.downtime(1200) == pytest.approx(10 * 600.0)


def test_the_loss_is_the_share_of_servers_that_are_down():
    made = world()
    made.run(until=120)
    port = next(iter(made.cluster.site.dataplane.switches["compute-1"].ports.values()))
    port.flows = False
    made.run(until=300)
    assert made.slo.loss[250] == pytest.approx(1 / 40)
    assert made.slo.violated[250] and not made.slo.violated[100]


def test_the_mean_load_is_what_the_scenario_says():
    made = world("{servers: 240, cpu: 20%, flavor: m1.tiny}")
    wanted = [domain.demand_cpu for domain in domains(made)]
    assert sum(wanted) / len(wanted) == pytest.approx(0.2, rel=0.1)
    assert all(0.0 < cpu <= 1.0 for cpu in wanted)


def test_a_noisy_server_takes_all_its_processors_and_a_stream_of_the_disk():
    made = world("{servers: 44, noisy: 20%, flavor: m1.medium}")
    noisy = [domain for domain in domains(made) if domain.demand_streams]
    assert 4 <= len(noisy) <= 20
    assert all(domain.demand_cpu == 2.0 for domain in noisy)


def test_the_load_follows_the_hours_of_the_day():
    made = world("{servers: 40, pattern: diurnal, start: 18.5h}")
    night = made.cluster.site.libvirts["compute-0"].runnable_threads
    made.run(until=2 * 3600)
    evening = made.cluster.site.libvirts["compute-0"].runnable_threads
    assert evening > 1.3 * night


def test_two_worlds_place_the_same_servers():
    one, other = (world("{servers: 40, noisy: 10%}") for _ in range(2))
    assert one.cluster.workload.fleet.servers == other.cluster.workload.fleet.servers


def test_agents_that_start_anew_find_their_tenants_networks_as_they_are():
    """The kernel's flows, routers and dnsmasqs live on; a full sync changes nothing for who is there."""
    made = world()
    made.run(until=100)
    for component in list(made.components.values()):
        if component.kind in ("neutron-l3-agent", "neutron-dhcp-agent", "neutron-openvswitch-agent"):
            component.die("crash")
    made.run(until=600)
    probes = made.cluster.workload.probes
    assert not probes.down and not probes.outages
    assert all(len(node.routers) == 4 for node in made.cluster.site.dataplane.network_nodes.values())


def test_a_router_that_goes_takes_its_projects_servers_along():
    made = world()
    made.run(until=100)
    (node,) = made.cluster.site.dataplane.network_nodes.values()
    router = next(iter(node.routers))
    networks = node.routers.pop(router)
    made.run(until=200)
    mine = {server.uuid for server in made.cluster.workload.fleet.servers if server.network in networks}
    assert len(mine) == 10 and set(made.cluster.workload.probes.down) == mine


@pytest.mark.parametrize(
    ("tenants", "says"),
    [
        ("{servers: 40, flavor: m1.smal}", "did you mean 'm1.small'"),
        ("{servers: 40, flavor: m9.huge}", "no flavor"),
        ("{servers: 4000}", "hold 88 servers"),
        ("{servers: 0}", "greater than or equal to 1"),
        ("{servers: 40, cpu: 120%}", "less than or equal to 1"),
    ],
)
def test_tenants_that_no_host_takes_are_refused(tenants, says):
    with pytest.raises(ScenarioError, match=says):
        world(tenants)


@pytest.mark.parametrize(
    ("cluster", "workload", "where", "says"),
    [
        ("hostMemory: 2GB", "{arrivals: {poisson: 1/min}}", "7:3: spec.workload", "m1.small"),
        (
            "hostVcpus: 4",
            "{kind: network, flavor: m1.xlarge}",
            "7:29: spec.workload.flavor",
            "fits no host (4 processors",
        ),
        ("quotas: {instances: 0}", "{kind: deployment}", "6:", "needs 1 in each project, the quota is 0"),
        ("", "{kind: operations, flavor: m1.xlarge}", "7:32: spec.workload.flavor", "the largest flavor"),
        ("quotas: {instances: 3}", "{kind: operations}", "6:", "needs 4"),
        ("quotas: {gigabytes: 2}", "{kind: storage}", "6:", "allow 4 or more"),
        ("quotas: {ports: 5}", "{loads: [{kind: network}]}", "6:", "the network load needs 7"),
        ("quotas: {instances: 8}", "{arrivals: {constant: 1/s}, lifetime: 60s}", "6:", "needs 15"),
        ("quotas: {cores: 9}", "{tenants: {servers: 40}}", "6:", "tenants needs 10"),
    ],
)
def test_a_cloud_that_cannot_carry_its_load_is_refused_with_the_key(cluster, workload, where, says):
    text = SCENARIO.replace("  slo: {availability: 99.9%}\n", "").replace("{tenants: TENANTS}", workload)
    with pytest.raises(ScenarioError) as raised:
        World(Scenario.parse(text.replace("spares: 0}", "spares: 0, " + cluster + "}"), "bad.yaml"))
    assert says in str(raised.value)
    assert str(raised.value).startswith(f"bad.yaml:{where}")


def test_a_resize_needs_another_host():
    text = SCENARIO.replace("  slo: {availability: 99.9%}\n", "").replace("{tenants: TENANTS}", "{kind: operations}")
    with pytest.raises(ScenarioError, match="another host"):
        World(Scenario.parse(text.replace("computes: 4", "computes: 1")))


def test_an_unlimited_quota_bears_everything():
    text = SCENARIO.replace("spares: 0}", "spares: 0, quotas: {cores: -1}}").replace("TENANTS", "{servers: 40}")
    site = World(Scenario.parse(text)).cluster.site
    assert (site.quotas["cores"], len(site.tables.servers)) == (-1, 40)


def test_the_services_keep_projects_to_their_quotas():
    quotas = "{instances: 7, volumes: 3, gigabytes: -1, ports: 9, floatingIps: 2, securityGroups: 4}"
    text = SCENARIO.replace("spares: 0}", "spares: 0, quotas: " + quotas + "}").replace(
        "{tenants: TENANTS}", "{kind: network}"
    )
    site = World(Scenario.parse(text.replace("  slo: {availability: 99.9%}\n", ""))).cluster.site
    assert site.quotas["instances"] == 7
    assert (site.volumes.quotas["volumes"], site.volumes.quotas["gigabytes"]) == (3, -1)
    limits = site.neutron.tables.quotas
    assert (limits["port"], limits["floatingip"], limits["security_group"], limits["network"]) == (9, 2, 4, 100)


def test_a_noisy_neighbour_that_calms_down_wants_what_it_wanted_before():
    made = world()
    libvirt = made.cluster.site.libvirts["compute-0"]
    before = {domain.uuid: domain.demand_cpu for domain in libvirt.domains.values()}
    noise = [
        Condition(Layer.DEMAND, parameter, value, "neighbour")
        for parameter, value in (("guest_cpu", 1.0), ("guest_streams", 1.0), ("noisy_guests", 2.0))
    ]
    for condition in noise:
        libvirt.impose(condition)
    assert sum(domain.demand_cpu == 1.0 for domain in libvirt.domains.values()) == 2
    for condition in noise:
        libvirt.lift(condition)
    assert {domain.uuid: domain.demand_cpu for domain in libvirt.domains.values()} == before
