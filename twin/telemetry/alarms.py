"""Alert rules, evaluated on scraped values only, as Prometheus would."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.telemetry.exposition import Exposition
from twin.telemetry.features import FEATURES, IS_COUNTER
from twin.telemetry.recorder import Recorder
from twin.telemetry.records import Alarm
from twin.telemetry.window import Topology

Comparison = Literal[">", "<", "beyond", "absent"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires when `metric` compares with `threshold` for `hold` seconds in a row.

    Counters are read as their rate per second between two scrapes, or, with `per`, as their increase by one of that
    other counter. Of series that are exported only, gauges are read, or, with `per`, their share of that other gauge.
    ``beyond`` compares the absolute value. ``absent`` fires when the exporter of a component, once
    seen, does not answer.
    """

    name: str
    severity: Literal["warning", "critical"]
    metric: str
    comparison: Comparison
    threshold: float
    hold: float
    per: str = ""


RULES: tuple[Rule, ...] = (
    Rule("TargetDown", "critical", "", "absent", 0.0, 10.0),
    Rule("GpuXid", "critical", "DCGM_FI_DEV_XID_ERRORS", ">", 0.0, 0.0),
    Rule("GpuPowerThrottled", "warning", "DCGM_FI_DEV_POWER_VIOLATION", ">", 5e8, 10.0),
    Rule("GpuThermalThrottled", "warning", "DCGM_FI_DEV_THERMAL_VIOLATION", ">", 5e8, 10.0),
    Rule("GpuRowRemapFailure", "critical", "DCGM_FI_DEV_ROW_REMAP_FAILURE", ">", 0.0, 0.0),
    Rule("OutputCheckMismatch", "warning", "output_check_mismatches_total", ">", 0.0, 0.0),
    Rule("RequestsQueued", "warning", "vllm:num_requests_waiting", ">", 8.0, 15.0),
    Rule("KvCacheFull", "warning", "vllm:kv_cache_usage_perc", ">", 0.95, 15.0),
    Rule(
        "TimeToFirstTokenHigh",
        "warning",
        "vllm:time_to_first_token_seconds_sum",
        ">",
        2.0,
        15.0,
        per="vllm:time_to_first_token_seconds_count",
    ),
    Rule("RequestsPreempted", "warning", "vllm:num_preemptions_total", ">", 0.2, 15.0),
    Rule("ServeReplicaUnhealthy", "critical", "ray_serve_deployment_replica_healthy", "<", 1.0, 10.0),
    Rule("ServeControllerStalled", "critical", "ray_serve_controller_num_control_loops", "<", 0.1, 30.0),
    Rule("GatewayErrors", "critical", 'nginx_http_response_count_total{status="5xx"}', ">", 0.05, 10.0),
    Rule("NodeMemoryLow", "warning", "node_memory_MemAvailable_bytes", "<", 2e9, 10.0),
    Rule("NodeFilesystemAlmostOutOfSpace", "critical", 'node_filesystem_avail_bytes{mountpoint="/"}', "<", 2e9, 10.0),
    Rule("NodeClockSkewDetected", "warning", "node_timex_offset_seconds", "beyond", 0.05, 30.0),
    Rule("NodeOomKill", "critical", "node_vmstat_oom_kill", ">", 0.0, 0.0),
    Rule("ModelStoreErrors", "warning", "minio_s3_requests_errors_total", ">", 0.0, 0.0),
    Rule("ApiBackendDown", "critical", "haproxy_backend_active_servers", "<", 1.0, 5.0),
    Rule("ApiErrors", "critical", 'haproxy_backend_http_responses_total{code="5xx"}', ">", 0.05, 10.0),
    Rule("NovaAgentDown", "critical", "openstack_nova_agent_state", "<", 1.0, 0.0),
    Rule("NeutronAgentDown", "critical", "openstack_neutron_agent_state", "<", 1.0, 0.0),
    Rule("CinderAgentDown", "critical", "openstack_cinder_agent_state", "<", 1.0, 0.0),
    Rule(
        "CinderPoolAlmostFull",
        "warning",
        "openstack_cinder_pool_capacity_free_gb",
        "<",
        0.2,  # the OpenStack mixin of Grafana's jsonnet-libs: 80 % used
        30.0,
        per="openstack_cinder_pool_capacity_total_gb",
    ),
    Rule("DnsmasqDown", "critical", 'namedprocess_namegroup_num_procs{groupname="dnsmasq"}', "<", 1.0, 30.0),
    Rule("TlsProbeFailed", "critical", "probe_success", "<", 1.0, 10.0),
    Rule("LibvirtDown", "critical", "libvirt_up", "<", 1.0, 10.0),
    Rule("RabbitMQMessagesReady", "warning", "rabbitmq_queue_messages_ready", ">", 3.0, 30.0),
    Rule("RabbitMQMemoryAlarm", "critical", "rabbitmq_alarms_memory_used_watermark", ">", 0.0, 0.0),
    Rule("MySQLGaleraOutOfSync", "warning", "mysql_global_status_wsrep_local_state", "<", 4.0, 30.0),
    Rule("DatabaseBackendDown", "critical", 'haproxy_backend_active_servers{proxy="mysql_back"}', "<", 1.0, 5.0),
    Rule("MySQLThreadsRunning", "warning", "mysql_global_status_threads_running", ">", 8.0, 15.0),
)
"""The default rules. `hold` in seconds; nanoseconds of violation per second for the DCGM counter."""


