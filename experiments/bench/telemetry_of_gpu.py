"""`bench inference`: utilisation and temperature of a GPU under load, against 0.5 s samples of a real one.

The replay (liao4s/BurstGPT_test, MIT) sends 500 requests 100 to 1,500 times as fast as they came. Constants are fitted
on 0100 to 0500 and judged on 0700 to 1500. What the model is given is the load: sequences in the batch, share of the KV
pool in use, prompt tokens a second, and the first temperature; never utilisation.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.bench.rows import Row, at_most, skipped
from twin.mechanics.gpu_host_bound import REPLAY_CARD, VLLM_V0, Card, HostBoundStep

Array = NDArray[np.float64]

FOLDER = Path("vllm_runs") / "burstgpt_replay_llama3.2-1b_24gb"
FITTED, JUDGED = (100, 300, 500), (700, 900, 1500)
"""Scales of the replay."""

SILENCE = 1.2
"""Seconds without a line of the engine's statistics after which it had nothing to do: it prints every 0.5 s."""

FEW = 2.5
"""Sequences below which the engine may have been idle for part of an interval; what it generated then says how long."""

EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 257)
"""Classes of load, by sequences in the batch."""

TEMPERATURE_BAR = 3.0
"""K, RMSE."""


@dataclass(frozen=True, slots=True)
class Replay:
    """One run, at the times of the GPU's samples (all arrays of one length)."""

    time: Array
    utilization: Array
    temperature: Array
    sequences: Array
    pool: Array
    """Share of the KV pool in use."""
    prompt_rate: Array
    token_rate: Array


def read(data: Path, scale: int) -> Replay:
    """The run at one scale. Raises FileNotFoundError where the data are not there."""
    gpu, engine = (_columns(data / FOLDER / f"scale{scale:04d}_{name}.csv.gz") for name in ("gpu", "engine"))
    time = gpu["t_s"]
    said = engine["t_s"]
    after = np.clip(np.searchsorted(said, time), 1, len(said) - 1)
    silent = said[after] - said[after - 1] > SILENCE

    def load(name: str) -> Array:
        return np.where(silent, 0.0, np.interp(time, said, engine[name]))

    return Replay(
        time,
        gpu["gpu_util_pct"] / 100.0,
        gpu["gpu_temp_c"],
        load("num_running"),
        load("gpu_kvcache_usage") / 100.0,
        load("prompt_throughput"),
        load("generation_throughput"),
    )


def utilization(step: HostBoundStep, run: Replay) -> Array:
    """Modelled utilisation at the samples of a run."""
    values = np.array([step.utilization(*load) for load in _loads(run)])
    return values * busy(step, run)


def busy(step: HostBoundStep, run: Replay) -> Array:
    """Share of the time in which the engine had something to do: all of it, but for a batch of one or two."""
    full = np.array([step.token_rate(*load) for load in _loads(run)])
    share = np.clip(run.token_rate / full, 0.0, 1.0)
    return np.where(run.sequences < 0.5, 0.0, np.where(run.sequences < FEW, share, 1.0))


def temperature(card: Card, utilization: Array, run: Replay) -> Array:
    """Modelled temperature at the samples of a run, from its first."""
    values = [float(run.temperature[0])]
    for i, elapsed in enumerate(np.diff(run.time), start=1):
        values.append(card.after(values[-1], float(utilization[i]), float(elapsed)))
    return np.array(values)


def fitted(runs: Sequence[Replay]) -> tuple[HostBoundStep, Card]:
    """The constants that suit the runs best: the step from utilisation and token rates, then the card."""

    def step_errors(logarithms: Array) -> Array:
        step = HostBoundStep(*np.exp(logarithms))
        errors = []
        for run in runs:
            full = (run.sequences >= 1.0) & (run.token_rate > 100.0 * np.minimum(run.sequences, 2.0))
            loads = [load for load, wanted in zip(_loads(run), full, strict=True) if wanted]
            rates = np.array([step.token_rate(*load) for load in loads])
            shares = np.array([step.utilization(*load) for load in loads])
            errors.append(shares - run.utilization[full])
            errors.append(0.5 * (rates - run.token_rate[full]) / np.maximum(run.token_rate[full], 300.0))
        return np.concatenate(errors)

    step = HostBoundStep(*np.exp(_least_squares(step_errors, np.log(astuple(VLLM_V0)))))
    shares = [utilization(step, run) for run in runs]

    def card_errors(logarithms: Array) -> Array:
        card = Card(*np.exp(logarithms))
        return np.concatenate(
            [temperature(card, share, run) - run.temperature for share, run in zip(shares, runs, strict=True)]
        )

    return step, Card(*np.exp(_least_squares(card_errors, np.log(astuple(REPLAY_CARD)), robust=100.0)))


