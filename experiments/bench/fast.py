"""`bench fast`: how many decisions of how many components the fast twin lives through, beside gymnax's CartPole and the
same twin carried out by NumPy."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from experiments.bench.rows import Row, at_least, at_most, per_cpu_second, skipped

LANES, DECISIONS, TICKS = 1024, 8, 5
MOST_LANES = 16_384
COMPONENT_TICKS, FASTER, COMPILED, CACHED, MEMORY = 6e6, 3.0, 20.0, 3.0, 2.0
"""Bars: component-ticks a CPU-second, times the NumPy version's speed, seconds to compile at first and from the cache,
GiB of `MOST_LANES`."""

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {{name: fast-{replicas}, title: A replica's GPU is power-capped, labels: {{family: gpu}}}}
spec:
  cluster: {{kind: inference, preset: small, replicas: {replicas}, spares: 1}}
  workload: {{arrivals: {{poisson: {rate}/s}}, prompt: 1024, output: 128}}
  faults:
    - name: cap
      kind: GPUChaos
      action: powerCap
      powerLimit: 100W
      selector: {{pods: {{ray: [ray-replicas-0, ray-replicas-1, ray-replicas-2]}}}}
      at: {{uniform: [70s, 150s]}}
  slo: {{ttftP99: 2s, e2eP99: 20s, success: 99%}}
  horizon: 405s
"""
CLOUD = "nova-compute-crash"
"""The scenario of OpenStack's cluster: 64 components, clients that have servers built and deleted."""
CASES = ("16 components", "64 components", "OpenStack, 64 components")
SIZES = {"16 components": (3, 3.8), "64 components": (19, 24.0)}
"""Case of the inference cluster -> replicas, requests a second; others are of the cloud."""


def rows(quick: bool) -> Iterator[Row]:
    """The rows of the benchmark, as they are measured."""
    yield _cartpole(1.0 if quick else 5.0)
    for case in CASES:
        yield from _speed(case, 1.0 if quick else 5.0)
    for case in CASES[1:]:
        yield from _compilation(case)


def _speed(case: str, seconds: float) -> Iterator[Row]:
    """Decisions with a random action each, of which every observation is written out."""
    import jax

    twin, run, begun = _runner(case)
    _finished(run(begun, jax.random.key(1)))
    rate = per_cpu_second(lambda: _measured(run, begun), seconds)
    lanes = begun[0]
    anchor = f"{LANES:,} environments, {TICKS} ticks a decision, observations written"
    yield Row(f"{case}: decisions", rate, "1/CPU-s", anchor=anchor)
    plain = _by_numpy(twin, lanes, seconds)
    yield Row(f"{case}: decisions of the NumPy version", plain, "1/CPU-s", anchor="one thread, float32")
    yield at_least(f"{case}: fast twin / NumPy version", rate / plain, "", FASTER, "CPU time")
    ticks = rate * TICKS * twin.components
    yield at_least(f"{case}: component-ticks", ticks, "1/CPU-s", COMPONENT_TICKS, anchor)
    lane = sum(leaf.nbytes for leaf in jax.tree.leaves(lanes)) / LANES
    pool = sum(leaf.nbytes for leaf in jax.tree.leaves((twin.pool, twin.begun, twin.scraped, twin.layouts)))
    size = (MOST_LANES * lane + pool) / 2**30
    yield at_most(f"{case}: state of {MOST_LANES:,} environments", size, "GiB", MEMORY, f"{lane:,.0f} B each")


def _by_numpy(twin: Any, lanes: Any, seconds: float) -> float:
    """The same decisions a CPU-second by NumPy, one after the other, of which every observation is written too."""
    import numpy as np

    from experiments.bench.plain import LAST, decision

    decide, now = decision(twin, lanes, LAST)
    luck = np.random.default_rng(0)

    def work() -> float:
        nonlocal now
        actions = luck.integers(0, twin.num_actions, (LANES, 3), dtype=np.int32)
        keys = luck.integers(0, 2**32, (LANES, 2), dtype=np.uint32)
        _, now, reward, _, _ = decide(keys, now, actions)
        assert np.isfinite(reward.sum())
        return float(LANES)

    work()
    return per_cpu_second(work, seconds)


