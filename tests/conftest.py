"""Fixtures that every package's tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twin.scenario import ResolvedScenario

MakeScenario = Callable[..., ResolvedScenario]


@pytest.fixture
def inference_scenario() -> MakeScenario:
    """A scenario of the small inference cluster: `inference_scenario(*faults, workload=…, **spec)`."""

    def make(*faults: dict[str, Any], workload: dict[str, Any] | None = None, **spec: Any) -> ResolvedScenario:
        body = {
            "cluster": {"kind": "inference", "preset": "small"},
            "workload": workload or {"arrivals": {"poisson": "4/s"}, "prompt": 512, "output": 128},
            "slo": {"ttftP99": "2s"},
            "horizon": "300s",
            "faults": list(faults),
            **spec,
        }
        document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": body}
        return ResolvedScenario.model_validate(document)

    return make


@pytest.fixture
def fault() -> Callable[..., dict[str, Any]]:
    """One fault, on the second replica unless told otherwise: `fault("GPUChaos", "powerCap", powerLimit="100W")`."""

    def make(kind: str, action: str = "", at: str = "60s", **fields: Any) -> dict[str, Any]:
        selector = fields.pop("selector", {"pods": {"ray": ["ray-replicas-1"]}})
        return {"name": "fault", "kind": kind, "action": action, "at": at, "selector": selector, **fields}

    return make
