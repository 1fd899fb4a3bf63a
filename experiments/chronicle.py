"""A chronicle: one episode as a report tells it, small enough to be kept with every run.

scenario, seed, horizon, warmup        topology: components, edges
loss, violated: a value a second       latency: time, p50, p99 of the entry requests
faults, actions: what and when         logs: time, component, level, text
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from twin.scenario import to_yaml
from twin.telemetry.records import LogLine
from twin.world import World

LATENCY_BIN = 5.0
"""Seconds of a point of the latency curves."""
EXCERPT = 120
"""Log lines that a chronicle keeps."""
_UNUSUAL = ("WARNING", "ERROR", "CRITICAL")


def chronicle(world: World, policy: str) -> dict[str, Any]:
    """What happened in a world so far, as JSON."""
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
        "latency": _latency(world),
        "faults": [
            {
                "name": i.fault,
                "kind": i.kind,
                "targets": list(i.targets),
                "injected": i.injected,
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
        "logs": [[round(line.time, 3), line.component, line.level, line.text] for line in _excerpt(world)],
    }


def _latency(world: World) -> dict[str, list[float]]:
    """Quantiles of the duration of root spans, by the time at which they ended."""
    ended: dict[int, list[float]] = {}
    for span in world.recorder.spans:
        if not span.parent:
            ended.setdefault(int((span.start + span.duration) // LATENCY_BIN), []).append(span.duration)
    bins = sorted(ended)
    quantiles = [np.quantile(ended[b], (0.5, 0.99)) for b in bins]
    return {
        "time": [(b + 0.5) * LATENCY_BIN for b in bins],
        "p50": [round(float(q[0]), 4) for q in quantiles],
        "p99": [round(float(q[1]), 4) for q in quantiles],
    }


def _excerpt(world: World) -> list[LogLine]:
    """The first unusual lines after each fault and action; where there are few, any lines there."""
    moments = [i.injected for i in world.truth.incidents.values() if i.injected is not None]
    moments += [t.started for t in world.tickets if t.legal and t.action.category != "noop"]
    share = max(6, EXCERPT // max(1, len(moments)))
    chosen: dict[int, LogLine] = {}
    for moment in sorted(moments) or [0.0]:
        records = world.recorder.logs_between(moment, moment + 60.0)
        worth = [r for r in records if r.template.level.value in _UNUSUAL][:share]
        worth += [r for r in records if r.template.level.value not in _UNUSUAL][: max(0, min(6, share - len(worth)))]
        keep = {id(r) for r in worth}
        lines = world.log_lines(moment, moment + 60.0)
        for record, line in zip(records, lines, strict=True):
            if id(record) in keep:
                chosen[id(record)] = line
    return sorted(chosen.values(), key=lambda line: line.time)[:EXCERPT]
