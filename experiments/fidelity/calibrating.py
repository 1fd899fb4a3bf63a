"""What the fast twin takes from the SimPy twin: its free constants, fitted; the flows of OpenStack's calls and the log
lines that events bring, measured. All of them in files beside the sources, each with its hash, date and versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.errors import UserError
from experiments.fidelity import slow
from experiments.fidelity.life import Life
from experiments.fidelity.trial import Trial
from twin import fast
from twin.fast.calibration import FILE, Calibration, Free, packaged
from twin.scenario import Scenario, Suite

PARTS = ("constants", "flows", "lines")
"""What can be made anew; in this order, since the fit lives with what has been measured last time."""
STEPS = (0.6, 0.85, 1.0, 1.2, 1.6)
"""Multiples of a constant that are tried in each round; the best is the middle of the next, with half the way."""
ROUNDS = 2
SIGNALS = (("ttft", 0.5), ("ttft", 0.99), ("e2e", 0.5), ("e2e", 0.99))
TICKS = 10


def calibrate(suite: str, parts: Sequence[str] = PARTS, seeds: int = 8, workers: int = 2) -> dict[str, Path]:
    """Make parts of the calibration anew from a suite; part -> the file that was written.

    Raises UserError for a suite that policies are judged on."""
    loaded = Suite.load(suite)
    if loaded.split != "training":
        raise UserError(f"the suite '{suite}' is kept for {loaded.split}: the fast twin is calibrated on training")
    written: dict[str, Path] = {}
    if "flows" in parts:
        from twin.fast.openstack import flows, profiling

        profiling.calibrate()
        written["flows"] = flows.FILE
    if "lines" in parts:
        from twin.fast import lines
        from twin.fast.inference import recording

        recording.measured(loaded, loaded.seeds[:2]).write()
        written["lines"] = lines.FILE
    if "constants" in parts:
        versions = {name: version(name) for name in ("healtwin", "jax", "numpy", "simpy")}
        free = fit(suite, loaded.seeds[:seeds], workers)
        found = Calibration(free, suite, loaded.digest, date.today().isoformat(), versions)
        FILE.write_text(found.text(), encoding="utf-8")
        written["constants"] = FILE
    return written


def fit(suite: str, seeds: Sequence[int] = range(8), workers: int = 2) -> Free:
    """The constants under which the fast twin is nearest to the SimPy twin on the inference scenarios of a suite: one
    constant after the other, from those that ship. Raises CompileError where these cannot live through it together."""
    scenarios = [s for s in Suite.load(suite).scenarios if s.resolve(0).spec.cluster.kind == "inference"]
    names = [scenario.metadata.name for scenario in scenarios]
    trials = [Trial(name, seed) for name in names for seed in seeds]
    truth = [life for _, life in slow.lives(trials, workers) if life is not None]
    twin = fast.compile([Scenario.load(name, ("spec.telemetry=off",)) for name in names], seeds, TICKS)
    count = len(names) * len(seeds)
    decisions = (int(twin.last[0]) - int(twin.begun.tick[0])) // TICKS
    nothing = jnp.zeros((count, decisions, 3), jnp.int32)
    lucks = jax.random.split(jax.random.key(1), count)

    @jax.jit
    def run(free: Free) -> fast.Tick:
        every = jax.tree.map(lambda value: jnp.full(count, value, jnp.float32), free)
        other = replace(twin, pool=replace(twin.pool, free=every))
        return jax.vmap(other.whole)(jnp.arange(count), nothing, lucks)

    def apart(free: Free) -> float:
        told = jax.tree.map(np.asarray, run(free))
        return _apart(truth, _lives(told, twin), len(seeds))

    best = Free(**{name: float(value) for name, value in asdict(packaged().free).items()})
    for width in (0.5**n for n in range(ROUNDS)):
        for field in fields(Free):
            middle = getattr(best, field.name)
            tried = [replace(best, **{field.name: _within(field.name, middle * step**width)}) for step in STEPS]
            best = min(tried, key=apart)
    return best


def _lives(told: fast.Tick, twin: fast.FastTwin) -> list[Life]:
    """Of each lane."""
    latency = np.asarray(told.latency, np.float64).sum(axis=1)
    return [
        Life(
            tick=twin.tick_seconds,
            loss=np.asarray(told.loss[i]),
            violated=np.asarray(told.violated[i], bool),
            queue=np.asarray(told.queue[i]),
            completed=float(np.asarray(told.completed[i]).sum()),
            latency=dict(zip(twin.cluster.LATENCIES, latency[i], strict=True)),
        )
        for i in range(len(latency))
    ]


def _within(name: str, value: float) -> float:
    """Shares stay below one."""
    return min(value, 0.995) if name in ("crowded", "lengths") else value


def _apart(truth: Sequence[Life], ours: Sequence[Life], each: int) -> float:
    """Mean absolute logarithm of the ratios of latencies, and mean absolute difference of the share of time in
    violation and of the loss; means over the seeds of a scenario, `each` in a row."""
    found = []
    for first in range(0, len(truth), each):
        rows = slice(first, first + each)
        for signal, share in SIGNALS:
            pairs = [
                (a.quantile(signal, share), b.quantile(signal, share))
                for a, b in zip(truth[rows], ours[rows], strict=True)
            ]
            there = np.array([pair for pair in pairs if np.isfinite(pair).all()])
            if len(there):
                found.append(abs(float(np.log(there[:, 1].mean() / there[:, 0].mean()))))
        for field in ("violated", "loss"):
            means = [np.mean([getattr(life, field).mean() for life in lives[rows]]) for lives in (truth, ours)]
            found.append(abs(float(means[1] - means[0])))
    return float(np.mean(found))
