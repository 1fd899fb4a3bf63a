"""Cases written by hand: a gateway, a head and three engines, every 5 s for five minutes, a fault after four."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

START, INJECTED, END, STEP = 1_767_225_600, 1_767_225_840, 1_767_225_900, 5
TIMES = np.arange(START, END + 1, STEP)
AFTER = TIMES >= INJECTED
EDGES = (("gateway", "head"), *((("head", f"engine-{i}")) for i in range(3)), ("engine-0", "host-0"))

WriteCase = Callable[..., Path]
Rows = Sequence[Sequence[object]]


def steady(name: str, level: float = 10.0, noise: float = 1.0) -> NDArray[np.float64]:
    """[T] a metric on which nothing happens."""
    return np.random.default_rng(sum(name.encode())).normal(level, noise, len(TIMES))


@pytest.fixture
def write_case(tmp_path: Path) -> WriteCase:
    """Write a case into a folder: `write_case({column: values}, logs=[(time, service, text)], …)`."""

    def write(
        columns: Mapping[str, Sequence[object]] | None = None,
        logs: Rows = (),
        spans: Rows = (),
        edges: Rows = EDGES,
        injected: object = INJECTED,
        folder: str = "engine-1_cpu/1",
    ) -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        columns = {f"{name}_cpu": steady(name) for name in ("gateway", "head")} if columns is None else columns
        _table(place / "data.csv", ["time", *columns], zip(TIMES, *columns.values(), strict=True))
        (place / "inject_time.txt").write_text(f"{injected}\n")
        rows = [("", int(float(str(time)) * 1e9), service, text) for time, service, text in logs]
        _table(place / "logs.csv", ["time", "timestamp", "container_name", "message"], rows)
        head = ["spanID", "parentSpanID", "serviceName", "startTime", "duration", "statusCode"]
        _table(place / "traces.csv", head, spans)
        _table(place / "mpg.csv", ["source", "destination"], edges)
        return place

    return write


def _table(path: Path, head: Sequence[str], rows: object) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)  # type: ignore[arg-type]