def _measured(run: Callable[..., Any], begun: Any) -> float:
    import jax

    _finished(run(begun, jax.random.key(2)))
    return float(LANES * DECISIONS)


def _finished(arrays: Any) -> None:
    import jax

    jax.block_until_ready(arrays)  # type: ignore[no-untyped-call]


def _scenario(case: str) -> Any:
    from twin.scenario import Scenario

    if case not in SIZES:
        return Scenario.load(CLOUD)
    replicas, rate = SIZES[case]
    return Scenario.parse(SCENARIO.format(replicas=replicas, rate=rate))


def _runner(case: str) -> tuple[Any, Callable[..., Any], Any]:
    """The twin, a function that lives through `DECISIONS` given lanes with their observations and a key, and these."""
    import jax
    import jax.numpy as jnp

    from experiments.bench.plain import LAST
    from twin import fast

    twin = fast.compile(_scenario(case), range(8), TICKS)
    most = jnp.array(twin.num_actions)
    step = jax.vmap(twin.step, *LAST)
    observed, lanes = jax.jit(jax.vmap(twin.reset, out_axes=-1))(jax.random.split(jax.random.key(0), LANES))

    def decision(carried: Any, key: Any) -> tuple[Any, Any]:
        lane, _ = carried
        one, other = jax.random.split(key)
        actions = jax.random.randint(one, (LANES, 3), 0, most)
        observed, lane, reward, _, _ = step(jax.random.split(other, LANES), lane, actions)
        # What is carried is written out whole after each decision, though only the last one's leaves the loop.
        return (lane, observed), reward.sum()

    def run(carried: Any, key: Any) -> Any:
        return jax.lax.scan(decision, carried, jax.random.split(key, DECISIONS))

    return twin, jax.jit(run), (lanes, observed)


def _cartpole(seconds: float) -> Row:
    """gymnax's own CartPole with random actions, as many environments."""
    row = f"gymnax CartPole-v1, {LANES:,} environments"
    if find_spec("gymnax") is None:
        return skipped(row, "gymnax is not installed (pip install 'healtwin[bench]')")
    import gymnax  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import jax

    env, params = gymnax.make("CartPole-v1")
    _, states = jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(jax.random.key(0), LANES), params)

    def step(carry: Any, key: Any) -> tuple[Any, Any]:
        keys = jax.random.split(key, LANES)
        actions = jax.random.randint(key, (LANES,), 0, 2)
        _, following, reward, _, _ = jax.vmap(env.step, in_axes=(0, 0, 0, None))(keys, carry, actions, params)
        return following, reward.sum()

    steps = 200
    run = jax.jit(lambda states, key: jax.lax.scan(step, states, jax.random.split(key, steps))[1])
    _finished(run(states, jax.random.key(1)))

    def work() -> float:
        _finished(run(states, jax.random.key(2)))
        return float(LANES * steps)

    return Row(row, per_cpu_second(work, seconds), "steps/CPU-s", anchor=f"gymnax {version('gymnax')}")


def _compilation(case: str) -> Iterator[Row]:
    """Two processes, one after the other, that share a cache on disk."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        for row, bar in (("compilation, first", COMPILED), ("compilation, from the cache", CACHED)):
            command = [sys.executable, "-m", "experiments.bench.fast", case]
            told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            yield at_most(f"{case}: {row}", float(told), "s", bar, "tracing included")


def _compiled(case: str) -> float:
    """Seconds until the first decisions are through, without drawing the episodes."""
    import jax

    _, run, begun = _runner(case)
    began = time.perf_counter()
    run.lower(begun, jax.random.key(1)).compile()  # type: ignore[attr-defined]
    return time.perf_counter() - began


if __name__ == "__main__":
    print(_compiled(sys.argv[1]))
