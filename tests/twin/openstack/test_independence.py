"""The past does not depend on the observer: not on who watches, nor on what fails where it has no part."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin import Action, Scenario, World
from twin.openstack.oslo.context import Context, branch, draw, fresh_id, new_context, open_span
from twin.scenario import ResolvedScenario

MakeWorld = Callable[..., World]
Fault = dict[str, Any]

SCENARIOS = Path(__file__).parents[3] / "scenarios" / "openstack"


def logs(world: World, machines: Collection[str] | None = None) -> list[tuple[Any, ...]]:
    """What was logged, on some machines or on all."""
    said = world.recorder.logs_between(-1.0, world.now)
    return [tuple(r) for r in said if machines is None or machine(world, r.component) in machines]


def spans(world: World, machines: Collection[str] | None = None) -> list[tuple[Any, ...]]:
    """The spans, on some machines or on all."""
    ended = world.recorder.spans
    return [tuple(s) for s in ended if machines is None or machine(world, s.component) in machines]


def machine(world: World, name: str) -> str:
    """What a component runs on in the end."""
    component = world.components[name]
    while component.place is not None:
        component = component.place
    return component.name


# --- observers ---------------------------------------------------------------------------------------------------


def eventful(make: MakeWorld, on: Callable[..., Fault], **spec: Any) -> World:
    """Servers come and go, nova-compute of a host dies, and operators do what they can."""
    fault = on("nova-compute@compute-1", "ProcessChaos", "crash", at="60s", layer="container")
    world = make(fault, workload={"arrivals": {"poisson": "0.15/s"}, "lifetime": "40s"}, **spec)
    for time, action in (
        (80.0, Action("recreate", "nova-compute@compute-1", "immediate")),
        (120.0, Action("restart", "nova-conductor", "immediate")),
    ):
        world.run(until=time)
        assert world.apply(action).legal
    world.run(until=200.0)
    return world


def what_happened(world: World) -> dict[str, Any]:
    """What became of it all, to the last digit."""
    site: Any = world.cluster.site  # type: ignore[attr-defined]
    workload: Any = world.cluster.workload  # type: ignore[attr-defined]
    return {
        "servers": {uuid: asdict(server) for uuid, server in site.tables.servers.items()},
        "ports": {id: port.show() for id, port in site.neutron.tables.ports.items()},
        "guests": {host: [(d.uuid, d.pid, d.state) for d in v.domains.values()] for host, v in site.libvirts.items()},
        "requests": asdict(workload.requests),
        "runs": (workload.started, workload.completed, workload.abandoned),
        "messages": (site.broker.published, site.broker.delivered),
        "loss": world.slo.loss,
        "tickets": [(str(t.action), t.started, t.finished, t.refusal, t.relieved) for t in world.tickets],
        "incidents": {name: asdict(incident) for name, incident in world.truth.incidents.items()},
    }


@pytest.fixture(scope="module")
def expected(openstack_world: MakeWorld, on: Callable[..., Fault]) -> dict[str, Any]:
    return what_happened(eventful(openstack_world, on))


@pytest.mark.parametrize(
    "telemetry",
    [
        "off",
        {"mode": "recorded"},
        {"scrape": "1s", "profile": "paper"},
        {"tracing": "off"},
        {"notifications": "log"},
        {"level": "DEBUG"},
        {"dialect": "loghub2017"},
    ],
    ids=str,
)
def test_how_a_cloud_is_observed_changes_nothing_that_happens(telemetry, expected, openstack_world, on):
    assert what_happened(eventful(openstack_world, on, telemetry=telemetry)) == expected


def test_whoever_looks_changes_no_line(openstack_world, on):
    fault = on("mysql-0", "DatabaseChaos", "slow", at="60s", factor=20)
    watched, alone = openstack_world(fault), openstack_world(fault)
    for tick in range(1, 400):
        watched.run(until=0.37 * tick)
        for component in watched.components.values():
            component.sample()
        if tick % 20 == 0:
            window = watched.observe(last=30.0)
            assert window.logs is not None and window.traces is not None
            watched.legal("restart", watched.components["mysql-0"])
    for world in (watched, alone):
        world.run(until=150.0)
    assert watched.log_lines(0.0, 150.0) == alone.log_lines(0.0, 150.0)
    assert watched.recorder.spans == alone.recorder.spans
    assert watched.recorder.scrape_times == alone.recorder.scrape_times
    assert np.allclose(watched.observe(150.0).metrics, alone.observe(150.0).metrics, rtol=1e-9, equal_nan=True)


# --- what is to come ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "compute-power-loss",
        "dhcp-dead",
        "haproxy-flap",
        "keystone-token-failure",
        "mutation-nova-event-dropped",
        "mysql-slow-and-compute-crash",
        "rabbitmq-partition",
        "rollout-broker-password",
        "volume-backend-slow",
    ],
)
def test_before_a_fault_a_run_is_as_without_it(name):
    faulty = Scenario.load(SCENARIOS / f"{name}.yaml").resolve(3)
    assert faulty.spec.faults
    first = min(fault.at for fault in faulty.spec.faults)
    plain = ResolvedScenario(**{**dict(faulty), "spec": faulty.spec.model_copy(update={"faults": ()})})
    worlds = [World(scenario, seed=3) for scenario in (faulty, plain)]
    for world in worlds:
        world.run(until=first - 1e-3)
    assert worlds[0].observe(first) == worlds[1].observe(first)


# --- what fails elsewhere ----------------------------------------------------------------------------------------

TENANTS = {"servers": 20, "projects": 4}
LOCAL: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "libvirt hangs": ("libvirt@compute-1", "HypervisorChaos", "hang", {}),
    "libvirt stops": ("libvirt@compute-1", "ServiceChaos", "stop", {}),
    "a guest is stuck": ("libvirt@compute-1", "HypervisorChaos", "guestStuck", {}),
    "flows are lost": ("compute-1", "NetworkAgentChaos", "flowLoss", {"share": 1.0}),
    "the agent is down": ("neutron-openvswitch-agent@compute-1", "ServiceChaos", "stop", {}),
    "nova-compute dies": ("nova-compute@compute-1", "ProcessChaos", "crash", {"layer": "container"}),
    "the power is lost": ("compute-1", "NodeChaos", "powerLoss", {}),
}


def neighbour(make: MakeWorld, *faults: Fault, arrivals: str) -> World:
    """A cloud whose tenants have servers on both hosts, and at most a few others come; services say all they can."""
    workload = {"arrivals": {"poisson": arrivals}, "lifetime": "60s", "tenants": TENANTS}
    world = make(*faults, workload=workload, telemetry={"level": "DEBUG"})
    world.run(until=200.0)
    return world


@pytest.fixture(scope="module")
def calm(openstack_world: MakeWorld) -> World:
    return neighbour(openstack_world, arrivals="0.00001/s")


@pytest.fixture(scope="module")
def busy(openstack_world: MakeWorld) -> World:
    return neighbour(openstack_world, arrivals="4/min")


@pytest.mark.parametrize("fault", LOCAL)
def test_a_host_does_not_notice_what_befalls_another_while_nobody_asks_for_anything(fault, calm, openstack_world, on):
    """Programs of two hosts meet in the control plane alone. A host's own rhythm (heartbeats, audits, agents' passes)
    and its tenants' guests go on as if nothing was, to the last line, span and sample."""
    component, kind, action, fields = LOCAL[fault]
    world = neighbour(openstack_world, on(component, kind, action, at="60s", **fields), arrivals="0.00001/s")
    assert len(logs(world, {"compute-0"})) > 30
    assert logs(world, {"compute-0"}) == logs(calm, {"compute-0"})
    assert spans(world, {"compute-0"}) == spans(calm, {"compute-0"})
    mine = [world.topology.index[name] for name in world.components if machine(world, name) == "compute-0"]
    a, b = (w.observe(200.0).metrics[mine] for w in (world, calm))
    assert np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("fault", LOCAL)
