"""The reference experiment: 4 faults x 3 targets x 10 repetitions, from the study's own manifests."""

from __future__ import annotations

from collections import Counter

import pytest

from twin.scenario import Scenario, Suite
from twin.world import World

FAULTS = {
    "stress-chaos-gpu": {"power_limit": 150.0},
    "stress-chaos-cpu": {"cpu_stress": 16.0},
    "stress-chaos-memory": {"memory_taken": 8e9, "memory_growth": 8e9 / 60},
    "network-chaos-delay": {"latency": 1.0, "jitter": 0.1, "correlation": 0.0025},
}


def served(world):
    """(arrived, ended, seconds, status) of every request that nginx answered, from its spans."""
    return [
        (s.start, s.start + s.duration, s.duration, s.status)
        for s in world.recorder.spans
        if s.component == "nginx-proxy"
    ]


def test_the_suite_has_120_cases_and_each_resolves() -> None:
    suite = Suite.load("rca-llm")
    cases = [scenario.resolve(seed) for scenario in suite.scenarios for seed in suite.seeds]
    assert len(cases) == 120
    hit = Counter()
    for case in cases:
        (fault,) = case.spec.faults
        assert (fault.at, fault.duration, case.spec.horizon) == (285.0, 60.0, 405.0)
        assert case.spec.workload.prompt == 512 and case.spec.workload.output == 256
        hit[case.metadata.name.rpartition("-ray")[0], fault.selector.label_selectors["app"]] += 1
    assert hit == {(fault, f"ray-replicas-{i}"): 10 for fault in FAULTS for i in range(3)}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("target", range(3))
def test_each_lands_on_its_target_and_nowhere_else(fault: str, target: int) -> None:
    world = World(Scenario.load(f"{fault}-ray-replicas-{target}"), seed=40000)
    world.run(286)
    hit = {c.name: {x.parameter: x.value for x in c.conditions} for c in world.components.values() if c.conditions}
    (name,) = hit
    assert name == (f"gpu-{target}" if fault == "stress-chaos-gpu" else f"ray-replicas-{target}")
    assert FAULTS[fault].items() <= hit[name].items()


@pytest.mark.parametrize("fault", FAULTS)
def test_one_case_of_each_runs_and_ends_healthy(fault: str) -> None:
    world = World(Scenario.load(f"{fault}-ray-replicas-1"), seed=40003)
    world.run()
    incident = next(iter(world.truth.incidents.values()))
    assert (incident.injected, incident.cleared, incident.cleared_by) == (285.0, 345.0, "expired")
    gateway = world.cluster.gateway
    assert gateway.accepted == gateway.answered + gateway.in_flight > 2000
    assert all(status == 200 for *_, status in served(world))


def test_a_delayed_pod_answers_a_second_late_and_serves_as_much() -> None:
    world = World(Scenario.load("network-chaos-delay-ray-replicas-1"), seed=40000)
    world.run()
    replica = {s.trace: s for s in world.recorder.spans if s.operation == "llm_request"}
    late: dict[bool, list[float]] = {True: [], False: []}
    for span in world.recorder.spans:
        if span.component == "nginx-proxy" and 290 < span.start < 330 and span.trace in replica:
            inner = replica[span.trace]
            late[inner.component == "ray-replicas-1"].append(span.duration - inner.duration)
    assert len(late[True]) > 20
    assert min(late[True]) >= 0.9 and max(late[True]) <= 1.2
    assert max(late[False]) < 0.1
    ended = [end for _, end, *_ in served(world)]
    before = sum(225 < end <= 285 for end in ended)
    during = sum(287 < end <= 347 for end in ended)
    assert during == pytest.approx(before, rel=0.05)
