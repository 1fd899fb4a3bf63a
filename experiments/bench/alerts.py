"""When the expressions of alert rules hold: by the twin, and by a real Prometheus that has the same samples."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from experiments.bench import prometheus
from twin.scenario.alert_rules import read_rules
from twin.scenario.promql import duration
from twin.telemetry.alarms import Watch
from twin.telemetry.export import openmetrics
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.records import Alarm
from twin.world import World

Holding = dict[str, set[tuple[str, int]]]
"""By rule: the components for which it holds, and when (Unix time in milliseconds)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two evaluations of the same rules on the same samples."""

    twin: Holding
    prometheus: Holding

    @property
    def held(self) -> int:
        """Moments at which a rule holds for a component, by either."""
        return sum(len(self.twin[rule] | self.prometheus[rule]) for rule in self.twin)

    @property
    def alike(self) -> int:
        """Moments at which a rule holds for a component by both."""
        return sum(len(self.twin[rule] & self.prometheus[rule]) for rule in self.twin)


def agreement(world: World, folder: TelemetryFolder, rules: Path, scratch: Path) -> Agreement:
    """Evaluate a rule file at every scrape of a world that has lived and whose telemetry is in `folder`.

    The recorder must still have every scrape. Raises PrometheusError where Prometheus does not do it.
    """
    openmetrics.write(folder, scratch)
    prometheus.backfill(scratch / openmetrics.FILE, scratch / "storage")
    times = [world.epoch + time for time in world.recorder.scrape_times]
    found: Holding = {}
    with prometheus.Prometheus(scratch / "storage") as server:
        for name, expression in expressions(rules).items():
            result = server.query_range(expression, times[0], times[-1], world.spec.telemetry.scrape)
            found[name] = {
                (series["metric"]["instance"], round(time * 1000)) for series in result for time, _ in series["values"]
            }
    return Agreement(holding(world, rules), found)


def holding(world: World, rules: Path) -> Holding:
    """When each rule's expression holds by the twin, whatever the rule's `for`."""
    at_once = [replace(rule, hold=0.0, interval=0.0) for rule in read_rules(rules)]
    watch = Watch.of(world, at_once)
    found: Holding = {rule.name: set() for rule in at_once}
    alarms: list[Alarm] = []
    for time, series in zip(world.recorder.scrape_times, world.recorder.series, strict=True):
        watch.evaluate(time, series, alarms)
        moment = round((world.epoch + time) * 1000)
        for alarm in alarms:
            if alarm.resolved is None:
                found[alarm.rule].add((alarm.component, moment))
    return found


def expressions(rules: Path) -> dict[str, str]:
    """The expressions of a rule file by the names of the alerts, as the Prometheus here must be given them.

    A range leaves out its left end since Prometheus 3; before, it did not: there, it is a millisecond shorter.
    """
    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    shorter = prometheus.version() < (3,)
    found = {}
    for rule in (rule for group in groups for rule in group["rules"]):
        found[rule["alert"]] = _SPAN.sub(_shortened, rule["expr"]) if shorter else rule["expr"]
    return found


_SPAN = re.compile(r"\[((?:\d+[a-z]+)+)\]")
"""A range; what stands in a pattern in brackets, such as `[0-9]`, is none."""


def _shortened(span: re.Match[str]) -> str:
    return f"[{round(duration(span[1]) * 1000) - 1}ms]"
