"""A chronicle: one episode as a report tells it, small enough to be kept with every run.

scenario, seed, horizon, warmup        topology: components, edges
loss, violated: a value a second       latency: time, p50, p99 of the entry requests
faults, actions: what and when         benign: what was no fault and looked like one
logs: time, component, level, text
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from twin.scenario import to_yaml
from twin.telemetry.records import LogLine, Span
from twin.world import World

LATENCY_BIN = 5.0
"""Seconds of a point of the latency curves."""
EXCERPT = 120
"""Log lines that a chronicle keeps."""
EXCERPT_SECONDS = 60.0
"""How long after a fault or an action a line is worth telling."""
_UNUSUAL = ("WARNING", "ERROR", "CRITICAL")


def chronicle(
    world: World, policy: str, spans: Iterable[Span] | None = None, lines: Iterable[LogLine] | None = None
) -> dict[str, Any]:
    """What happened in a world so far, as JSON.

    Spans and log lines are the world's own unless given: what was streamed to disk is no longer in it.
    """
    return {
        "policy": policy,
        "scenario": world.scenario.metadata.name,
        "title": world.scenario.metadata.title,
        "yaml": to_yaml(world.scenario),
        "seed": world.seed,
        "end": world.now,
        "warmup": world.spec.control.warmup,
        "acceleration": world.spec.acceleration,
        "topology": {
            "components": [asdict(node) for node in world.topology.components],
            "edges": [list(edge) for edge in world.topology.edges],
        },
        "loss": [round(value, 4) for value in world.slo.loss],
        "violated": [int(value) for value in world.slo.violated],
        "latency": _latency(world.recorder.spans if spans is None else spans),
        "faults": [
            {
                "name": i.fault,
                "kind": i.kind,
                "targets": list(i.targets),
                "injected": i.injected,
                "first_impact": i.first_impact,
                "cleared": i.cleared,
                "cleared_by": i.cleared_by,
            }
            for i in world.truth.incidents.values()
        ],
        "actions": [
            {
                "action": str(t.action),
                "started": t.started,
                "finished": t.finished,
                "legal": t.legal,
                "relieved": len(t.relieved),
            }
            for t in world.tickets
            if t.action.category != "noop"
        ],
        "benign": [asdict(event) for event in world.truth.benign],
        "logs": [[round(line.time, 3), line.component, line.level, line.text] for line in _excerpt(world, lines)],
    }


def _latency(spans: Iterable[Span]) -> dict[str, list[float]]:
    """Quantiles of the duration of root spans, by the time at which they ended."""
    ended: dict[int, list[float]] = {}
    for span in spans:
        if not span.parent:
            ended.setdefault(int((span.start + span.duration) // LATENCY_BIN), []).append(span.duration)
    bins = sorted(ended)
    quantiles = [np.quantile(ended[b], (0.5, 0.99)) for b in bins]
    return {
        "time": [(b + 0.5) * LATENCY_BIN for b in bins],
        "p50": [round(float(q[0]), 4) for q in quantiles],
        "p99": [round(float(q[1]), 4) for q in quantiles],
    }


def _excerpt(world: World, lines: Iterable[LogLine] | None) -> list[LogLine]:
    """The first unusual lines in the minute after each fault and action; where there are few, any lines there."""
    moments = [i.injected for i in world.truth.incidents.values() if i.injected is not None]
    moments += [t.started for t in world.tickets if t.legal and t.action.category != "noop"]
    share = max(6, EXCERPT // max(1, len(moments)))
    spots = [_Spot(moment, share) for moment in sorted(moments) or [0.0]]
    for number, line in enumerate(world.log_lines(-1.0, world.now) if lines is None else lines):
        for spot in spots:
            if spot.moment < line.time <= spot.moment + EXCERPT_SECONDS:
                spot.see(number, line)
    chosen = {number: line for spot in spots for number, line in spot.worth()}
    return [line for _, line in sorted(chosen.items())][:EXCERPT]


class _Spot:
    """The lines after one moment that are worth telling."""

    def __init__(self, moment: float, share: int) -> None:
        self.moment = moment
        self._share = share
        self._unusual: list[tuple[int, LogLine]] = []
        self._usual: list[tuple[int, LogLine]] = []

    def see(self, number: int, line: LogLine) -> None:
        kept, limit = (self._unusual, self._share) if line.level in _UNUSUAL else (self._usual, 6)
        if len(kept) < limit:
            kept.append((number, line))

    def worth(self) -> list[tuple[int, LogLine]]:
        return [*self._unusual, *self._usual[: self._share - len(self._unusual)]]
