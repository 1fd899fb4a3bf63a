"""How an engine itself goes wrong: it hangs, it grows, it is given settings that do not work, it computes wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twin import Action, Scenario, World
from twin.telemetry.features import FEATURES

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {{name: engine-fault}}
spec:
  cluster: {{kind: inference, preset: small{cluster}}}
  workload: {{arrivals: {{constant: 3/s}}, prompt: 256, output: 64}}
  faults:
    - {{name: broken, kind: {kind}, selector: {{components: [ray-replicas-1]}}, at: 60s{fault}}}
  slo: {{ttftP99: 2s, success: 99%}}
  horizon: 900s
"""


def world_with(kind: str, fault: str, cluster: str = "", seed: int = 3) -> World:
    return World(Scenario.parse(SCENARIO.format(kind=kind, fault=fault, cluster=cluster)), seed)


def lines(world: World, text: str) -> list[float]:
    return [line.time for line in world.log_lines(-1.0, world.now) if text in line.text]


def series(world: World, component: str, metric: str) -> np.ndarray[Any, Any]:
    row, column = world.topology.index[component], FEATURES.index(metric)
    return np.array([values[row, column] for values in world.recorder.scrapes])


@pytest.mark.parametrize(("action", "busy"), [("hang", False), ("collectiveHang", True)])
def test_a_hang_is_silent_for_five_minutes_and_then_kills_the_engine_which_starts_anew(action: str, busy: bool) -> None:
    world = world_with("EngineChaos", f", action: {action}")
    world.run(350)
    assert not lines(world, "EngineCore encountered a fatal error")
    assert len(lines(world, "No available shared memory broadcast block")) >= 4
    stuck = series(world, "ray-replicas-1", "vllm:generation_tokens_total")[14:60]
    assert len(set(stuck)) == 1  # the exporter answers, and nothing moves
    utilization = series(world, "gpu-1", "DCGM_FI_DEV_GPU_UTIL")[20:60]
    assert (utilization > 95).all() if busy else (utilization == 0).all()
    world.run(900)
    (fatal,) = lines(world, "RPC call to execute_model timed out")
    assert 360 <= fatal <= 362  # 300 s after the first step that did not end
    assert series(world, "ray-replicas-1", "vllm:generation_tokens_total")[-1] > 0
    assert world.truth.incidents["broken"].cleared_by == "supervisor"


def test_a_restart_ends_a_hang_long_before_the_time_out() -> None:
    world = world_with("EngineChaos", ", action: hang")
    world.run(100)
    world.apply(Action("restart", "ray-replicas-1", "immediate"))
    world.run(300)
    assert not world.truth.active
    assert not lines(world, "timed out")


def test_a_leak_grows_until_the_pod_is_killed_and_begins_again_at_the_bottom() -> None:
    world = world_with("EngineChaos", ", action: memoryLeak, rate: 200MB")
    world.run(300)
    memory = series(world, "ray-replicas-1", "container_memory_working_set_bytes")
    known = memory[~np.isnan(memory)]
    assert known.max() > 20e9
    assert lines(world, "Memory cgroup out of memory")
    assert np.isnan(memory).any()  # while it was down
    assert known[-1] < known.max() / 2


def test_fewer_sequences_rolled_out_to_a_replica_queue_requests_there_and_a_rollback_cures() -> None:
    world = world_with("EngineChaos", ", action: badRollout, maxNumSeqs: 1")
    world.run(300)
    running = series(world, "ray-replicas-1", "vllm:num_requests_running")[-20:]
    assert running.max() <= 1
    assert series(world, "ray-replicas-1", "vllm:num_requests_waiting")[-20:].max() > 2
    world.apply(Action("restart", "ray-replicas-1"))
    world.run(450)
    assert world.truth.active  # a restart keeps the settings
    world.apply(Action("rollback-config", "ray-replicas-1"))
    world.run(700)
    assert not world.truth.active
    assert series(world, "ray-replicas-1", "vllm:num_requests_running")[-20:].max() > 1


def test_more_memory_than_a_gpu_has_keeps_an_engine_from_starting() -> None:
    world = world_with("EngineChaos", ", action: badRollout, gpuMemoryUtilization: 0.995")
    world.run(300)
    assert lines(world, "is less than desired GPU memory utilization")
    assert lines(world, "CrashLoopBackOff")
    assert np.isnan(series(world, "ray-replicas-1", "vllm:num_requests_running")[-1])


def test_wrong_results_show_to_an_output_check_and_to_nothing_else() -> None:
    fault = ", action: silentDataCorruption, share: 5%"
    world = world_with("GPUChaos", fault, ", outputCheck: 10s")
    healthy = world_with("GPUChaos", fault.replace("5%", "0.0001%"), ", outputCheck: 10s")
    world.run(400)
    healthy.run(400)
    found = [line for line in world.log_lines(-1.0, 400) if "Answer differs" in line.text]
    assert len(found) > 10
    assert all("ray-replicas-1" in line.text for line in found)
    assert series(world, "output-check", "output_check_mismatches_total")[-1] == len(found)
    for metric in ("vllm:generation_tokens_total", "vllm:e2e_request_latency_seconds_sum"):
        for replica in ("ray-replicas-0", "ray-replicas-1"):
            assert np.array_equal(series(world, replica, metric), series(healthy, replica, metric), equal_nan=True)
    others = [line.text for line in world.log_lines(-1.0, 400) if line.component != "output-check"]
    assert others == [line.text for line in healthy.log_lines(-1.0, 400) if line.component != "output-check"]


def test_a_replica_on_two_gpus_dies_with_either_and_needs_both() -> None:
    text = SCENARIO.format(kind="GPUChaos", fault=", action: fallOffBus", cluster=", engine: {tensorParallelSize: 2}")
    world = World(Scenario.parse(text.replace("[ray-replicas-1]", "[gpu-3]")), 3)
    replica = world.components["ray-replicas-1"]
    assert [gpu.name for gpu in replica.gpus] == ["gpu-2", "gpu-3"]
    assert replica.node is world.components["node-1"]
    world.run(100)
    assert not replica.up
    world.apply(Action("reboot", "node-1"))
    world.run(600)
    assert replica.up
    util = series(world, "gpu-2", "DCGM_FI_DEV_GPU_UTIL")[-5:]
    assert (util == series(world, "gpu-3", "DCGM_FI_DEV_GPU_UTIL")[-5:]).all()


def test_two_engine_cores_share_the_requests_of_one_server() -> None:
    text = SCENARIO.format(kind="GPUChaos", fault=", action: fallOffBus", cluster=", engine: {dataParallelSize: 2}")
    world = World(Scenario.parse(text), 3)
    world.run(50)
    replica = world.components["ray-replicas-1"]
    tokens = [rank.generation_tokens for rank in replica.engine.ranks]
    assert min(tokens) > 0.5 * max(tokens)
    assert series(world, "ray-replicas-1", "vllm:generation_tokens_total")[-1] == pytest.approx(sum(tokens), rel=0.05)
    world.run(100)
    assert not replica.up  # one lost GPU takes the server with it