def test_a_host_hears_of_another_through_the_control_plane_alone(fault, busy, openstack_world, on):
    """While servers come and go, a build that fails on one host is one more on the other, which cannot stay as it was.
    But nothing differs there before something has in what both share; with a fault that no request meets, nothing does.
    """
    component, kind, action, fields = LOCAL[fault]
    world = neighbour(openstack_world, on(component, kind, action, at="60s", **fields), arrivals="4/min")
    shared = {machine(world, name) for name in world.components} - {"compute-0", "compute-1"}
    at_home, between = (_parting(world, busy, place) for place in ({"compute-0"}, shared))
    assert 60.0 <= between <= at_home
    if fault in ("a guest is stuck", "flows are lost"):
        assert at_home == np.inf


def _parting(one: World, other: World, machines: Collection[str]) -> float:
    """The first second in which two worlds differ on some machines."""
    ways = [
        sorted(
            [(r[0], r) for r in logs(w, machines)] + [(s[5] + s[6], s) for s in spans(w, machines)], key=lambda x: x[0]
        )
        for w in (one, other)
    ]
    for a, b in zip(*ways, strict=False):
        if a != b:
            return min(a[0], b[0])
    shorter = min(map(len, ways))
    return min((way[shorter][0] for way in ways if len(way) > shorter), default=np.inf)


