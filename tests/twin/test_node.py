"""A machine: its counters, its disk, its clock and its power."""

from __future__ import annotations

from datetime import datetime

import pytest

from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.process import State
from twin.scenario import ScenarioError
from twin.telemetry.features import FEATURES
from twin.world import World


def exported(world, name="node-1"):
    node = world.components[name]
    return dict(zip((m.name for m in node.metrics), node.sample(), strict=True))


def lines(world, component, since=0.0):
    return [line for line in world.log_lines(since, world.now) if line.component == component]


def test_cpu_seconds_of_all_modes_are_those_of_its_cores(inference_scenario, fault):
    stress = fault("StressChaos", stressors={"cpu": {"workers": 6}}, selector={"nodes": ["node-1"]})
    world = World(inference_scenario(stress), seed=1)
    world.run(60)
    before = exported(world)
    world.run(160)
    after = exported(world)
    spent = {n: after[n] - before[n] for n in after if n.startswith("node_cpu_seconds")}
    assert sum(spent.values()) == pytest.approx(100.0 * world.components["node-1"].cores)
    assert 600 <= spent['node_cpu_seconds_total{mode="user"}'] + spent['node_cpu_seconds_total{mode="system"}'] <= 730


def test_a_pod_takes_no_more_cores_of_its_node_than_its_limit(inference_scenario, fault):
    world = World(inference_scenario(fault("StressChaos", stressors={"cpu": {"workers": 40}})), seed=1)
    world.run(100)
    node, replica = world.components["node-1"], world.components["ray-replicas-1"]
    assert node.runnable == replica.cgroup.cores < node.cores
    assert node.slowdown == 1.0 and replica.cgroup.slowdown > 3.0
    values = dict(zip((m.name for m in replica.cgroup.metrics), replica.cgroup.values(), strict=True))
    assert values["container_cpu_cfs_throttled_periods_total"] == pytest.approx(400, abs=60)


def test_traffic_follows_the_tokens(inference_scenario):
    world = World(inference_scenario(), seed=1)
    world.run(100)
    engine = world.components["ray-replicas-1"].engine
    sent = exported(world)['node_network_transmit_bytes_total{device="eth0"}']
    assert sent >= 190 * engine.generation_tokens > 0


def test_retransmissions_are_counted_where_packets_are_lost(inference_scenario, fault):
    world = World(inference_scenario(fault("NetworkChaos", "loss", loss={"loss": "30"})), seed=1)
    world.run(150)
    assert exported(world)["node_netstat_Tcp_RetransSegs"] > 5
    assert exported(world, "node-0")["node_netstat_Tcp_RetransSegs"] == 0


@pytest.mark.parametrize(("offset", "seconds"), [("-45s", -45.0), ("1m30s", 90.0)])
def test_what_is_printed_on_a_machine_carries_its_clock(inference_scenario, fault, offset, seconds):
    skew = fault("TimeChaos", timeOffset=offset, selector={"nodes": ["node-1"]}, duration="40s")
    world = World(inference_scenario(skew), seed=1)
    world.run(150)
    assert exported(world)["node_timex_offset_seconds"] == 0.0
    stats = [line for line in lines(world, "ray-replicas-1") if "Avg prompt throughput" in line.text]

    def shown(line):
        return datetime.strptime(f"2026-{' '.join(line.text.split(' ')[3:5])}", "%Y-%m-%d %H:%M:%S").timestamp()

    start = datetime(2026, 1, 1).timestamp()
    off = {line.time: shown(line) - start - line.time for line in stats}
    assert all(abs(off[t] - (seconds if 60 <= t < 100 else 0.0)) <= 1 for t in off)
    other = [line for line in lines(world, "ray-replicas-0") if "Avg prompt throughput" in line.text]
    assert all(abs(shown(line) - start - line.time) <= 1 for line in other)


def test_a_pods_own_clock_is_right_again_in_a_new_process(inference_scenario, fault):
    world = World(inference_scenario(fault("TimeChaos", timeOffset="5m")), seed=1)
    world.run(61)
    replica = world.components["ray-replicas-1"]
    assert replica.clock_offset == 300.0 and world.components["node-1"].clock_offset == 0.0
    replica.die("crash")
    world.run(62)
    assert replica.clock_offset == 0.0


def test_containers_cannot_log_on_a_full_disk(inference_scenario, fault):
    world = World(inference_scenario(fault("NodeChaos", "diskFull")), seed=1)
    world.run(60)
    node = world.components["node-1"]
    assert node.disk_full and world.components["ray-replicas-1"].muted and not node.muted
    assert exported(world)['node_filesystem_avail_bytes{mountpoint="/"}'] == 0.0


