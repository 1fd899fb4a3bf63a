"""Alert rules on scraped values: when they begin to fire, when they stop, and that health fires none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from twin.scenario import Scenario, ScenarioError
from twin.scenario.alert_rules import AlertRule, default_file, read_rules
from twin.scenario.promql import parse
from twin.telemetry.alarms import Watch, Watched
from twin.telemetry.records import Alarm
from twin.world import World


def rule(name: str, expression: str, hold: float = 0.0, interval: float = 0.0) -> AlertRule:
    return AlertRule(name, "warning", parse(expression), hold, interval)


class Scraped:
    """A component with `waiting`, `total{of="x"}` and `total{of="y"}` scraped every 5 s; a second is always silent."""

    def __init__(self, *rules: AlertRule) -> None:
        a, silent = ({"instance": name, "job": "vllm"} for name in ("a", "silent"))
        series = [
            Watched(0, 1.0, {"__name__": "up", **a}),
            Watched(0, 1.0, {"__name__": "waiting", **a}),
            Watched(1, 1.0, {"__name__": "total", **a, "of": "x"}),
            Watched(2, 0.5, {"__name__": "total", **a, "of": "y"}),
            Watched(3, 1.0, {"__name__": "all", **a, "of": "x"}),
            Watched(1, 1.0, {"__name__": "up", **silent}),
            Watched(4, 1.0, {"__name__": "waiting", **silent}),
        ]
        self._watch = Watch(rules, series, (0, 4))
        self._alarms: list[Alarm] = []
        self.time = 0.0

    def scrape(self, *values: float) -> None:
        row = np.full(5, np.nan)
        row[: len(values)] = values
        self.time += 5.0
        self._watch.evaluate(self.time, row, self._alarms)

    @property
    def alarms(self) -> list[tuple[str, float, float | None]]:
        assert {alarm.component for alarm in self._alarms} <= {"a"}
        return [(alarm.rule, alarm.time, alarm.resolved) for alarm in self._alarms]


def test_a_gauge_fires_once_it_has_held_and_stops_when_it_does_not() -> None:
    seen = Scraped(rule("Queued", "waiting > 8", hold=10.0))
    for waiting in (9, 8, 9, 9, 9, 9, 3, 9):
        seen.scrape(waiting)
    assert seen.alarms == [("Queued", 25.0, 35.0)]


def test_a_counter_is_read_as_a_rate_that_needs_two_samples_in_its_range() -> None:
    long, short = rule("Long", 'irate(total{of="x"}[20s]) > 0.2'), rule("Short", 'irate(total{of="x"}[5s]) >= 0')
    seen = Scraped(long, short)
    for count in (100, 101, 103, 103):
        seen.scrape(0, count)
    assert seen.alarms == [("Long", 15.0, 20.0)]


def test_a_rate_outlives_missing_samples_for_as_long_as_its_range_and_a_counter_may_begin_again() -> None:
    seen = Scraped(rule("Counts", 'irate(total{of="x"}[20s]) > 0'))
    for count in (100, 101, np.nan, np.nan, np.nan, 3):
        seen.scrape(0, count)
    assert seen.alarms == [("Counts", 10.0, 25.0)]
    seen.scrape(0, 4)
    assert seen.alarms[1:] == [("Counts", 35.0, None)]


def test_one_by_another_is_of_equal_labels_and_nothing_by_nothing_is_no_number() -> None:
    seen = Scraped(rule("Slow", "irate(total[1m]) / irate(all[1m]) > 2"), rule("Odd", "total / all != 1"))
    for total, events in ((0, 0), (10, 10), (40, 15), (40, 15)):
        seen.scrape(0, total, 1000 * total, events)
    # 0 / 0 is not 1, either: Prometheus says so too.
    assert seen.alarms == [("Odd", 5.0, 10.0), ("Slow", 15.0, 20.0), ("Odd", 15.0, None)]


def test_a_sign_may_be_left_out() -> None:
    seen = Scraped(rule("Skew", "abs(waiting) > 0.05"), rule("Low", "waiting < -0.2"))
    for offset in (0.04, -0.06, 0.06, -0.3, 0.0):
        seen.scrape(offset)
    assert seen.alarms == [("Skew", 10.0, 25.0), ("Low", 20.0, 25.0)]


def test_an_exporter_that_falls_silent_is_down_one_that_never_spoke_is_not() -> None:
    seen = Scraped(rule("Down", "up == 0", hold=5.0))
    seen.scrape(0)
    for _ in range(3):
        seen.scrape()
    seen.scrape(0)
    assert seen.alarms == [("Down", 15.0, 25.0)]


def test_an_alarm_lasts_while_any_series_of_its_component_fires() -> None:
    seen = Scraped(rule("High", "total > 3"))
    for x, y in ((9, 0), (0, 9), (0, 5)):
        seen.scrape(0, x, y)  # of y, half is shown
    assert seen.alarms == [("High", 5.0, 15.0)]


def test_either_side_of_or_fires() -> None:
    seen = Scraped(rule("Either", 'waiting > 8 or total{of=~"x|z"} == 1'))
    for values in ((9, 0), (0, 1), (0, 2)):
        seen.scrape(*values)
    assert seen.alarms == [("Either", 5.0, 15.0)]


def test_a_group_with_an_interval_looks_at_no_scrape_between() -> None:
    seen = Scraped(rule("Seldom", "waiting > 8", interval=10.0))
    for waiting in (0, 9, 0, 9, 9, 9):
        seen.scrape(waiting)
    assert seen.alarms == [("Seldom", 25.0, None)]


@pytest.mark.parametrize("dialect", ["vllm-0.33", "vllm-0.8.5"])
def test_every_rule_reads_series_that_exist(dialect: str) -> None:
    shown = [f"spec.telemetry.dialect={dialect}", "spec.telemetry.profile=enriched", "spec.cluster.outputCheck=20s"]
    serving = World(Scenario.load("inference-healthy", shown)).watch
    cloud = World(Scenario.load("openstack-healthy")).watch
    assert set(serving.idle) & set(cloud.idle) == set()
    rules = [rule.name for rule in read_rules(default_file())]
    assert len(set(rules)) == len(rules)


OWN = """\
groups:
  - name: mine
    rules:
      - alert: Served
        expr: irate(ray_vllm_generation_tokens_total[30s]) > 1
        for: 10s
        labels: {severity: warning}
