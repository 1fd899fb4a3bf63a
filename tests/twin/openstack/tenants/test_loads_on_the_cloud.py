"""The tenants' loads on a whole cloud without faults: all checks pass, nothing is left, nothing is lost."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from twin import Scenario, World
from twin.openstack.mutation.coverage import count
from twin.openstack.tenants.workload import TESTS

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: loads}
spec:
  cluster: {kind: openstack, preset: small}
  workload: WORKLOAD
  horizon: HORIZON
"""


def lived(workload: str, horizon: str = "700s", seed: int = 5) -> Any:
    text = SCENARIO.replace("WORKLOAD", workload).replace("HORIZON", horizon)
    world = World(Scenario.parse(text), seed=seed)
    world.run()
    return world


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    """One run of each tester's load."""
    return {name: lived(f"{{kind: {name}}}") for name in TESTS}


def rows(world: Any) -> dict[str, int]:
    """Everything that a tenant can make, as far as it is there."""
    site = world.cluster.site
    neutron, volumes = site.neutron.tables, site.volumes
    mine = set(neutron.default_groups)
    return {
        "servers": len(site.tables.servers),
        "allocations": len(site.tables.allocations),
        "key pairs": len(site.tables.keypairs),
        "guests": sum(len(libvirt.domains) for libvirt in site.libvirts.values()),
        "networks": sum(network.project_id in mine for network in neutron.networks.values()),
        "subnets": sum(subnet.project_id in mine for subnet in neutron.subnets.values()),
        "ports": sum(port.project_id in mine for port in neutron.ports.values()),
        "routers": len(neutron.routers),
        "floating IPs": len(neutron.floating_ips),
        "groups": sum(group.name != "default" for group in neutron.security_groups.values()),
        "volumes": len(volumes.volumes),
        "snapshots": len(volumes.snapshots),
        "attachments": len(volumes.attachments),
        "images": len(site.images.images) - 1,
        "stacks": len(site.stacks.stacks),
    }


@pytest.mark.parametrize("name", TESTS)
def test_a_run_without_a_fault_passes_all_checks(runs, name):
    (trial,) = runs[name].cluster.workload.trials
    assert trial.well, (trial.phase, trial.api_errors, trial.failed_checks)
    assert trial.phase == "done"
    assert 300 < trial.seconds < 700  # the studies' takes eleven minutes, on a slower cloud


@pytest.mark.parametrize("name", TESTS)
def test_a_run_leaves_no_row_behind(runs, name):
    assert {kind: count for kind, count in rows(runs[name]).items() if count} == {}


@pytest.mark.parametrize("name", TESTS)
def test_requests_are_conserved(runs, name):
    requests = runs[name].cluster.workload.requests
    assert requests.sent == requests.answered == runs[name].cluster.workload.trials[0].requests
    assert requests.failed == requests.timed_out == requests.in_flight == 0


@pytest.mark.parametrize("name", TESTS)
def test_a_run_without_a_fault_logs_no_error(runs, name):
    errors = [line.text for line in runs[name].log_lines(0, 700) if " ERROR " in line.text]
    assert errors == []


def test_operations_come_by_what_no_other_load_needs():
    text = SCENARIO.replace("WORKLOAD", "{kind: operations}").replace("HORIZON", "700s")
    world: Any = World(Scenario.parse(text), seed=5)
    reached = count(world.components.values(), ("twin.openstack.nova",))
    world.run()
    functions = {site.partition("/")[0].rpartition(".")[2] for _, site in reached}
    assert {"stop_instance", "start_instance", "prep_resize", "snapshot_instance", "confirm_resize"} <= functions
    assert {"finish_resize", "revert_resize", "finish_revert_resize", "_soft_reboot", "snapshot"} <= functions


def test_names_that_are_tried_as_ids_show_in_neutrons_log(runs):
    lines = [line.text for line in runs["deployment"].log_lines(0, 700) if "client error" in line.text]
    assert 5 <= len(lines) <= 30  # the studies count 18 a run


def test_two_runs_print_the_same(runs):
    again = lived("{kind: network}")

    def digest(world: Any) -> str:
        return sha256("\n".join(line.text for line in world.log_lines(0, 700)).encode()).hexdigest()

    assert digest(again) == digest(runs["network"])
    assert again.cluster.workload.trials == runs["network"].cluster.workload.trials


def test_a_tester_comes_as_often_as_asked():
    world = lived("{kind: network, repeat: 2}", "1300s")
    first, second = world.cluster.workload.trials
    assert first.well and second.well
    assert second.started >= first.started + first.seconds


def test_several_tenants_come_at_once_and_are_all_served():
    world = lived(
        "{requests: 0.5/s, tenants: {servers: 10}, loads: ["
        "{kind: deployment}, {kind: storage, at: 30s}, {kind: network, at: 60s, repeat: 1}, "
        "{kind: lifecycle, arrivals: {poisson: 1/min}, lifetime: 60s, repeat: 5}]}",
        "1000s",
    )
    workload = world.cluster.workload
    assert sorted(trial.workload for trial in workload.trials) == ["deployment", "network", "storage"]
    assert all(trial.well for trial in workload.trials)
    assert (workload.started, workload.completed, workload.abandoned) == (8, 8, 0)
    assert not workload.probes.down and not workload.probes.outages
    requests = workload.requests
    assert requests.sent == requests.answered + requests.failed + requests.timed_out + requests.in_flight
    reads = requests.sent - sum(trial.requests for trial in workload.trials)
    assert reads > 0.5 * 1000 * 0.85
    assert rows(world)["servers"] == 10


def test_a_service_that_is_down_stops_the_load_at_its_first_call():
    text = SCENARIO.replace("WORKLOAD", "{kind: network}").replace("HORIZON", "400s")
    fault = "  faults:\n    - {name: f, kind: ProcessChaos, action: crash, layer: container, at: 60s, "
    fault += "selector: {components: [neutron-server]}}\n"
    world: Any = World(Scenario.parse(text + fault), seed=5)
    world.run()
    (trial,) = world.cluster.workload.trials
    (error,) = trial.api_errors
    assert (error.service, error.status) == ("neutron-server", 503)
    assert error.time == pytest.approx(trial.started + trial.seconds)
    assert not trial.silent and trial.phase.startswith(("security group", "network"))


def test_a_project_that_has_what_it_may_is_refused_more():
    text = SCENARIO.replace("preset: small}", "preset: small, quotas: {instances: 2}}")
    text = text.replace("WORKLOAD", "{arrivals: {constant: 12/min}, lifetime: 40s}").replace("HORIZON", "300s")
    world: Any = World(Scenario.parse(text), seed=5)
    world.run()
    projects = [server.project for server in world.cluster.site.tables.servers.values()]
    assert max(projects.count(project) for project in projects) <= 2
    refused = [line.text for line in world.log_lines(0, 300) if "POST /v2.1/servers HTTP" in line.text]
    assert any("status: 403" in line for line in refused) and any("status: 202" in line for line in refused)
    assert world.cluster.workload.abandoned > 0


@pytest.mark.parametrize(
    "workload", ["{kind: network, flavor: m1.medium}", "{arrivals: {constant: 2/min}, flavor: m1.medium}"]
)
def test_servers_have_the_flavor_that_the_load_names(workload):
    world = lived(workload, "240s")
    flavors = {server.flavor.name for server in world.cluster.site.tables.servers.values()}
    assert flavors == {"m1.medium"}
