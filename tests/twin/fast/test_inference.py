"""The inference cluster as arrays: the same luck, the same legal actions, requests neither made nor lost."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from twin import fast
from twin.actions import CATEGORIES, PARAMETERS
from twin.env import ClusterEnv
from twin.fast.conditions import LAYERS
from twin.fast.inference import CARRIED_OUT, first, live
from twin.fast.inference.channels import CHANNEL, effects, uncompiled
from twin.fast.inference.episodes import _engine
from twin.fast.orders import NUMBER
from twin.inference.workload import arrivals
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.scenario import Scenario
from twin.world import World

SEEDS = (0, 1, 2)


@cache
def crash() -> fast.FastTwin:
    return fast.compile("replica-crash", SEEDS, ticks=10)


@cache
def told(name: str = "replica-crash", category: str = "noop", at: int = 0):
    """Everything that is told of each tick of each seed, with one action at the first replica."""
    twin = crash() if name == "replica-crash" else fast.compile(name, SEEDS, ticks=10)
    decisions = (int(twin.last[0]) - int(twin.begun.tick[0])) // twin.ticks
    actions = np.zeros((len(SEEDS), decisions, 3), np.int32)
    node, replica = 4, 6
    targets = {"noop": 0, "reboot": node}
    actions[:, at] = (NUMBER[category], targets.get(category, replica), 1)
    lucks = jax.random.split(jax.random.key(0), len(SEEDS))
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(twin.whole))(jnp.arange(3), jnp.asarray(actions), lucks))


def test_requests_come_when_they_come_in_the_other_twin() -> None:
    world = World(Scenario.load("replica-crash"), 1)
    times = []
    for arrival in arrivals(world.spec.workload, world.streams):
        if arrival.time >= 400:
            break
        times.append(int(arrival.time))
    counts = np.asarray(crash().pool.arrivals[1, :400, 0])
    assert counts.tolist() == np.bincount(times, minlength=400).tolist()


def test_a_fault_is_where_and_when_it_is_in_the_other_twin() -> None:
    for i, seed in enumerate(SEEDS):
        (plan,) = World(Scenario.load("replica-crash"), seed).plans
        component, condition = plan.conditions[0]
        assert crash().pool.conditions.begins[i, 0] == pytest.approx(plan.at, abs=1e-3)
        assert LAYERS[crash().pool.conditions.layer[i, 0]] is condition.layer
        names = list(World(Scenario.load("replica-crash"), seed).components)
        assert names[crash().pool.conditions.place[i, 0]] == component.name


@pytest.mark.parametrize("name", ["replica-crash", "gpu-power-cap"])
def test_what_may_be_ordered_is_what_may_be_ordered_there(name: str) -> None:
    env = ClusterEnv(name)
    there, _ = env.reset(seed=0)
    twin = fast.compile(name, (0,))
    here, _ = twin.reset(jax.random.key(0))
    differing = {
        CATEGORIES[c]
        for c in range(len(CATEGORIES))
        if not np.array_equal(here["mask_target"][c], there["mask_target"][c])
    }
    assert differing == set()
    assert np.array_equal(here["kind"], there["kind"]) and np.array_equal(here["adjacent"], there["adjacent"])
    assert set(here) == set(there)


def test_requests_are_neither_made_nor_lost() -> None:
    ticks = told()
    warm = int(crash().begun.tick[0])
    before = np.asarray(crash().begun.decoding.sum(axis=(1, 2)) + crash().begun.queued.sum(axis=1))
    came = ticks.arrived.sum(axis=1)
    went = (ticks.completed + ticks.failed).sum(axis=1)
    assert warm == 60
    assert before + came == pytest.approx(went + ticks.queue[:, -1], rel=1e-4)


def test_a_crash_is_felt_and_heals_itself() -> None:
    ticks = told()
    assert ticks.failed.sum() > 3 and ticks.violated.any()
    assert not ticks.violated[:, -60:].any()


@pytest.mark.slow
def test_moving_a_replica_takes_longer_than_restarting_it() -> None:
    categories = ("restart", "migrate", "reboot")
    away = {c: told("inference-healthy", c).counts.admitted[:, :, 0] == 0.0 for c in categories}
    seconds = {category: gone.sum(axis=1).mean() for category, gone in away.items()}
    assert 20.0 < seconds["restart"] < seconds["migrate"] < seconds["reboot"]


def test_an_order_that_is_not_legal_changes_nothing_and_is_counted() -> None:
    twin, key = crash(), jax.random.key(3)
    _, lane = twin.reset(key)
    wrong = jnp.array([NUMBER["evacuate"], 6, 0])
    _, after, reward, _, info = twin.step(key, lane, wrong)
    _, same, waited, _, _ = twin.step(key, lane, jnp.zeros(3, jnp.int32))
    assert int(info["illegal"]) == 1 and float(reward) == float(waited)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), after.state, same.state)))


def test_an_episode_that_is_over_begins_anew_in_the_same_step() -> None:
    twin, key = crash(), jax.random.key(4)
    _, lane = twin.reset(key)
    step = jax.jit(twin.step)
    ends = []
    for _ in range(40):
        key, one = jax.random.split(key)
        _, lane, _, done, _ = step(one, lane, jnp.zeros(3, jnp.int32))
        ends.append(bool(done))
        if ends[-1]:
            break
    assert ends.index(True) == len(ends) - 1 == 34 and int(lane.state.tick) == int(twin.begun.tick[0])


def test_without_chance_a_life_is_the_same_whatever_the_luck() -> None:
    twin = fast.compile("replica-crash", (5,), chance=False)
    nothing = jnp.zeros((34, 3), jnp.int32)
    lives = [twin.whole(jnp.int32(0), nothing, jax.random.key(luck)) for luck in (1, 2)]
    assert jnp.array_equal(lives[0].loss, lives[1].loss)


def test_a_tick_is_all_numbers() -> None:
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(told("gpu-power-cap")))


def test_power_limits_slow_prompts_more_than_answers() -> None:
    world = World(Scenario.load("gpu-power-cap"), 0)
    engine = _engine(world.cluster.router.replicas[0], world)
    cap = Condition(Layer.SETTINGS, "power_limit", 150.0, "cap")
    found = effects(cap, world.components["gpu-0"], engine)
    assert found["prefill"] > found["decode"] > 0.0
    assert set(found) <= set(CHANNEL)


def test_what_is_not_compiled_is_named() -> None:
    with pytest.raises(fast.NotCompiledError, match="preset fake-driver"):
        fast.compile("openstack-recording", (0,))
    world = World(Scenario.load("replica-crash"), 0)
    engine = _engine(world.cluster.router.replicas[0], world)
    odd = Condition(Layer.PROCESS, "service_time", 2.0, "of another cluster")
    with pytest.raises(fast.NotCompiledError, match="'service_time' of fault"):
        effects(odd, world.components["ray-replicas-0"], engine)
    assert "service_time" in uncompiled() and "memory_leak" not in uncompiled()
    assert "evacuate" not in CARRIED_OUT and len(PARAMETERS) == 2


def test_one_tick_by_itself() -> None:
    world = jax.tree.map(lambda field: field[0], crash().pool)
    state = first(world, jax.random.key(0), 10, 1.0)
    after, ticked = live(world, state, 1.0, chance=False)
    assert float(ticked.arrived) == float(world.arrivals[0, 0])
    assert float(after.decoding.sum() + after.queued.sum()) == pytest.approx(float(ticked.arrived))
