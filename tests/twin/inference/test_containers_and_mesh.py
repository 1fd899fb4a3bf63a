"""What the platform measures around the programs: containers, Ray's nodes, and requests between pods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twin.scenario import Scenario
from twin.telemetry import folder
from twin.world import World

CPU, MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
TRANSMIT = "container_network_transmit_bytes_total"


def exported(world: World, component: str, name: str) -> np.ndarray[Any, Any]:
    layout = world.exposition
    row = layout.components.index(component)
    place = layout.offsets[row] + layout.names[row].index(name)
    return np.array([series[place] for series in world.recorder.series])


def measured(part: str, source: str, destination: str, le: str = "") -> str:
    bound = f',le="{le}"' if le else ""
    labels = f'destination_app="{destination}",reporter="waypoint",source_app="{source}"{bound}'
    return f"istio_request_duration_milliseconds_{part}{{{labels}}}"


@pytest.fixture
def world(inference_scenario: Any) -> World:
    world = World(inference_scenario(), seed=4)
    world.run(120.0)
    return world


def test_containers_use_cores_as_they_have_work(world: World) -> None:
    for component, least, most in (("nginx-proxy", 0.01, 0.05), ("ray-head", 0.04, 0.2), ("ray-replicas-0", 1.0, 1.4)):
        used = np.diff(exported(world, component, CPU)[5:]) / 5.0
        assert least < used.mean() < most, component
        assert 0.0 < used.std() < 0.2 * used.mean(), component


def test_idle_containers_use_next_to_nothing(world: World) -> None:
    used = np.diff(exported(world, "model-store", CPU)) / 5.0
    assert used == pytest.approx(0.01)


def test_memory_follows_the_requests_that_are_open(world: World) -> None:
    memory, running = (
        exported(world, "ray-replicas-0", MEMORY),
        exported(world, "ray-replicas-0", "vllm:num_requests_running"),
    )
    assert len(set(memory)) > 3
    assert np.corrcoef(memory[5:], running[5:])[0, 1] > 0.99


def test_what_a_gateway_gets_from_the_head_it_sends_to_clients(world: World) -> None:
    gateway, head = exported(world, "nginx-proxy", TRANSMIT), exported(world, "ray-head", TRANSMIT)
    assert gateway[-1] == pytest.approx(head[-1], rel=0.1)


def test_a_container_that_is_started_anew_counts_from_zero(world: World) -> None:
    world.components["nginx-proxy"].die("crash")
    world.run(150.0)
    used = exported(world, "nginx-proxy", CPU)
    assert (np.diff(used[~np.isnan(used)]) < 0.0).sum() == 1


def test_a_quota_bounds_what_stressors_and_engine_use_together(inference_scenario: Any, fault: Any) -> None:
    stress = fault("StressChaos", stressors={"cpu": {"workers": 64, "load": 100}}, at="60s", duration="30s")
    world = World(inference_scenario(stress), seed=4)
    world.run(90.0)
    cores = world.components["ray-replicas-1"].cgroup.cores
    assert np.diff(exported(world, "ray-replicas-1", CPU))[13:].max() == pytest.approx(5.0 * cores)


def test_ray_tells_of_its_pods_what_the_container_and_the_gpu_tell(world: World) -> None:
    utilization = exported(world, "ray-replicas-0", 'ray_node_gpus_utilization{GpuIndex="0"}')
    assert np.array_equal(utilization, exported(world, "gpu-0", "DCGM_FI_DEV_GPU_UTIL"))
    assert np.array_equal(
        exported(world, "ray-replicas-0", "ray_node_mem_used"), exported(world, "ray-replicas-0", MEMORY)
    )
    used = np.diff(exported(world, "ray-replicas-0", CPU)) / 5.0 / world.components["ray-replicas-0"].cgroup.cores
    assert exported(world, "ray-replicas-0", "ray_node_cpu_utilization")[1:] == pytest.approx(100.0 * used)
    speed = np.diff(exported(world, "ray-replicas-0", TRANSMIT)) / 5.0
    assert exported(world, "ray-replicas-0", "ray_node_network_send_speed")[1:] == pytest.approx(speed)


def test_a_gpu_that_does_not_answer_is_absent_from_ray(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(type(world.components["gpu-0"]), "silent", True)
    world.run(125.0)
    for series in ("ray_node_gpus_utilization", "ray_node_gram_used", "ray_node_gram_available"):
        assert np.isnan(exported(world, "ray-replicas-0", f'{series}{{GpuIndex="0"}}')[-1])
    assert not np.isnan(exported(world, "ray-replicas-0", "ray_node_mem_used")[-1])


def test_the_waypoint_counts_every_request_on_both_ways(world: World) -> None:
    gateway = world.cluster.gateway
    to_head = exported(world, "ray-head", measured("count", "nginx-proxy", "ray-head"))[-1]
    assert to_head == gateway.answered
    replicas = [f"ray-replicas-{i}" for i in range(3)]
    to_replicas = [exported(world, name, measured("count", "ray-head", name))[-1] for name in replicas]
    assert sum(to_replicas) == gateway.answered
    assert min(to_replicas) > 0


def test_a_delay_shows_on_the_way_to_the_pod_that_has_it(inference_scenario: Any, fault: Any) -> None:
    delay = fault("NetworkChaos", "delay", delay={"latency": "1000ms"}, direction="to")
    world = World(inference_scenario(delay), seed=4)
    world.run(180.0)

    def mean(name: str, start: int, end: int) -> float:
        total, count = (exported(world, name, measured(part, "ray-head", name)) for part in ("sum", "count"))
        return float((total[end] - total[start]) / (count[end] - count[start]))

    assert mean("ray-replicas-1", 20, 35) > mean("ray-replicas-1", 2, 11) + 800.0
    assert mean("ray-replicas-0", 20, 35) < mean("ray-replicas-0", 2, 11) + 400.0


def test_what_was_measured_outlives_the_pod(world: World) -> None:
    world.components["ray-replicas-1"].die("crash")
    world.run(240.0)
    count = exported(world, "ray-replicas-1", measured("count", "ray-head", "ray-replicas-1"))
    there = count[~np.isnan(count)]
    assert len(there) < len(count)
    assert (np.diff(there) >= 0.0).all()


def test_calls_within_the_heads_pod_pass_no_waypoint() -> None:
    world = World(Scenario.load("stress-chaos-cpu-ray-replicas-0"), seed=1)
    assert world.components["ray-head-engine"].waypoint is None
    assert world.components["ray-replicas-0"].waypoint is not None


def test_a_folder_shows_policies_what_the_world_did(world: World, tmp_path: Any) -> None:
    folder.write(world, tmp_path)
    seen = folder.read(tmp_path).window(60.0, 120.0)
    assert seen == world.observe(60.0)
    gateway = seen.topology.index["nginx-proxy"]
    assert np.isnan(seen.metrics[gateway, seen.features.index(CPU)]).all()
