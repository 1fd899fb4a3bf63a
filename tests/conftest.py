"""Fixtures that every package's tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from tempfile import mkdtemp
from typing import Any

import pytest

from twin.scenario import ResolvedScenario

# What JAX compiles is lived through once or twice: it is compiled quickly, and only once for all tests.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", mkdtemp(prefix="healtwin-jax-"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")

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
