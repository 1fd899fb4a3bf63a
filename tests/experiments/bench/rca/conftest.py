"""A suite of two cases, and the data set made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.bench.rca.dataset import Made, Plan, make
from twin.scenario import Suite

SUITE = """\
apiVersion: healtwin/v1
kind: Suite
metadata: {name: tiny}
spec:
  scenarios: [stress-chaos-cpu-ray-replicas-0, network-chaos-delay-ray-replicas-2]
  seeds: {from: 7, count: 1}
  split: validation
  splits:
    train: {scenarios: [stress-chaos-cpu-ray-replicas-0], seeds: {from: 100, count: 1}}
    test: {seeds: {from: 200, count: 1}}
"""
SHORT = ("spec.horizon=130s", "spec.faults.0.at=90s", "spec.faults.0.duration=30s")


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "tiny.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="session")
def plan(suite: Path) -> Plan:
    return Plan(Suite.load(suite), 0, "paper", SHORT)


@pytest.fixture(scope="session")
def made(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(plan, tmp_path_factory.mktemp("dataset") / "tiny", workers=2)
