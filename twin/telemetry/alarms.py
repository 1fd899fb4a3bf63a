"""Alert rules, evaluated on scraped values only, as Prometheus would."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twin.telemetry.features import FEATURES, IS_COUNTER
from twin.telemetry.recorder import Recorder
from twin.telemetry.records import Alarm
from twin.telemetry.window import Topology

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {">": operator.gt, "<": operator.lt, "==": operator.eq}


@dataclass(frozen=True, slots=True)
class Rule:
    """Fires when `metric` compares with `threshold` for `hold` seconds in a row.

    Counters are read as their rate per second between two scrapes. The comparison ``absent`` fires when the exporter
    of a component of that kind, once seen, does not answer.
    """

    name: str
    severity: Literal["warning", "critical"]
    metric: str
    comparison: Literal[">", "<", "==", "absent"]
    threshold: float
    hold: float


RULES: tuple[Rule, ...] = (
    Rule("TargetDown", "critical", "", "absent", 0.0, 10.0),
    Rule("GpuXid", "critical", "DCGM_FI_DEV_XID_ERRORS", ">", 0.0, 0.0),
    Rule("GpuPowerThrottled", "warning", "DCGM_FI_DEV_POWER_VIOLATION", ">", 5e8, 10.0),
    Rule("GpuThermalThrottled", "warning", "DCGM_FI_DEV_THERMAL_VIOLATION", ">", 5e8, 10.0),
    Rule("RequestsQueued", "warning", "vllm:num_requests_waiting", ">", 8.0, 15.0),
    Rule("KvCacheFull", "warning", "vllm:kv_cache_usage_perc", ">", 0.95, 15.0),
    Rule("GatewayErrors", "critical", 'nginx_http_response_count_total{status="5xx"}', ">", 0.05, 10.0),
    Rule("NodeMemoryLow", "warning", "node_memory_MemAvailable_bytes", "<", 2e9, 10.0),
    Rule("ApiBackendDown", "critical", "haproxy_backend_active_servers", "<", 1.0, 5.0),
    Rule("ApiErrors", "critical", 'haproxy_backend_http_responses_total{code="5xx"}', ">", 0.05, 10.0),
    Rule("NovaAgentDown", "critical", "openstack_nova_agent_state", "<", 1.0, 0.0),
    Rule("RabbitMQMessagesReady", "warning", "rabbitmq_queue_messages_ready", ">", 3.0, 30.0),
    Rule("MySQLThreadsRunning", "warning", "mysql_global_status_threads_running", ">", 8.0, 15.0),
)
"""The default rules. `hold` in seconds; nanoseconds of violation per second for the DCGM counter."""


class Watch:
    """Evaluates the rules after each scrape and records what begins and stops to fire."""

    def __init__(self, topology: Topology, rules: tuple[Rule, ...] = RULES) -> None:
        self._names = [node.name for node in topology.components]
        self._rules = [rule for rule in rules if rule.comparison == "absent" or rule.metric in FEATURES]
        self._pending: dict[tuple[int, str], float] = {}
        self._firing: dict[tuple[int, str], int] = {}
        self._seen: set[int] = set()

    def evaluate(self, now: float, recorder: Recorder) -> None:
        """Look at the newest scrape (and the one before, for rates)."""
        current = recorder.scrapes[-1]
        earlier = recorder.scrapes[-2] if len(recorder.scrapes) > 1 else np.full_like(current, np.nan)
        elapsed = now - recorder.scrape_times[-2] if len(recorder.scrapes) > 1 else 1.0
        answered = ~np.all(np.isnan(current), axis=1)
        self._seen.update(int(i) for i in np.flatnonzero(answered))
        for rule in self._rules:
            if rule.comparison == "absent":
                conditions = {i: not answered[i] for i in self._seen}
            else:
                column = FEATURES.index(rule.metric)
                values = current[:, column]
                if IS_COUNTER[column]:
                    values = (values - earlier[:, column]) / elapsed
                compare = _COMPARISONS[rule.comparison]
                conditions = {
                    i: compare(float(values[i]), rule.threshold) for i in map(int, np.flatnonzero(~np.isnan(values)))
                }
                conditions |= {i: False for (i, name) in self._pending if name == rule.name and i not in conditions}
            for i, holds in conditions.items():
                self._step(rule, int(i), bool(holds), now, recorder)

    def _step(self, rule: Rule, i: int, holds: bool, now: float, recorder: Recorder) -> None:
        key = (i, rule.name)
        if not holds:
            self._pending.pop(key, None)
            at = self._firing.pop(key, None)
            if at is not None:
                recorder.alarms[at] = recorder.alarms[at]._replace(resolved=now)
            return
        since = self._pending.setdefault(key, now)
        if now - since >= rule.hold and key not in self._firing:
            self._firing[key] = len(recorder.alarms)
            recorder.alarms.append(Alarm(now, self._names[i], rule.name, rule.severity, None))
