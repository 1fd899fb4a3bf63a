"""The default rules in a real Prometheus: it reads the file, finds what the twin finds, fires when the twin fires."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiments.bench import alerts, prometheus
from twin.scenario import Scenario
from twin.scenario.alert_rules import alert_rules, default_file, read_rules
from twin.telemetry import folder
from twin.telemetry.alarms import metrics_in, watched
from twin.telemetry.exposition import number, written
from twin.world import World

pytestmark = pytest.mark.skipif(bool(prometheus.missing()), reason=prometheus.missing() or "-")

RUNS = {
    "inference": (
        ["power-cap-and-crash"],
        300.0,
        {"GpuPowerThrottled", "TargetDown", "RequestsQueued", "TimeToFirstTokenHigh", "KvCacheFull"},
    ),
    "older names": (
        ["power-cap-and-crash", "spec.telemetry.dialect=vllm-0.8.5"],
        300.0,
        {"RequestsQueued", "TimeToFirstTokenHigh", "KvCacheFull"},
    ),
    "openstack": (["mysql-primary-down"], 240.0, {"TargetDown", "DatabaseBackendDown"}),
    "a share": (["volume-backend-full"], 350.0, {"CinderPoolAlmostFull"}),
}


@pytest.fixture(scope="module", params=list(RUNS))
def run(request: pytest.FixtureRequest) -> tuple[World, set[str]]:
    """A world that has lived, and rules among those whose alarms it had."""
    (name, *changes), until, rules = RUNS[request.param]
    world = World(Scenario.load(name, changes), seed=0)
    world.run(until=until)
    return world, rules


def test_promtool_finds_no_fault_in_the_default_rules() -> None:
    said = prometheus.promtool("check", "rules", "--lint-fatal", str(default_file()))
    assert f"{len(read_rules(default_file()))} rules found" in said


def test_every_expression_holds_when_prometheus_says_so(run: tuple[World, set[str]], tmp_path: Path) -> None:
    world, rules = run
    folder.write(world, tmp_path / "run")
    found = alerts.agreement(world, folder.read(tmp_path / "run"), default_file(), tmp_path / "prometheus")
    assert found.twin == found.prometheus
    assert rules <= {rule for rule, moments in found.twin.items() if moments}


TRICKY = {
    "GoesOnAfterTheLastScrape": 'irate(node_cpu_seconds_total{mode="idle"}[1m]) > 1',
    "EndsWithTheNextScrape": 'irate(node_cpu_seconds_total{mode="idle"}[10s]) > 1',
    "NeverHasTwoSamples": "irate(node_cpu_seconds_total[5s]) >= 0",
    "CountsFromNothing": 'irate(ray_vllm_generation_tokens_total{engine="0"}[40s]) > 20',
    "ManySeries": 'kube_pod_status_ready{pod=~"ray-replicas-[02]", condition!~"f.*"} != 1',
    "Share": "abs((node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)) <= 0.9",
    "Undefined": "irate(ray_vllm_num_preemptions_total[1m]) / irate(ray_vllm_corrupted_requests_total[1m]) != 1",
    "Endless": "node_memory_MemAvailable_bytes / node_timex_offset_seconds == +Inf",
    "Either": '(up{job="gpu"} == 0) or (up{instance!="node-0"} < 1) or node_load1 > 1e9',
}


def test_what_the_default_rules_do_not_say_is_read_as_prometheus_reads_it(tmp_path: Path) -> None:
    world = World(Scenario.load("node-power-loss", ["spec.faults.0.at=40s"]), seed=0)
    world.run(until=200.0)
    folder.write(world, tmp_path / "run")
    rules = [{"alert": name, "expr": text, "labels": {"severity": "warning"}} for name, text in TRICKY.items()]
    (tmp_path / "tricky.yaml").write_text(yaml.safe_dump({"groups": [{"name": "tricky", "rules": rules}]}))
    prometheus.promtool("check", "rules", str(tmp_path / "tricky.yaml"))
    found = alerts.agreement(world, folder.read(tmp_path / "run"), tmp_path / "tricky.yaml", tmp_path / "prometheus")
    assert found.twin == found.prometheus
    assert {rule for rule, moments in found.twin.items() if not moments} == {"NeverHasTwoSamples"}


def test_alarms_begin_and_end_when_those_of_prometheus_do(run: tuple[World, set[str]], tmp_path: Path) -> None:
    """Prometheus' own evaluator, `for` included, given the run's samples; what is absent is stale there."""
    world, rules = run
    assert rules <= {alarm.rule for alarm in world.recorder.alarms}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(_bare_rules()))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(_as_test_of_rules(world)))
    assert "SUCCESS" in prometheus.promtool("test", "rules", str(tmp_path / "test.yaml"))


def _bare_rules() -> dict[str, Any]:
    """The default rules without what is printed, in the words of the Prometheus here."""
    shown = alerts.expressions(default_file())
    document = yaml.safe_load(default_file().read_text())
    for group in document["groups"]:
        for rule in group["rules"]:
            rule.update(expr=shown[rule["alert"]])
            del rule["annotations"]
    return document


def _as_test_of_rules(world: World) -> dict[str, Any]:
    """The run as promtool tests rules: its samples, and which rules fire for which components after each scrape."""
    step = f"{world.spec.telemetry.scrape:.0f}s"
    fired = [
        {
            "expr": 'max by (alertname, instance) (ALERTS{alertstate="firing"})',
            "eval_time": f"{time:.0f}s",
            "exp_samples": [
                {"labels": f'{{alertname="{alarm.rule}", instance="{alarm.component}"}}', "value": 1}
                for alarm in world.recorder.alarms
                if alarm.time <= time and (alarm.resolved is None or alarm.resolved > time)
            ],
        }
        for time in world.recorder.scrape_times
    ]
    test = {"interval": step, "input_series": list(_input_series(world)), "promql_expr_test": fired}
    return {"rule_files": ["rules.yaml"], "evaluation_interval": step, "tests": [test]}


def _input_series(world: World) -> Iterator[dict[str, str]]:
    layout = world.exposition
    spans = {
        c: slice(at, at + len(names))
        for c, names, at in zip(layout.components, layout.names, layout.offsets, strict=True)
    }
    for one in watched(world, metrics_in(alert_rules(world.spec))):
        labels = dict(one.labels)
        name, component = labels.pop("__name__"), labels["instance"]
        values, before = ["_"], np.nan  # nothing is scraped at second 0
        for scrape in world.recorder.series:
            value = scrape[one.position] * one.factor
            if name == "up":
                value = before * 0.0 if np.isnan(scrape[spans[component]]).all() else 1.0
            values.append(number(float(value)) if value == value else "_" if before != before else "stale")
            before = value
        yield {"series": written(name, labels), "values": " ".join(values)}
