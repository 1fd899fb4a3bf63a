"""Alert rules on scraped values: when they begin to fire, when they stop, and that health fires none."""

from __future__ import annotations

import numpy as np
import pytest

from twin.scenario import Scenario
from twin.telemetry.alarms import RULES, Rule, Watch
from twin.telemetry.exposition import exposition, series_of
from twin.telemetry.features import FEATURES, KINDS
from twin.telemetry.recorder import Recorder
from twin.telemetry.records import gauge
from twin.telemetry.window import Node, Topology
from twin.world import World

WAITING, PREEMPTIONS = "vllm:num_requests_waiting", "vllm:num_preemptions_total"
TTFT_SUM, TTFT_COUNT = "vllm:time_to_first_token_seconds_sum", "vllm:time_to_first_token_seconds_count"
OFFSET = "node_timex_offset_seconds"
GAUGES = {s.name for kind in KINDS.values() for s in series_of(kind.metrics) if not s.counter}


class Scraped:
    """One component scraped every 5 s with the values given; a second one is always silent."""

    def __init__(self, *rules: Rule) -> None:
        topology = Topology("inference", (Node("a", "vllm", None), Node("silent", "vllm", None)), ())
        self.recorder = Recorder()
        self._watch = Watch(topology, rules)
        self.time = 0.0

    def scrape(self, **values: float) -> None:
        row = np.full((2, len(FEATURES)), np.nan, np.float32)
        for name, value in values.items():
            row[0, FEATURES.index(globals()[name])] = value
        self.time += 5.0
        self.recorder.scrape(self.time, row, np.empty(0))
        self._watch.evaluate(self.time, self.recorder)

    @property
    def alarms(self) -> list[tuple[str, float, float | None]]:
        assert {alarm.component for alarm in self.recorder.alarms} <= {"a"}
        return [(alarm.rule, alarm.time, alarm.resolved) for alarm in self.recorder.alarms]


def test_a_gauge_fires_once_it_has_held_and_stops_when_it_does_not() -> None:
    seen = Scraped(Rule("Queued", "warning", WAITING, ">", 8.0, 10.0))
    for waiting in (9, 8, 9, 9, 9, 9, 3, 9):
        seen.scrape(WAITING=waiting)
    assert seen.alarms == [("Queued", 25.0, 35.0)]


def test_a_counter_is_read_as_a_rate() -> None:
    seen = Scraped(Rule("Preempted", "warning", PREEMPTIONS, ">", 0.2, 0.0))
    for count in (100, 101, 103, 103):
        seen.scrape(PREEMPTIONS=count)
    assert seen.alarms == [("Preempted", 15.0, 20.0)]


def test_a_mean_is_read_from_sum_and_count_and_needs_events() -> None:
    seen = Scraped(Rule("Slow", "warning", TTFT_SUM, ">", 2.0, 0.0, per=TTFT_COUNT))
    for total, count in ((0, 0), (10, 10), (40, 15), (40, 15)):
        seen.scrape(TTFT_SUM=total, TTFT_COUNT=count)
    assert seen.alarms == [("Slow", 15.0, 20.0)]


def test_beyond_is_either_way_and_below_is_below() -> None:
    skew = Rule("Skew", "warning", OFFSET, "beyond", 0.05, 0.0)
    low = Rule("Low", "warning", OFFSET, "<", -0.2, 0.0)
    seen = Scraped(skew, low)
    for offset in (0.04, -0.06, 0.06, -0.3, 0.0):
        seen.scrape(OFFSET=offset)
    assert seen.alarms == [("Skew", 10.0, 25.0), ("Low", 20.0, 25.0)]


def test_an_exporter_that_falls_silent_is_down_one_that_never_spoke_is_not() -> None:
    seen = Scraped(Rule("Down", "critical", "", "absent", 0.0, 5.0))
    seen.scrape(WAITING=0)
    for _ in range(3):
        seen.scrape()
    seen.scrape(WAITING=0)
    assert seen.alarms == [("Down", 15.0, 25.0)]


def test_what_is_exported_only_is_read_by_itself_or_as_a_share() -> None:
    layout = exposition([("a", [gauge("free", "GB", None), gauge("total", "GB", None)]), ("silent", [])], FEATURES)
    low = Rule("Low", "warning", "free", "<", 0.2, 5.0, per="total")
    none = Rule("None", "critical", "free", "<", 1.0, 0.0)
    topology = Topology("openstack", (Node("a", "cinder-api", None), Node("silent", "cinder-api", None)), ())
    recorder, watch = Recorder(), Watch(topology, (low, none), layout)
    for time, free in enumerate((100.0, 99.0, 90.0, np.nan, 0.0, 0.0, 400.0)):
        recorder.scrape(5.0 * time, np.full((2, len(FEATURES)), np.nan, np.float32), np.array([free, 500.0]))
        watch.evaluate(5.0 * time, recorder)
    fired = [(alarm.component, alarm.rule, alarm.time, alarm.resolved) for alarm in recorder.alarms]
    assert fired == [("a", "Low", 10.0, 15.0), ("a", "None", 20.0, 30.0), ("a", "Low", 25.0, 30.0)]


def test_every_rule_reads_series_that_exist() -> None:
    for rule in RULES:
        gauges = GAUGES if rule.metric not in FEATURES else FEATURES  # of what is exported only, gauges are read
        assert rule.comparison == "absent" or rule.metric in gauges, rule.name
        assert not rule.per or rule.per in gauges, rule.name
    assert len({rule.name for rule in RULES}) == len(RULES)


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
