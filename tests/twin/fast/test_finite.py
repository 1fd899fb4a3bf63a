"""Numbers that are none: the run stops and says whose they are and when they came."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from twin import fast
from twin.fast.errors import NotANumberError
from twin.fast.finite import check
from twin.fast.inference.holders import holders
from twin.fast.inference.state import State
from twin.fast.inference.told import Counts
from twin.fast.vector import FastVectorEnv

WARM = 60
"""Ticks before the first decision."""


ALL, REQUEST, EFFECT = range(3)
"""Episodes: as they are; a number of requests that is none; an effect of a fault that is none."""


@cache
def capped() -> fast.FastTwin:
    twin = fast.compile("gpu-power-cap", (3, 4, 5), ticks=10)
    pool = twin.pool
    conditions = replace(pool.conditions, channels=pool.conditions.channels.at[EFFECT, 0, 0].set(jnp.nan))
    arrivals = pool.arrivals.at[REQUEST, WARM + 23, 0].set(jnp.nan)
    return replace(twin, pool=replace(pool, arrivals=arrivals, conditions=conditions))


def live(episode: int, decisions: int) -> np.ndarray:
    """Two clusters live: one through an episode that is as it should be, and one through another."""
    env = FastVectorEnv(capped(), 2)
    env.reset(seed=0)
    env._lane = jax.vmap(capped().begin)(jnp.array([ALL, episode]), jax.random.split(jax.random.key(0), 2))[1]
    paid = [env.step(np.zeros((2, 3), np.int64))[1] for _ in range(decisions)]
    return np.array(paid)


@pytest.mark.slow
def test_what_is_sound_lives_on() -> None:
    assert np.isfinite(live(ALL, 30)).all()


def test_a_request_that_is_none_is_found_where_requests_come_in() -> None:
    live(REQUEST, 2)  # it has not come yet
    with pytest.raises(NotANumberError) as found:
        live(REQUEST, 3)
    error = found.value
    assert (error.tick, error.scenario, error.seed) == (WARM + 24, "gpu-power-cap", 4)
    assert "`arrivals`" in str(error) and f"tick {WARM + 24}" in str(error)


def test_an_effect_that_is_none_is_found_at_whom_it_meets() -> None:
    pool, origin = capped().pool, capped().origins[EFFECT]
    with pytest.raises(NotANumberError, match=r"conditions\.channels") as found:
        live(EFFECT, 30)
    carrier = origin.components[int(pool.conditions.place[EFFECT, 0])]
    assert carrier.startswith("gpu-")
    assert found.value.component == carrier.replace("gpu-", "ray-replicas-")
    assert found.value.tick == pytest.approx(float(pool.conditions.begins[EFFECT, 0]), abs=2.0)


@pytest.mark.slow
def test_the_runs_of_a_comparison_are_checked_too() -> None:
    twin, lucks, actions = capped(), jax.random.split(jax.random.key(0), 2), jnp.zeros((2, 3, 3), jnp.int32)
    told = jax.tree.map(np.asarray, jax.jit(jax.vmap(twin.whole))(jnp.arange(2), actions, lucks))
    with pytest.raises(NotANumberError) as found:
        check(twin, told, jnp.arange(2), lucks, actions)
    assert (found.value.seed, found.value.tick) == (4, WARM + 24)


def test_every_field_belongs_to_somebody() -> None:
    """A field that is added is either a component's or known to be the whole cluster's."""
    of_the_cluster = {"tick", "luck", "orders", "spare", "judged", "served", "best"}
    of_the_cluster |= {"thinking", "pausing", "mix", "credit", "warm", "rolled_out", "rests"}
    names = {field.name for field in fields(State)}
    names |= {f"counts.{field.name}" for field in fields(Counts)}
    world = jax.tree.map(lambda field: np.asarray(field[0]), capped().pool)
    held = holders(world)
    assert set(held) | of_the_cluster == names
    components = capped().origins[0].components
    assert [components[number] for number in held["queued"]] == [f"ray-replicas-{i}" for i in range(4)]
    assert components[held["counts.refused"][0]] == "nginx-proxy"