def rows(data: Path) -> Iterator[Row]:
    """The rows, with the shipped constants; what a new fit gives stands beside them."""
    if not (data / FOLDER).is_dir():
        yield skipped("GPU telemetry", f"{data} has no {FOLDER}")
        return
    step, card = fitted([read(data, scale) for scale in FITTED])
    for shipped, again in ((VLLM_V0, step), (REPLAY_CARD, card)):
        for name, value, other in zip(shipped.__slots__, astuple(shipped), astuple(again), strict=True):
            anchor = f"fitted anew on scales 0100-0500: {other:.3g}"
            yield Row(f"GPU telemetry: {name.replace('_', ' ')}", value, _UNITS.get(name, "s"), anchor=anchor)
    runs = {scale: read(data, scale) for scale in JUDGED}
    shares = {scale: utilization(VLLM_V0, run) for scale, run in runs.items()}
    yield from _utilization_rows(list(runs.values()), list(shares.values()))
    worst = 0.0
    for scale, run in runs.items():
        error = _rmse(temperature(REPLAY_CARD, shares[scale], run) - run.temperature)
        worst = max(worst, error)
        yield Row(f"GPU temperature, scale {scale:04d}", error, "K RMSE", anchor="sensor reads whole degrees")
    yield at_most("GPU temperature, worst of 0700-1500", worst, "K RMSE", TEMPERATURE_BAR)


_UNITS = {"idle": "C", "rise": "K"}


def _utilization_rows(runs: Sequence[Replay], shares: Sequence[Array]) -> Iterator[Row]:
    sequences = np.concatenate([run.sequences for run in runs])
    measured, modelled = np.concatenate([run.utilization for run in runs]), np.concatenate(list(shares))
    medians = []
    for low, high in pairwise(EDGES):
        inside = (sequences >= low) & (sequences < high)
        if np.count_nonzero(inside) >= 10:
            pair = float(np.median(modelled[inside])), float(np.median(measured[inside]))
            medians.append(pair)
            what = f"GPU utilisation, {low}-{high - 1} sequences"
            yield Row(what, pair[0], "ratio", anchor=f"measured: {pair[1]:.2f}")
    ours, theirs = (np.array(column) for column in zip(*medians, strict=True))
    falls = bool(np.all(np.diff(ours) < 0) and np.all(np.diff(theirs) < 0))
    rank = float(np.corrcoef(np.argsort(np.argsort(ours)), np.argsort(np.argsort(theirs)))[0, 1])
    yield Row("GPU utilisation falls with load as measured", rank, "rank correlation", "falls, rank 1", "", falls)
    yield Row("GPU utilisation, medians by load", _rmse(ours - theirs), "RMSE", anchor="scales 0700-1500")
    scatter = _rmse(measured - _smooth(measured))
    yield Row("GPU utilisation, single samples", _rmse(modelled - measured), "RMSE", anchor=f"scatter: {scatter:.2f}")


def _loads(run: Replay) -> list[tuple[float, float, float]]:
    """(sequences, pool, prompt rate) at every sample; at least one sequence, as a step has."""
    return list(zip(np.maximum(run.sequences, 1.0).tolist(), run.pool.tolist(), run.prompt_rate.tolist(), strict=True))


def _rmse(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _smooth(values: Array) -> Array:
    return np.convolve(values, np.full(5, 0.2), mode="same")


def _columns(path: Path) -> dict[str, Array]:
    with gzip.open(path, "rt", newline="") as file:
        lines = list(csv.DictReader(file))
    return {name: np.array([float(line[name]) for line in lines]) for name in lines[0]}


def _least_squares(errors: Callable[[Array], Array], start: Array, robust: float = 0.1) -> Array:
    """Levenberg-Marquardt with a numerical Jacobian; errors beyond `robust` count as under Huber's loss."""
    point, damping = start, 1e-3

    def weighted(at: Array) -> Array:
        e = errors(at)
        beyond = np.maximum(np.abs(e) / robust, 1.0)  # Huber's loss is the square of this
        return np.asarray(np.clip(e, -robust, robust) * np.sqrt(2.0 * beyond - 1.0))

    now = weighted(point)
    for _ in range(60):
        steps = [np.eye(len(point))[i] * 1e-4 for i in range(len(point))]
        jacobian = np.stack([(weighted(point + step) - now) / 1e-4 for step in steps], axis=1)
        normal = jacobian.T @ jacobian
        move = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), -jacobian.T @ now)
        there = weighted(point + move)
        if there @ there < now @ now:
            gained = 1.0 - (there @ there) / (now @ now)
            point, now, damping = point + move, there, damping / 3.0
            if gained < 1e-7:
                break
        else:
            damping *= 5.0
            if damping > 1e9:
                break
    return point
