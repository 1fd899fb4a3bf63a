"""Vocabularies: the names of kinds, metrics and alarm rules, numbered in the order they were first seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.window import Window

_COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")
"""OpenMetrics 1.0, suffixes of counters and of the counters inside histograms and summaries."""


@dataclass
class Vocabulary:
    """Names the interpreter knows. Number 0 of kinds and rules stands for any name it does not."""

    counters: frozenset[str] = frozenset()
    """Metrics that only grow, beside those whose name says so; they are read as rates."""
    kinds: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, int] = field(default_factory=dict)
    """Metric name -> column, from 0."""
    rules: dict[str, int] = field(default_factory=dict)

    def learn(self, window: Window) -> None:
        """Add the names of a window."""
        for node in window.topology.components:
            self.kinds.setdefault(node.kind, 1 + len(self.kinds))
        for name in window.features:
            self.metrics.setdefault(name, len(self.metrics))
        for alarm in window.alarms:
            self.rules.setdefault(alarm.rule, 1 + len(self.rules))

    def is_counter(self, name: str) -> bool:
        """Whether a metric is to be read as its rate."""
        return name in self.counters or name.endswith(_COUNTER_SUFFIXES)

    def columns(self, names: Iterable[str]) -> NDArray[np.intp]:
        """[names] the column of each metric name, -1 for an unknown one."""
        return np.array([self.metrics.get(name, -1) for name in names], dtype=np.intp)

    def to_json(self) -> dict[str, Any]:
        """The names as plain data."""
        lists = {"kinds": list(self.kinds), "metrics": list(self.metrics), "rules": list(self.rules)}
        return {**lists, "counters": sorted(self.counters)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Vocabulary:
        """Restore a vocabulary. Raises KeyError or TypeError where the data is not one."""
        return cls(
            counters=frozenset(data["counters"]),
            kinds={name: 1 + i for i, name in enumerate(data["kinds"])},
            metrics={name: i for i, name in enumerate(data["metrics"])},
            rules={name: 1 + i for i, name in enumerate(data["rules"])},
        )


def declared_counters() -> frozenset[str]:
    """Metrics that the exporters declare as counters whatever their name (DCGM's violation counters, for one)."""
    from twin.telemetry.features import FEATURES, IS_COUNTER

    return frozenset(name for name, counter in zip(FEATURES, IS_COUNTER, strict=True) if counter)
