"""What `healtwin scenario new` writes."""

from __future__ import annotations

_HEAD = """\
# Check:  healtwin scenario validate FILE          Every key: healtwin scenario schema
# Draws:  healtwin scenario show FILE --resolved --seed 1
apiVersion: healtwin/v1
kind: Scenario
metadata:
  name: NAME
  title: What happens here, in one line
  labels: {family: process}
spec:
"""

_TAIL = """\
  telemetry: {scrape: 5s}
  control:
    interval: 10s # a policy decides this often
    warmup: 60s # nothing is decided before
"""

TEMPLATES: dict[str, str] = {
    "inference": _HEAD
    + """\
  cluster: {kind: inference, preset: small} # or rca-llm; replicas, spares, gpu and model replace the preset's
  workload:
    arrivals: {poisson: 5/s} # or {constant: 4/s}; or a trace instead of all three: {trace: FILE.csv}
    prompt: 1024 # tokens, or azure2023: a measured distribution
    output: 128
  faults:
    - name: crash
      kind: ProcessChaos
      action: crash
      layer: container # a new process dies as well; process: a plain crash, which the supervisor heals
      mode: one # or all, fixed, fixed-percent, random-max-percent (the last three with value)
      selector: {pods: {ray: [ray-replicas-0, ray-replicas-1, ray-replicas-2]}}
      at: {uniform: [90s, 150s]} # drawn from the seed; {choice: [...]} draws one of a list
      # duration: 60s          # without it, the fault stays until something cures it
  slo: {ttftP99: 2s, e2eP99: 20s, success: 99%}
"""
    + _TAIL
    + "  horizon: 405s\n",
    "openstack": _HEAD
    + """\
  cluster: {kind: openstack, preset: small} # computes, spares and apiWorkers replace the preset's
  workload:
    arrivals: {poisson: 10/min} # servers created; each is shown and, at the end of its life, deleted
    lifetime: 120s
  faults:
    - name: crash
      kind: ProcessChaos
      action: crash
      layer: container # a new process dies as well; process: a plain crash, which the supervisor heals
      selector: {components: [nova-conductor]}
      at: {uniform: [120s, 240s]} # drawn from the seed; {choice: [...]} draws one of a list
      # duration: 60s          # without it, the fault stays until something cures it
  slo: {apiP99: 2s, createP95: 40s, success: 99%}
"""
    + _TAIL
    + "  horizon: 600s\n",
}
"""By kind of cluster. NAME stands for the scenario's name."""
