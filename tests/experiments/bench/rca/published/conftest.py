"""A small case in RCAEval's layout, in which one engine's CPU steps up when the fault is injected."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

INJECTED, STEP, ROWS = 1_767_225_900, 5, 120
SERVICES = ("gateway", "router", "engine-0", "engine-1", "engine-2")
CULPRIT = "engine-1"

WriteCase = Callable[..., Path]


@pytest.fixture
def case(tmp_path: Path) -> WriteCase:
    """Writes a case: `case(culprit="engine-1", seed=0)`."""

    def write(culprit: str = CULPRIT, seed: int = 0) -> Path:
        folder = tmp_path / f"{culprit}_cpu" / str(seed)
        folder.mkdir(parents=True)
        draws = np.random.default_rng(seed)
        times = INJECTED + STEP * np.arange(-ROWS // 2, ROWS // 2)
        (folder / "inject_time.txt").write_text(f"{INJECTED}\n")
        (folder / "truth.json").write_text("no method reads this")
        metrics = _metrics(times, culprit, draws)
        _table(folder / "data.csv", ["time", *metrics], zip(times, *metrics.values(), strict=True))
        _write_lines(folder, times, culprit, draws)
        _write_spans(folder, times, culprit, draws)
        return folder

    return write


def _metrics(times: np.ndarray, culprit: str, draws: np.random.Generator) -> dict[str, np.ndarray]:
    after = times >= INJECTED
    load = np.convolve(draws.normal(5, 1, len(times) + 4), np.full(5, 0.2), "valid")
    columns: dict[str, np.ndarray] = {}
    slow = np.zeros(len(times))
    for name in SERVICES:
        cpu = 0.1 * load + draws.normal(0, 0.02, len(times)) + (after * 2.0 if name == culprit else 0.0)
        waited = 50 * np.roll(cpu, 1) + draws.normal(0, 1, len(times))
        slow += np.roll(waited, 1)
        columns[f"{name}_ctn_cpu"] = cpu
        columns[f"{name}_ctn_memory"] = 300 + draws.normal(0, 5, len(times))
        columns[f"{name}_ctn_network"] = 2 * load + draws.normal(0, 0.1, len(times))
        columns[f"{name}_node_cpu"] = 0.3 + draws.normal(0, 0.1, len(times))
        columns[f"{name}_latency-50"] = waited / 2
        columns[f"{name}_latency-90"] = waited
    columns["gateway_latency-90"] = slow + draws.normal(0, 2, len(times))
    return columns


def _write_lines(folder: Path, times: np.ndarray, culprit: str, draws: np.random.Generator) -> None:
    lines, counts = [], []
    for time in times:
        said = {name: int(draws.poisson(3)) for name in SERVICES}
        said[culprit] += int(time >= INJECTED) * 12
        counts.append((time, *said.values()))
        for name, number in said.items():
            text = "error: step took too long" if name == culprit and time >= INJECTED else "step done"
            lines += [("", int(time) * 10**9, name, text)] * number
    _table(folder / "logs.csv", ["time", "timestamp", "container_name", "message"], lines)
    _table(folder / "logts.csv", ["time", *SERVICES], counts)


def _write_spans(folder: Path, times: np.ndarray, culprit: str, draws: np.random.Generator) -> None:
    spans, answered, failed = [], [], []
    hops = {"gateway": "POST", "router": "route", **dict.fromkeys(SERVICES[2:], "generate")}
    for number, time in enumerate(np.repeat(times, 2)):
        engine = f"engine-{number % 3}"
        took = int(draws.normal(200_000, 10_000)) + (time >= INJECTED) * (engine == culprit) * 400_000
        parent = ""
        for hop, name in enumerate(("gateway", "router", engine)):
            start = int(time) * 1_000_000 + 1000 * hop
            span = f"{number:08x}{hop:08x}"
            ids = [f"{number:032x}", span, name, hops[name], hops[name]]
            spans.append(["", *ids, start // 1000, start, took - 2000 * hop, 200, parent])
            parent = span
    names = [f"{name}_{hops[name]}" for name in SERVICES]
    for time in times:
        answered.append((time, *draws.poisson(4, len(names))))
        failed.append((time, *(int(name.startswith(culprit) and time >= INJECTED) for name in names)))
    head = "time traceID spanID serviceName methodName operationName startTimeMillis startTime duration statusCode"
    _table(folder / "traces.csv", [*head.split(), "parentSpanID"], spans)
    _table(folder / "tracets_lat.csv", ["time", *names], answered)
    _table(folder / "tracets_err.csv", ["time", *names], failed)


def _table(path: Path, head: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
