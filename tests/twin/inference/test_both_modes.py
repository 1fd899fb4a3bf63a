"""Looking ahead over decode steps changes nothing that anyone can see, whatever happens to the cluster meanwhile."""

from __future__ import annotations

import pytest

from twin import Action, Scenario, World
from twin.inference import engine as engine_module

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: both-modes}
spec:
  cluster: {kind: inference, preset: small, engine: {kvBlocks: 700}}
  workload: {arrivals: {poisson: 4/s}, prompt: azure2023, output: azure2023}
  faults:
    - name: cap
      kind: GPUChaos
      action: powerCap
      powerLimit: 140W
      selector: {components: [gpu-0]}
      at: 20s
      duration: 30s
    - name: stress
      kind: StressChaos
      stressors: {cpu: {workers: 40}}
      selector: {components: [ray-replicas-1]}
      at: 30s
    - name: late
      kind: NetworkChaos
      action: delay
      delay: {latency: 80ms, jitter: 30ms}
      selector: {components: [ray-replicas-0]}
      at: 40s
      duration: 20s
    - {name: crash, kind: ProcessChaos, action: crash, selector: {components: [ray-replicas-2]}, at: 50s}
  slo: {ttftP99: 2s, success: 99%}
  horizon: 120s
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_requests_logs_and_spans_are_the_same_bytes_either_way(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def lived() -> World:
        world = World(Scenario.parse(SCENARIO), seed)
        world.run(80)
        world.apply(Action("restart", "ray-replicas-0"))
        world.run()
        return world

    ahead = lived()
    monkeypatch.setattr(engine_module, "LONGEST_STRETCH", 1)
    slowly = lived()
    assert ahead.log_lines(-1.0, 120.0) == slowly.log_lines(-1.0, 120.0)
    assert ahead.recorder.spans == slowly.recorder.spans
    assert ahead.slo.loss == slowly.slo.loss
    preempted = sum(line.text.count("Preemptions") for line in ahead.log_lines(-1.0, 120.0))
    assert preempted > 0