class Exported(NamedTuple):
    """A rule on a series that one component's exporter exposes beside its features."""

    component: int
    rule: Rule
    position: int
    per: int | None
    """Where the series and the one that it is a share of are in a scrape."""

    def holds(self, series: NDArray[np.float64]) -> bool:
        """Whether the rule's comparison holds; never where a value is absent."""
        value = float(series[self.position])
        if self.per is not None:
            value /= float(series[self.per]) or math.nan
        if self.rule.comparison == "<":
            return value < self.rule.threshold
        return (abs(value) if self.rule.comparison == "beyond" else value) > self.rule.threshold


def _exported(layout: Exposition, rules: Iterable[Rule]) -> Iterator[Exported]:
    """The rules on series that are no features, one by one for each component that has them."""
    for rule in rules:
        for component, (names, offset) in enumerate(zip(layout.names, layout.offsets, strict=True)):
            if rule.metric in names and rule.metric not in FEATURES:
                per = offset + names.index(rule.per) if rule.per else None
                yield Exported(component, rule, offset + names.index(rule.metric), per)


class Watch:
    """Evaluates the rules after each scrape and records what begins and stops to fire."""

    def __init__(self, topology: Topology, rules: tuple[Rule, ...] = RULES, layout: Exposition | None = None) -> None:
        self._names = [node.name for node in topology.components]
        self._down = [rule for rule in rules if rule.comparison == "absent"]
        self._rules = [rule for rule in rules if rule.metric in FEATURES]
        self._columns = np.array([FEATURES.index(rule.metric) for rule in self._rules], np.intp)
        self._counts = IS_COUNTER[self._columns]
        self._ratios = [(k, FEATURES.index(rule.per)) for k, rule in enumerate(self._rules) if rule.per]
        # All comparisons as one: sign * value > sign * threshold.
        self._beyond = np.array([rule.comparison == "beyond" for rule in self._rules])
        self._signs = np.array([-1.0 if rule.comparison == "<" else 1.0 for rule in self._rules])
        self._limits = np.array([rule.threshold for rule in self._rules]) * self._signs
        self._pending: dict[tuple[int, str], float] = {}
        self._firing: dict[tuple[int, str], int] = {}
        self._seen = np.zeros(len(self._names), np.bool_)
        self._exported = [] if layout is None else [*_exported(layout, rules)]

    def evaluate(self, now: float, recorder: Recorder) -> None:
        """Look at the newest scrape (and the one before, for rates)."""
        current = recorder.scrapes[-1]
        silent = np.isnan(current).all(axis=1)
        self._seen |= ~silent
        holding = [(int(i), rule) for rule in self._down for i in (silent & self._seen).nonzero()[0]]
        rows, which = self._compare(now, recorder).nonzero()
        holding += [(i, self._rules[k]) for i, k in zip(rows.tolist(), which.tolist(), strict=True)]
        series = recorder.series[-1]
        holding += [(one.component, one.rule) for one in self._exported if one.holds(series)]
        self._resolve({(i, rule.name) for i, rule in holding}, now, recorder)
        for i, rule in holding:
            key = (i, rule.name)
            since = self._pending.setdefault(key, now)
            if now - since >= rule.hold and key not in self._firing:
                self._firing[key] = len(recorder.alarms)
                recorder.alarms.append(Alarm(now, self._names[i], rule.name, rule.severity, None))

    def _compare(self, now: float, recorder: Recorder) -> NDArray[np.bool_]:
        """[component, rule] whether the rule's comparison holds; never where a value is absent."""
        current = recorder.scrapes[-1]
        values = current[:, self._columns].astype(np.float64)
        if len(recorder.scrapes) > 1:
            earlier, elapsed = recorder.scrapes[-2], now - recorder.scrape_times[-2]
            increase = values - earlier[:, self._columns]
            values = np.where(self._counts, increase / elapsed, values)
            for k, column in self._ratios:
                events = current[:, column] - earlier[:, column]
                values[:, k] = np.where(events > 0, increase[:, k] / np.maximum(events, 1.0), np.nan)
        else:
            values[:, self._counts] = np.nan
        held: NDArray[np.bool_] = np.where(self._beyond, np.abs(values), values * self._signs) > self._limits
        return held

    def _resolve(self, holding: set[tuple[int, str]], now: float, recorder: Recorder) -> None:
        """What held and does not any more."""
        for key in [key for key in self._pending if key not in holding]:
            del self._pending[key]
            at = self._firing.pop(key, None)
            if at is not None:
                recorder.alarms[at] = recorder.alarms[at]._replace(resolved=now)
