"""The NumPy version of the fast twin: the very numbers that JAX computes, by NumPy alone."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.bench.plain import decision, primitives
from experiments.bench.plain.plan import planned, words
from twin import fast

LANES = 8


def given(function, *arguments):
    plan, tree = planned(function, *arguments)
    return jax.tree.unflatten(tree, plan(*[np.asarray(leaf) for leaf in jax.tree.leaves(arguments)]))


def test_it_lives_as_the_twin_does() -> None:
    twin = fast.compile("gpu-power-cap", (0, 1), ticks=5)
    _, lanes = jax.jit(jax.vmap(twin.reset))(jax.random.split(jax.random.key(0), LANES))
    decide, _ = decision(twin, lanes)
    step = jax.jit(jax.vmap(twin.step))
    luck, ends = np.random.default_rng(0), 0
    for _ in range(40):
        keys = luck.integers(0, 2**32, (LANES, 2), dtype=np.uint32)
        actions = luck.integers(0, twin.num_actions, (LANES, 3), dtype=np.int32)
        ours = decide(keys, jax.tree.map(lambda leaf: np.asarray(words(leaf)), lanes), actions)
        theirs = step(jax.random.wrap_key_data(keys), lanes, actions)
        for (path, one), (_, other) in zip(*map(jax.tree.leaves_with_path, (ours, theirs)), strict=True):
            name = jax.tree_util.keystr(path)
            assert isinstance(one, np.ndarray), name
            # A rate is a difference of counts of thousands: of single precision a few ten-thousandths are left.
            assert np.allclose(one, words(other), rtol=1e-4, atol=1e-3), name
        lanes, ends = theirs[1], ends + int(theirs[3].sum())
    assert ends == LANES and lanes.illegal.any()


def test_random_numbers_are_those_of_jax() -> None:
    def drawn(key):
        one, other = jax.random.split(key)
        return jax.random.uniform(one, (3, 2)), jax.random.randint(jax.random.fold_in(other, 7), (5,), 0, 100)

    keys = jax.random.key_data(jax.random.split(jax.random.key(1), 4))
    for ours, theirs in zip(given(jax.vmap(drawn), keys), jax.vmap(drawn)(keys), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.at[:, 2].set(0.0).at[0].add(x[1]),
        lambda x: x[jnp.array([2, 0]), jnp.array([1, 3])],
        lambda x: jax.vmap(lambda row, i: row[i])(x, jnp.arange(3)),
        lambda x: jnp.take_along_axis(x, jnp.argmax(x, axis=1)[:, None], axis=1),
        lambda x: x.at[jnp.array([0, 7])].set(9.0, mode="drop"),
        lambda x: jnp.einsum("ij,kj->ik", x, x) + jnp.cumsum(x, axis=1)[:, :3],
        lambda x: jax.lax.scan(lambda c, row: (c + row, c.sum()), x[0], x, reverse=True),
        lambda x: jnp.where(x > 5, x**2, jnp.clip(x, 1.0, 3.0)) % 4,
    ],
)
def test_each_kind_of_operation_gives_what_jax_gives(function) -> None:
    x = jnp.arange(12.0).reshape(3, 4)
    for ours, theirs in zip(jax.tree.leaves(given(function, x)), jax.tree.leaves(function(x)), strict=True):
        assert np.allclose(ours, theirs) and ours.dtype == theirs.dtype


def test_what_is_the_same_in_every_turn_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    seen = {name: lambda *xs, name=name: calls.append(name) or getattr(np, name)(*xs) for name in ("exp", "log")}
    monkeypatch.setattr(primitives, "ELEMENTWISE", {**primitives.ELEMENTWISE, **seen})

    def looped(x):
        return jax.lax.scan(lambda c, _: (c + jnp.exp(x).sum() + jnp.exp(x).max(), jnp.log(c)), x, None, length=50)[0]

    assert np.allclose(given(looped, jnp.zeros(3)), 200.0)
    assert calls == ["exp"]  # and nobody reads the logarithms


def test_a_primitive_that_is_not_there_is_named() -> None:
    with pytest.raises(NotImplementedError, match="'erf_inv'"):
        planned(jax.lax.erf_inv, jnp.ones(3))