# --- names -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(openstack_world: MakeWorld) -> World:
    world = openstack_world()
    world.run(until=240.0)
    return world


@pytest.mark.parametrize(
    ("component", "kind", "action", "fields"),
    [
        ("mysql-0", "DatabaseChaos", "slow", {"factor": 40}),
        ("keystone", "ServiceChaos", "stop", {"duration": "20s"}),
        ("nova-compute@compute-1", "ProcessChaos", "crash", {"layer": "container"}),
        ("libvirt@compute-1", "ServiceChaos", "stop", {}),
        ("rabbitmq-0", "ServiceChaos", "stop", {"signal": "SIGKILL"}),
    ],
)
def test_a_fault_changes_what_happens_and_not_what_it_is_called(
    component, kind, action, fields, undisturbed, openstack_world, on
):
    """A request whose branches came in another order, or met something that others do not, would have the names and the
    luck of one branch in another. Here what has one name in both lives is one thing in both."""
    world = openstack_world(on(component, kind, action, at="60s", **fields))
    world.run(until=240.0)
    one, other = _named(undisturbed), _named(world)
    both = one.keys() & other.keys()
    assert len(both) > 0.6 * len(one)
    assert {name: one[name] for name in both} == {name: other[name] for name in both}
    mine, theirs = _servers(undisturbed), _servers(world)
    assert {name: mine[name] for name in mine if name in theirs} == {
        name: theirs[name] for name in mine if name in theirs
    }


def _named(world: World) -> dict[str, tuple[str, str, str]]:
    """What each span is: its trace, the kind of program, and what it did."""
    return {s.span: (s.trace, world.components[s.component].kind, s.operation) for s in world.recorder.spans}


def _servers(world: World) -> dict[str, str]:
    """The servers' uuids by name."""
    site: Any = world.cluster.site  # type: ignore[attr-defined]
    return {server.name: uuid for uuid, server in site.tables.servers.items()}


def test_a_user_who_has_to_wait_changes_nobody_elses_arrivals(openstack_world, on):
    def begun(*faults: Fault) -> dict[int, float]:
        loads = [
            {"kind": "lifecycle", "arrivals": {"concurrency": {"users": 2, "think": "5s"}}, "lifetime": "5s"},
            {"kind": "lifecycle", "arrivals": {"poisson": "0.1/s"}, "lifetime": "20s"},
        ]
        world = openstack_world(*faults, workload={"loads": loads})
        workload: Any = world.cluster.workload  # type: ignore[attr-defined]
        seen: dict[int, float] = {}
        began = workload.began
        workload.began = lambda number: (seen.setdefault(number, world.now), began(number))
        world.run(until=150.0)
        return seen

    usual, slow = begun(), begun(on("mysql-0", "DatabaseChaos", "slow", at="20s", factor=40))
    arrivals = [number for number in usual if number % 3 == 0]  # the others are of the two who wait
    assert len(arrivals) > 10
    assert [usual[number] for number in arrivals] == [slow[number] for number in arrivals]
    assert usual != slow


# --- branches ----------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(openstack_world: MakeWorld) -> Callable[[], tuple[World, Context]]:
    world = openstack_world()
    return lambda: (world, new_context(world, "user", "project", 7, "show"))


def luck(world: World, context: Context) -> tuple[float, str, str]:
    return draw(world, context, 1.0, 0.5), fresh_id(world, context, "port"), open_span(world, context)


def test_branches_draw_the_same_whoever_is_first(asked):
    world, context = asked()
    one, other = branch(context, "cast"), branch(context, "cast")
    drawn = [luck(world, c) for c in (one, other, context, one, other, context)]
    world, context = asked()
    one, other = branch(context, "cast"), branch(context, "cast")
    again = [luck(world, c) for c in (context, context, other, other, one, one)]
    assert [again[i] for i in (4, 2, 0, 5, 3, 1)] == drawn
    assert len(set(drawn)) == len(drawn)


def test_a_branch_belongs_to_its_request_and_shifts_no_luck_of_it(asked):
    world, context = asked()
    first = luck(world, context)
    child = branch(context, "cast")
    assert (child.request, child.token, child.span, child.trace.id) == (
        context.request,
        context.token,
        context.span,
        context.trace.id,
    )
    second = luck(world, context)
    world, alone = asked()
    assert [luck(world, alone), luck(world, alone)] == [first, second]


def test_one_more_branch_of_another_kind_leaves_a_branch_as_it_is(asked):
    world, context = asked()
    usual = luck(world, branch(context, "ports.create"))
    world, context = asked()
    branch(context, "token")
    assert luck(world, branch(context, "ports.create")) == usual
