"""One figure of a benchmark, and the bar it is held to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A figure. `holds` is None where there is no bar."""

    row: str
    value: float | None
    """None where it was not measured; `anchor` says why."""
    unit: str
    bar: str = ""
    """What it is held to, in words, such as `>= 0.5`."""
    anchor: str = ""
    """What ran beside it and what that reached."""
    holds: bool | None = None

    def as_json(self) -> dict[str, Any]:
        """The keys row, value, unit, bar, anchor, holds."""
        return asdict(self)


def at_most(row: str, value: float, unit: str, bar: float, anchor: str = "") -> Row:
    """A figure that must not be higher."""
    return Row(row, value, unit, f"<= {bar:g}", anchor, value <= bar)


def at_least(row: str, value: float, unit: str, bar: float, anchor: str = "") -> Row:
    """A figure that must not be lower."""
    return Row(row, value, unit, f">= {bar:,g}", anchor, value >= bar)


def within(row: str, value: float, unit: str, low: float, high: float, anchor: str = "") -> Row:
    """A figure that must lie between two others."""
    return Row(row, value, unit, f"{low:.3g} to {high:.3g}", anchor, low <= value <= high)


def skipped(row: str, why: str) -> Row:
    """A figure that is not measured this time."""
    return Row(row, None, "", anchor=f"skipped: {why}")


def per_cpu_second(work: Callable[[], float], seconds: float) -> float:
    """How much `work` gets done per CPU-second.

    It is called again, and returns how much it did, until `seconds` of CPU time have passed. The best call counts:
    others share these cores, and what they take is not ours.
    """
    best = spent = 0.0
    while spent < seconds:
        began = time.process_time()
        done = work()
        took = max(time.process_time() - began, 1e-9)
        best, spent = max(best, done / took), spent + took
    return best


def fastest(run: Callable[[], float], times: int) -> float:
    """The smallest of several measured seconds."""
    return min(run() for _ in range(times))


def all_hold(rows: Iterable[Row]) -> bool:
    """Whether no bar is missed."""
    return all(row.holds is not False for row in rows)