def test_a_slow_disk_is_felt_when_weights_are_read(inference_scenario, fault):
    def ready_after_crash(*faults):
        world = World(inference_scenario(*faults), seed=1)
        world.run(70)
        replica = world.components["ray-replicas-1"]
        replica.die("crash")
        while replica.state is not State.RUNNING and world.now < 290:
            world.run(world.now + 1)
        return world.now - 70

    usual = ready_after_crash()
    assert ready_after_crash(fault("NodeChaos", "diskSlow", factor=4)) == pytest.approx(usual + 3 * 16.06, abs=2)
    reads = 16.06e9 / 131072
    late = fault("IOChaos", "latency", delay="1ms", volumePath="/models", percent=50)
    assert ready_after_crash(late) == pytest.approx(usual + reads * 0.0005, abs=2)


def test_a_failing_volume_keeps_an_engine_from_starting(inference_scenario, fault):
    world = World(inference_scenario(fault("IOChaos", "fault", volumePath="/models", errno=5)), seed=1)
    world.run(70)
    replica = world.components["ray-replicas-1"]
    assert replica.state is State.RUNNING  # its weights are in memory
    replica.die("crash")
    world.run(200)
    assert replica.state is not State.RUNNING
    assert any("Input/output error" in line.text for line in lines(world, "ray-replicas-1"))


def test_power_loss_takes_everything_at_once_and_leaves_no_word(inference_scenario, fault):
    world = World(inference_scenario(fault("NodeChaos", "powerLoss", duration="30s"), horizon="400s"), seed=1)
    world.run(60)
    node, replica = world.components["node-1"], world.components["ray-replicas-1"]
    assert not node.up and replica.state is State.STOPPED and not world.components["gpu-1"].reachable
    world.run(269)
    assert not node.up  # power is back, firmware and kernel take their time
    world.run(271)
    assert node.up and replica.state is State.STARTING
    assert exported(world)["node_boot_time_seconds"] == world.epoch + 270.0
    assert [line.time for line in lines(world, "node-1", since=60.0)][:1] == [270.0]
    world.run(399)
    gateway = world.cluster.gateway
    assert gateway.accepted == gateway.answered + gateway.in_flight


def test_a_machine_without_power_does_not_boot_whatever_is_ordered(inference_scenario, fault):
    world = World(inference_scenario(fault("NodeChaos", "powerLoss")), seed=1)
    world.run(61)
    node = world.components["node-1"]
    node.taken_down("reboot")
    node.brought_back("reboot")
    assert not node.up
    node.renew(frozenset({Layer.BOARD}), "replace node-1")
    world.run(260)
    assert node.up


def test_memory_shortage_shows_in_faults_and_waiting(inference_scenario):
    world = World(inference_scenario(), seed=1)
    world.run(50)
    node = world.components["node-1"]
    node.impose(Condition(Layer.OS, "memory_taken", 0.88 * node.memory, "test"))
    world.run(100)
    values = exported(world)
    assert values["node_vmstat_pgmajfault"] > 0 and values["node_pressure_memory_waiting_seconds_total"] > 0
    assert values['node_cpu_seconds_total{mode="iowait"}'] > 0
    assert exported(world, "node-0")["node_vmstat_pgmajfault"] == 0


def test_few_of_its_series_are_on_the_feature_axis():
    names = [name for name in FEATURES if name.startswith("node_")]
    assert len(names) <= 10
    assert 'node_filesystem_avail_bytes{mountpoint="/"}' in names


@pytest.mark.parametrize(
    ("kind", "action", "fields", "message"),
    [
        ("TimeChaos", "", {"timeOffset": "0s"}, "an offset of 0"),
        ("TimeChaos", "", {"timeOffset": "soon"}, "expected a duration"),
        ("IOChaos", "latency", {"volumePath": "/m"}, "missing key 'delay'"),
        ("IOChaos", "latency", {"volumePath": "/m", "delay": "1ms", "methods": ["READ"]}, "'methods' is not supported"),
        ("IOChaos", "mistake", {}, "no action 'mistake'"),
        ("NodeChaos", "diskFull", {"fill": "120%"}, "less than or equal to 1"),
        ("StressChaos", "", {"stressors": {"memory": {"size": "1GB", "time": "3s", "growth": "1GB"}}}, "give one"),
        ("StressChaos", "", {"stressngStressors": "--cpu 1"}, "'stressngStressors' is not supported"),
    ],
)
def test_what_a_machine_cannot_suffer_is_refused(inference_scenario, fault, kind, action, fields, message):
    with pytest.raises(ScenarioError, match=message):
        World(inference_scenario(fault(kind, action, **fields)))
