"""A decision tells sums and ends of its ticks, and reads of its episode what it needs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from twin import fast
from twin.fast import pool
from twin.fast.deciding import lived
from twin.fast.scraping import schedule


@cache
def crash() -> fast.FastTwin:
    return fast.compile("replica-crash", (0, 1, 2), ticks=5)


@pytest.mark.parametrize(("ticks", "lengths"), [(5, (3, 2)), (10, (5, 5)), (2, (1, 1))])
def test_every_tick_belongs_to_the_scrape_after_it(ticks: int, lengths: tuple[int, ...]) -> None:
    plan = schedule(10.0, 5.0, ticks)
    assert plan.lengths == lengths
    assert plan.parts == tuple(i for i, length in enumerate(lengths) for _ in range(length))


def test_what_is_told_of_a_decision_is_told_of_its_ticks() -> None:
    twin, number = crash(), jnp.int32(1)
    world, state = twin.world(number), jax.tree.map(lambda field: field[1], twin.begun)
    plan, told = twin.scrapes, []
    after, heard = jax.jit(lambda s: lived(twin.cluster, world, s, plan, True))(state)
    live = jax.jit(lambda s: twin.cluster.live(world, s, plan.tick, True))
    for _ in range(twin.ticks):
        state, tick = live(state)
        told.append(tick)
    assert int(after.tick) == int(state.tick)
    assert float(heard.loss) == pytest.approx(sum(float(t.loss) for t in told) * plan.tick, abs=1e-5)
    for part, (begin, end) in enumerate(((0, 3), (3, 5))):
        completed = sum(np.asarray(t.counts.completed) for t in told[begin:end])
        assert np.allclose(heard.reading.counts.completed[part], completed, atol=1e-5)
    gauges = twin.cluster.gauges(world, state, state.tick * plan.tick)
    assert np.allclose(heard.reading.gauges.running[-1], gauges.running, atol=1e-5)


def test_of_arrivals_a_decision_reads_its_own_ticks() -> None:
    twin = crash()
    whole, near = twin.world(jnp.int32(2)), twin._ahead(jnp.int32(2), jnp.int32(30))
    assert np.array_equal(near.arrivals, whole.arrivals[30:35]) and int(near.since) == 30
    state = replace(jax.tree.map(lambda field: field[2], twin.begun), tick=jnp.int32(33))
    ours, theirs = (twin.cluster.live(world, state, 2.0, True)[1] for world in (near, whole))
    assert float(ours.arrived) == float(theirs.arrived)


def test_what_all_episodes_share_is_a_constant() -> None:
    episodes = {"same": np.array([[1.0, np.nan]] * 3), "own": np.arange(3.0)}
    shared = pool.common(episodes)
    assert shared["own"] is None and np.array_equal(shared["same"], [1.0, np.nan], equal_nan=True)
    one = pool.one(jax.tree.map(jnp.asarray, episodes), shared, jnp.int32(2))
    assert float(one["own"]) == 2.0 and np.array_equal(one["same"], [1.0, np.nan], equal_nan=True)
