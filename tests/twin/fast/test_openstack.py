"""The OpenStack cloud as arrays: the same luck, the same legal actions, faults that are felt and healed as there."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from policies.baselines.rule_ladder import RuleLadder
from twin import fast
from twin.actions import CATEGORIES
from twin.env import ClusterEnv
from twin.fast.conditions import LAYERS
from twin.fast.openstack.channels import CHANNEL, effects
from twin.fast.openstack.features import SEEN
from twin.fast.openstack.flows import call, measured, stages
from twin.fast.openstack.jobs import _sent
from twin.fast.openstack.operations import CARRIED_OUT
from twin.fast.openstack.profiling import _work, kind, owner
from twin.fast.openstack.recording import Event
from twin.fast.orders import NUMBER
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.mechanics.neutron import SEND_EVENTS_INTERVAL
from twin.mechanics.openstack import STATEMENT
from twin.scenario import Scenario
from twin.telemetry.features import FEATURES, KINDS
from twin.world import World

SEEDS = (0, 1)
NAME = "nova-compute-crash"


def scenario() -> Scenario:
    return Scenario.load(NAME, ("spec.horizon=400s",))


@cache
def crash() -> fast.FastTwin:
    return fast.compile(scenario(), SEEDS)


@cache
def run():
    return jax.jit(jax.vmap(crash().whole))


@cache
def told(category: str = "noop", at: int = 15):
    """Everything that is told of each tick of each seed, with one action at what crashes."""
    twin = crash()
    decisions = (int(twin.last[0]) - int(twin.begun.tick[0])) // twin.ticks
    actions = np.zeros((len(SEEDS), decisions, 3), np.int32)
    if category != "noop":
        actions[:, at] = [(NUMBER[category], place, 1) for place in np.asarray(twin.pool.conditions.place[:, 0])]
    lucks = jax.random.split(jax.random.key(0), len(SEEDS))
    return jax.tree.map(np.asarray, run()(jnp.arange(len(SEEDS)), jnp.asarray(actions), lucks))


def test_servers_are_asked_for_when_they_are_in_the_other_twin() -> None:
    world = World(scenario(), 1)
    opened: list[int] = []
    began = world.cluster.workload.began
    world.cluster.workload.began = lambda number: (opened.append(int(world.now)), began(number))[1]
    world.run(until=200)
    assert np.asarray(crash().pool.arrivals[1, :200]).tolist() == np.bincount(opened, minlength=200)[:200].tolist()


def test_a_fault_is_where_and_when_it_is_in_the_other_twin() -> None:
    for i, seed in enumerate(SEEDS):
        world = World(scenario(), seed)
        (plan,) = world.plans
        component, condition = plan.conditions[0]
        held = crash().pool.conditions
        assert held.begins[i, 0] == pytest.approx(plan.at, abs=1e-3)
        assert LAYERS[held.layer[i, 0]] is condition.layer
        assert list(world.components)[held.place[i, 0]] == component.name


def test_what_may_be_ordered_is_what_may_be_ordered_there() -> None:
    env = ClusterEnv(scenario())
    there, _ = env.reset(seed=0)
    twin = crash()
    world = twin.world(jnp.int32(0))
    state = jax.tree.map(lambda field: field[0], twin.begun)
    here = np.asarray(twin.cluster.legal(world, state, state.tick * twin.tick_seconds))
    differing = {
        CATEGORIES[c] for c in range(1, len(CATEGORIES)) if not np.array_equal(here[c], there["mask_target"][c] > 0)
    }
    assert differing == set()
    assert set(np.asarray(CATEGORIES)[here.any(axis=1)]) <= CARRIED_OUT


def test_runs_end_well_before_the_fault_and_badly_after_it() -> None:
    ticks = told()
    before = slice(0, 30)
    assert ticks.failed[:, before].sum() == 0.0
    assert ticks.violated[:, -100:].any() and ticks.loss.sum() > 1.0
    assert ticks.latency[:, :, 0].sum() > ticks.latency[:, :, 1].sum() > 0.0


def test_a_new_container_cures_what_a_new_process_does_not() -> None:
    """Over both seeds: one crash sits in the container or in the process, whichever was drawn."""
    losses = {category: told(category).loss.sum() for category in ("noop", "recreate")}
    assert losses["recreate"] <= losses["noop"]


def test_an_order_that_is_not_legal_changes_nothing_and_is_counted() -> None:
    twin = crash()
    world, begun = twin.world(jnp.int32(0)), jax.tree.map(lambda field: field[0], twin.begun)
    wrong = jnp.array([NUMBER["reset-gpu"], 3, 0])
    after, legal = twin.cluster.order(world, begun, wrong, begun.tick * 1.0)
    assert not bool(legal)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), after, begun)))


def test_what_is_in_flight_is_busy_with_all_that_is_on_it() -> None:
    twin = crash()
    world, begun = twin.world(jnp.int32(0)), jax.tree.map(lambda field: field[0], twin.begun)
    names = list(World(scenario(), 0).components)
    reboot = jnp.array([NUMBER["reboot"], names.index("compute-1"), 1])
    state, legal = twin.cluster.order(world, begun, reboot, begun.tick * 1.0)
    busy = np.asarray(twin.cluster.occupied(world, state))
    found = {names[i] for i in np.flatnonzero(busy)}
    assert bool(legal)
    assert found == {
        "compute-1", "libvirt@compute-1", "nova-compute@compute-1", "neutron-openvswitch-agent@compute-1",
    }  # fmt: skip


def test_a_tick_is_all_numbers() -> None:
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(told()))


def test_features_are_those_of_the_exporters() -> None:
    twin = crash()
    observed, _ = twin.begin(jnp.int32(0), jax.random.key(0))
    env = ClusterEnv(scenario())
    there, _ = env.reset(seed=0)
    for number, name in enumerate(KINDS, 1):
        seen = np.isin(FEATURES, list(SEEN.get(name, ())))
        mine = there["kind"] == number
        computed = np.asarray(observed["present"])[mine]
        assert (computed == there["present"][mine] * seen[None, :]).all(), name
    assert np.isfinite(np.asarray(observed["features"])).all()


def test_the_rule_ladder_heals_with_the_same_order_at_the_same_time() -> None:
    twin, env, policy = crash(), ClusterEnv(scenario()), RuleLadder()
    go_on = jax.jit(twin.go_on)
    orders: list[list[tuple[int, list[int]]]] = [[], []]
    there, _ = env.reset(seed=0)
    for decision in range(30):
        action = policy.act(there)
        there, *_rest = env.step(action)
        if action[0]:
            orders[0].append((decision, action.tolist()))
    policy.reset(0)
    observed, lane = twin.begin(jnp.int32(0), jax.random.key(0))
    for decision in range(30):
        action = policy.act({name: np.asarray(part) for name, part in observed.items()})
        observed, lane, *_rest = go_on(lane, jnp.asarray(action))
        if action[0]:
            orders[1].append((decision, action.tolist()))
    assert orders[0] and orders[0] == orders[1]


def test_sessions_at_work_are_those_that_little_s_law_says() -> None:
    counts = told().counts
    queries, threads = (np.asarray(each)[:, :60].mean() for each in (counts.queries, counts.threads))
    assert queries > 20.0
    assert threads == pytest.approx(1.0 + queries * STATEMENT, rel=0.01)


def test_neutron_tells_nova_at_once_and_then_gathers_for_a_while() -> None:
    moments = jnp.asarray([10.0, 10.5, jnp.inf])
    sent, notified = _sent(moments, jnp.float32(-jnp.inf))
    assert sent[:2].tolist() == [10.0, 10.0 + SEND_EVENTS_INTERVAL] and notified == 10.0 + SEND_EVENTS_INTERVAL
    sent, notified = _sent(moments + 1.0, notified)  # with what is to be sent already
    assert sent[:2].tolist() == [12.0, 12.0] and notified == 12.0
    sent, notified = _sent(moments + 3.5, notified)  # one after that, when the interval is over
    assert sent[:2].tolist() == [14.0, 14.0] and notified == 14.0
    assert _sent(jnp.full(3, jnp.inf), notified)[1] == 14.0


def test_a_build_waits_for_the_statements_before_its_interface_is_there_and_for_those_after_its_agent_s_pass() -> None:
    (wired,) = [stage for stage in stages(measured()["scripts"]["lifecycle"]["servers.create"]) if stage.guest > 0.0]
    assert wired.owner == "nova-compute" and wired.awaited + wired.later < wired.statements
    assert 0.0 < wired.after < 1.0 < wired.guest < 3.0


def test_conditions_become_channels_by_the_mechanics() -> None:
    world = World(scenario(), 0)
    node = world.components["compute-0"]
    stress = effects(Condition(Layer.OS, "cpu_stress", 127.0, "stress"), node)
    assert stress == {"slow": 7.0}
    leak = effects(Condition(Layer.PROCESS, "memory_leak", 1e9, "leak"), world.components["rabbitmq-0"])
    assert leak["blocking"] == 1.0 and leak["after"] > 10.0 and set(leak) <= set(CHANNEL)


def test_what_is_not_compiled_is_named() -> None:
    with pytest.raises(fast.NotCompiledError, match="preset fake-driver"):
        fast.compile("openstack-recording", (0,))


def test_calls_cost_what_was_measured() -> None:
    create = call("lifecycle", "nova-api servers.create")
    assert create.http["nova-api"] == 1.0 and create.http["neutron-server"] >= 4.0
    assert create.seconds[0] < create.seconds[3] < create.seconds[-1] < 2.0
    assert measured()["measured"]["seeds"] == [0, 1]


def test_what_is_done_for_a_call_is_added_up() -> None:
    events = [
        Event(0.0, 0.1, "nova-api", "think", 0.1),
        Event(0.1, 0.2, "nova-api", "sql", 5.0, "write"),
        Event(0.2, 0.3, "nova-api", "http", 1.0, "neutron-server"),
        Event(0.3, 0.4, "nova-compute@compute-0", "call", 1.0, "conductor object_action"),
    ]
    work = _work(events)
    assert work["think"] == {"nova-api": 0.1} and work["http"] == {"neutron-server": 1.0}
    assert (work["statements"], work["reads"], work["writes"]) == (5.0, 0.0, 1.0)
    assert work["calls"] == {owner("conductor"): 1.0} and kind("libvirt@compute-0") == "libvirt"