"""


def test_a_scenario_may_bring_rules_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN)
    world = World(Scenario.load("inference-healthy", [f"spec.telemetry.alarms={tmp_path / 'mine.yaml'}"]), seed=0)
    world.run(until=60.0)
    assert {alarm.rule for alarm in world.recorder.alarms} == {"Served"}
    assert len(world.recorder.alarms) == len({alarm.component for alarm in world.recorder.alarms})


@pytest.mark.parametrize(
    ("line", "instead", "complaint"),
    [
        ("expr: irate(ray_vllm_generation_tokens_total[30s]) > 1", "expr: rate(a[1m]) > 1", "mine.yaml:5:"),
        ("for: 10s", "for: soon", "mine.yaml:6:"),
        ("labels: {severity: warning}", "labels: {severity: page}", "mine.yaml:7:"),
        ("- alert: Served", "- record: served", "mine.yaml:4:"),
    ],
)
def test_a_fault_in_a_rule_file_is_told_with_its_line(tmp_path: Path, line: str, instead: str, complaint: str) -> None:
    (tmp_path / "mine.yaml").write_text(OWN.replace(line, instead))
    with pytest.raises(ScenarioError, match=re.escape(complaint)):
        World(Scenario.load("inference-healthy", [f"spec.telemetry.alarms={tmp_path / 'mine.yaml'}"]))


def test_a_rule_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"no such file: .*none\.yaml"):
        Scenario.load("inference-healthy", [f"spec.telemetry.alarms={tmp_path / 'none.yaml'}"]).resolve()


@pytest.mark.parametrize("name", ["inference-healthy", "openstack-healthy"])
def test_a_healthy_cluster_fires_nothing(name: str) -> None:
    world = World(Scenario.load(name), seed=1)
    world.run(until=200.0)
    assert world.recorder.alarms == []


@pytest.mark.parametrize("name", ["volume-backend-full", "dhcp-dead", "certificate-expired"])
def test_nothing_fires_before_the_fault(name: str) -> None:
    world = World(Scenario.load(name), seed=0)
    world.run(until=90.0)
    assert world.recorder.alarms == []


@pytest.mark.parametrize(
    ("name", "until", "alarm"),
    [
        ("libvirt-hang", 200.0, ("LibvirtDown", "libvirt@compute-0")),
        ("rabbitmq-node-down", 250.0, ("TargetDown", "rabbitmq-0")),
        ("mysql-primary-down", 260.0, ("DatabaseBackendDown", "haproxy")),
        ("neutron-agent-down", 350.0, ("NeutronAgentDown", "neutron-openvswitch-agent@compute-1")),
        ("volume-backend-full", 350.0, ("CinderPoolAlmostFull", "cinder-api")),
        ("dhcp-dead", 250.0, ("DnsmasqDown", "neutron-dhcp-agent")),
        ("certificate-expired", 250.0, ("TlsProbeFailed", "haproxy")),
    ],
)
def test_a_dead_program_of_the_cloud_is_alarmed_about_where_it_is(
    name: str, until: float, alarm: tuple[str, str]
) -> None:
    world = World(Scenario.load(name), seed=0)
    world.run(until=until)
    assert alarm in {(fired.rule, fired.component) for fired in world.recorder.alarms}
