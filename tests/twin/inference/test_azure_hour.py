"""One hour of Azure's LLM inference trace (2023, conversation, CC-BY-4.0), read in place where it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.scenario import Scenario
from twin.world import World

TRACE = Path(__file__).parents[4] / "shared" / "data" / "llm_traces" / "azure2023_conv.csv.gz"

pytestmark = pytest.mark.skipif(not TRACE.exists(), reason="the Azure trace is not beside the checkout")


def test_the_whole_hour_is_served():
    changes = [
        f"spec.workload={{trace: {TRACE}}}",
        "spec.cluster.gpu=a100-sxm-80gb",
        "spec.cluster.engine={maxModelLen: 16384}",
        "spec.horizon=3700s",
    ]
    world = World(Scenario.load("inference-healthy", changes), seed=1)
    world.run()
    gateway = world.cluster.gateway
    assert gateway.accepted == gateway.answered == 19_366
    assert gateway.sample()[2] == 19_366  # all of them with status 2xx
    tokens = sum(r.engine.generation_tokens for r in world.cluster.router.replicas if r.engine)
    assert tokens == pytest.approx(19_366 * 211, rel=0.01)  # mean output of the trace
