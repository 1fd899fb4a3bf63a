"""A window: the telemetry of the last minutes as an interpreter, a policy or an operator sees it.

A window comes from a running world or from an exported folder; whoever reads one cannot tell which. It carries no
ground truth and nothing newer than the last scrape (invariants: signal freshness, oracle boundary).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.records import Alarm, LogLine, Span


@dataclass(frozen=True, slots=True)
class Node:
    """One component of the topology, as an inventory lists it."""

    name: str
    kind: str
    place: str | None


@dataclass(frozen=True)
class Topology:
    """The inventory: components in a fixed order, and who depends on whom (pairs of names: caller, callee)."""

    cluster: str
    components: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each component by name."""
        return {node.name: i for i, node in enumerate(self.components)}


@dataclass(frozen=True, eq=False)
class Window:
    """Telemetry of (start, end], simulated seconds; a scrape at `start` itself is included, for rates need two.

    `epoch` is the Unix time of second 0.
    """

    start: float
    end: float
    epoch: float
    topology: Topology
    features: tuple[str, ...]
    """Metric names: the feature axis of `metrics`."""
    scrape_times: NDArray[np.float64]
    """[time] when each scrape happened, seconds."""
    metrics: NDArray[np.float32]
    """[component, feature, time] scraped values, NaN where absent."""
    alarms: tuple[Alarm, ...]
    """Alarms that fired at some moment of the window."""
    _render_logs: Callable[[], Sequence[LogLine]]
    _count_lines: Callable[[float], Mapping[tuple[str, str], int]]
    _spans: Callable[[], Sequence[Span]]

    @cached_property
    def logs(self) -> Sequence[LogLine]:
        """Log lines in the order of time, rendered when first asked for."""
        return self._render_logs()

    def __eq__(self, other: object) -> bool:
        """Whether two windows show the same telemetry; renders the logs of both."""
        if not isinstance(other, Window):
            return NotImplemented
        return (
            (self.start, self.end, self.epoch) == (other.start, other.end, other.epoch)
            and (self.topology, self.features, self.alarms) == (other.topology, other.features, other.alarms)
            and np.array_equal(self.scrape_times, other.scrape_times)
            and np.array_equal(self.metrics, other.metrics, equal_nan=True)
            and list(self.logs) == list(other.logs)
            and list(self.traces) == list(other.traces)
        )

    __hash__ = None  # type: ignore[assignment]

    def count_lines(self, since: float) -> Mapping[tuple[str, str], int]:
        """Number of log lines after second `since`, by (component, level), without rendering them."""
        return self._count_lines(since)

    @cached_property
    def traces(self) -> Sequence[Span]:
        """Spans that ended within the window."""
        return self._spans()
