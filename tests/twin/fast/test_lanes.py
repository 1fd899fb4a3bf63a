"""Lanes as the last axis: what comes out is what `jax.vmap` alone gives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from twin import fast
from twin.fast.lanes import lanes_last
from twin.fast.once import once

LANES = 6
LUCK = np.random.default_rng(0)
X = jnp.asarray(LUCK.normal(size=(LANES, 5, 7)), jnp.float32)
I = jnp.asarray(LUCK.integers(-1, 6, (LANES, 3)), jnp.int32)  # noqa: E741  (an index, some of it out of bounds)
LONG = jnp.arange(40.0)


def summed(x, i):
    return lax.scan(lambda total, row: (total + row * x[0, 0], total.max()), jnp.zeros(7), x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: jnp.where(x > 0, jnp.exp(x), 1.0 - x) * jnp.arange(7.0),
        lambda x, i: (x.sum(), x.max(axis=0), x.any(axis=1), jnp.argmax(x, axis=1), jnp.cumsum(x, axis=1)),
        lambda x, i: jnp.concatenate([x, jnp.ones((2, 7))]).reshape(-1)[::3],
        lambda x, i: (jnp.stack([x[0], x[1]], axis=1), x.T[1:4, ::2], jnp.pad(x, 1), x[:, None] + x[None]),
        lambda x, i: (x @ x.T, x @ jnp.ones((7, 2)), jnp.ones((2, 5)) @ x, x[0] @ x[1], x @ x[0]),
        lambda x, i: (jnp.tile(x, (1, 6)) @ jnp.tile(x, (1, 6)).T, jnp.einsum("ij,kj->ik", x, x)),
        lambda x, i: (x[i], x[:, i], x[i, i], x[i[0]], x[2], x[:, jnp.array([3, 1])]),
        lambda x, i: (LONG[i], jnp.arange(5)[i], x.at[i].get(mode="fill", fill_value=3.0), (x > 0)[i]),
        lambda x, i: jnp.take_along_axis(x, jnp.argmax(x, axis=1)[:, None], axis=1),
        lambda x, i: (jnp.tile(x.reshape(-1), 2)[i], jax.vmap(lambda row, j: row[j])(x[:3], i)),
        lambda x, i: (x.at[:, 2].set(0.0), x.at[1:3].add(x[0]), x.at[i].add(1.0), x.at[i[0], 1].set(5.0)),
        lambda x, i: (jnp.sort(x, axis=1), x[::-1], lax.dynamic_update_slice(x, x[:1], (2, 0))),
        lambda x, i: once((x * 2.0, i)),
        lambda x, i: (jax.nn.relu(x), jax.nn.softmax(x, axis=1)),
        lambda x, i: jnp.arange(3),
        summed,
    ],
)
def test_every_operation_gives_the_same(function) -> None:
    expected = jax.vmap(function)(X, I)
    assert_alike(jax.vmap(lanes_last(function))(X, I), expected)
    last = jax.vmap(lanes_last(function), -1, -1)(jnp.moveaxis(X, 0, -1), jnp.moveaxis(I, 0, -1))
    assert_alike(jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), last), expected)


def test_what_is_the_same_in_all_lanes_may_be_given_once() -> None:
    def function(x, y):
        return x * y, y.sum(), x[0] + LONG[0]

    expected = jax.vmap(function, (0, None))(X, X[0])
    assert_alike(jax.vmap(lanes_last(function), (0, None))(X, X[0]), expected)


def test_without_lanes_nothing_changes() -> None:
    assert_alike(lanes_last(summed)(X[0], I[0]), summed(X[0], I[0]))


@pytest.mark.parametrize("name", ["gpu-power-cap", "nova-compute-crash"])
def test_clusters_live_the_same_lives(name: str) -> None:
    twin = fast.compile(name, (0, 1), ticks=5)
    _, lanes = jax.jit(jax.vmap(twin.reset))(jax.random.split(jax.random.key(0), LANES))
    first, last = jax.jit(jax.vmap(twin._on)), jax.jit(jax.vmap(twin.go_on, (-1, 0), -1))
    turned = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), lanes)
    for _ in range(12):
        actions = LUCK.integers(0, twin.num_actions, (LANES, 3), dtype=np.int32)
        expected = first(lanes, actions)
        found = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), last(turned, actions))
        assert_alike(found, expected, rtol=1e-4, atol=1e-3)
        lanes, turned = expected[1], jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), expected[1])


def assert_alike(found, expected, **tolerance: float) -> None:
    ours, theirs = map(jax.tree.leaves_with_path, (found, expected))
    for (path, one), (_, other) in zip(ours, theirs, strict=True):
        name = jax.tree_util.keystr(path)
        assert one.shape == other.shape and one.dtype == other.dtype, name
        if jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
            one, other = jax.random.key_data(one), jax.random.key_data(other)
        assert np.allclose(one, other, equal_nan=True, **(tolerance or {"rtol": 1e-5, "atol": 1e-5})), name
