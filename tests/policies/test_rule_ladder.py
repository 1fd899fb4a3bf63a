"""The rule ladder on observations written by hand: one symptom, one answer, and patience in between."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from policies.baselines.noop import Noop
from policies.baselines.random_legal import RandomLegal
from policies.baselines.rule_ladder import RuleLadder
from policies.baselines.xid import XidAction, immediate
from policies.legality import legal_by_kind
from twin.actions import CATEGORIES, PARAMETERS
from twin.spaces import Layout, Observation
from twin.telemetry.features import FEATURES
from twin.telemetry.window import Node, Topology

INFERENCE = Topology(
    "inference",
    (
        Node("node-head", "node", None),
        Node("ray-head", "ray-head", "node-head"),
        Node("nginx-proxy", "nginx", "node-head"),
        *(
            node
            for i in range(4)
            for node in (
                Node(f"node-{i}", "node", None),
                Node(f"gpu-{i}", "gpu", f"node-{i}"),
                Node(f"ray-replicas-{i}", "vllm", f"gpu-{i}"),
            )
        ),
    ),
    (("nginx-proxy", "ray-head"), *(("ray-head", f"ray-replicas-{i}") for i in range(4))),
)
OPENSTACK = Topology(
    "openstack",
    (
        Node("controller-0", "node", None),
        Node("mysql", "mysql", "controller-0"),
        Node("nova-api", "nova-api", "controller-0"),
        Node("compute-0", "node", None),
        Node("nova-compute@compute-0", "nova-compute", "compute-0"),
    ),
    (("nova-api", "mysql"), ("nova-compute@compute-0", "nova-api")),
)
HEALTHY = {
    "node": {"node_memory_MemTotal_bytes": 64e9, "node_memory_MemAvailable_bytes": 50e9, "node_load1": 1.0},
    "gpu": {
        "DCGM_FI_DEV_SM_CLOCK": 1710.0,
        "DCGM_FI_DEV_FB_USED": 20000.0,
        "DCGM_FI_DEV_XID_ERRORS": 0.0,
        "DCGM_FI_DEV_GPU_TEMP": 60.0,
    },
    "vllm": {
        "vllm:num_requests_waiting": 0.0,
        "vllm:time_to_first_token_seconds_sum": 1.0,
        "vllm:time_to_first_token_seconds_count": 2.0,
    },
    "ray-head": {"ray_serve_deployment_queued_queries": 0.0},
    "nginx": {"nginx_connections_active": 10.0},
    "mysql": {"process_resident_memory_bytes": 1e9, "mysql_global_status_threads_running": 1.0},
    "nova-api": {"process_resident_memory_bytes": 1e9, "haproxy_backend_active_servers": 4.0},
    "nova-compute": {"process_resident_memory_bytes": 1e9, "openstack_nova_agent_state": 1.0},
}


@dataclass
class Cluster:
    """A cluster as a table of values; None where an exporter does not answer."""

    topology: Topology
    spare: bool = True
    changes: dict[str, dict[str, float] | None] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    errors: dict[str, int] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """GPUs of which DCGM has nothing but the last XID."""

    def observation(self) -> Observation:
        layout = Layout(self.topology)
        n = layout.size
        features, present = np.zeros((n, len(FEATURES)), np.float32), np.zeros((n, len(FEATURES)), np.int8)
        lines = np.zeros((n, 5), np.float32)
        for i, node in enumerate(self.topology.components):
            values = dict(HEALTHY[node.kind])
            if node.name in ("ray-replicas-3",) and node.name not in self.changes:
                continue  # the spare: no engine
            if node.name == "gpu-3":
                values["DCGM_FI_DEV_FB_USED"] = 0.0
            change = self.changes.get(node.name, {})
            if change is None:
                continue
            for name, value in (values | change).items():
                if node.name in self.silent and name != "DCGM_FI_DEV_XID_ERRORS":
                    continue
                features[i, FEATURES.index(name)] = value
                present[i, FEATURES.index(name)] = 1
            lines[i, 3] = self.errors.get(node.name, 0)
        legal = legal_by_kind(self.topology)
        for i, node in enumerate(self.topology.components):
            if node.name in self.busy or node.name == "ray-replicas-3":
                legal[:, i] = 0
            if not self.spare:
                legal[[CATEGORIES.index(name) for name in ("migrate", "scale-out", "drain", "replace")], i] = 0
        return {
            "features": features,
            "present": present,
            "age": np.where(present == 1, 5.0, 600.0).astype(np.float32),
            "kind": layout.kind,
            "adjacent": layout.adjacent,
            "busy": np.array(
                [i < len(self.topology.components) and self.topology.components[i].name in self.busy for i in range(n)],
                np.int8,
            ),
            "lines": lines,
            "alarms": np.zeros((n, 2), np.float32),
            **layout.masks(legal),
        }


class Shift:
    """An operator's shift: the ladder at work, decision by decision."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ladder = RuleLadder()
        self.ladder.reset(0)

    def decide(self, decisions: int = 1) -> list[str]:
        """The actions of so many decisions, as words; empty for no-op."""
        done = []
        for _ in range(decisions):
            observation = self.cluster.observation()
            c, n, p = self.ladder.act(observation)
            assert observation["mask_parameter"][c, n, p] == 1
            category = CATEGORIES[c]
            done.append(
                "" if category == "noop" else f"{category} {self.cluster.topology.components[n].name} {PARAMETERS[p]}"
            )
        return done

    def acts(self, decisions: int) -> list[str]:
        return [action for action in self.decide(decisions) if action]


@pytest.fixture
def inference() -> Shift:
    shift = Shift(Cluster(INFERENCE))
    assert shift.acts(5) == []  # nothing to do while all is well
    return shift


@pytest.fixture
def openstack() -> Shift:
    shift = Shift(Cluster(OPENSTACK))
    assert shift.acts(5) == []
    return shift


def test_the_catalogue_says_what_an_xid_needs() -> None:
    assert immediate(79) is XidAction.RESTART_BM
    assert immediate(31) is XidAction.RESTART_APP
    assert immediate(119) is XidAction.RESET_GPU
    assert immediate(63) is XidAction.IGNORE


def test_xid_79_drains_the_machine_and_reboots_it(inference: Shift) -> None:
    inference.cluster.changes |= {"gpu-1": {"DCGM_FI_DEV_XID_ERRORS": 79.0}, "ray-replicas-1": None}
    first, second = inference.decide(2)
    assert first == "drain node-1 immediate"  # cordoned, too: nobody is to be placed there
    assert second == "reboot node-1 immediate"
    inference.cluster.busy |= {"node-1", "gpu-1", "ray-replicas-1"}
    assert inference.acts(10) == []


def test_without_another_place_the_machine_is_rebooted_at_most_twice(inference: Shift) -> None:
    inference.cluster.spare = False
    inference.cluster.changes |= {"gpu-1": {"DCGM_FI_DEV_XID_ERRORS": 79.0}, "ray-replicas-1": None}
    assert inference.acts(200).count("reboot node-1 immediate") <= 3  # twice for the XID, once for the dead replica


def test_other_xids_reset_the_gpu_or_restart_its_process(inference: Shift) -> None:
    inference.cluster.changes["gpu-0"] = {"DCGM_FI_DEV_XID_ERRORS": 119.0}
    assert inference.decide() == ["reset-gpu gpu-0 gentle"]
    other = Shift(Cluster(INFERENCE))
    other.decide(3)
    other.cluster.changes["gpu-0"] = {"DCGM_FI_DEV_XID_ERRORS": 31.0}
    assert other.acts(60) == ["restart ray-replicas-0 gentle"]  # the gauge keeps the last XID; one answer is enough
    third = Shift(Cluster(INFERENCE, changes={"gpu-0": {"DCGM_FI_DEV_XID_ERRORS": 63.0}}))
    assert third.acts(30) == []


def test_a_process_that_died_of_its_xid_needs_no_restart(inference: Shift) -> None:
    inference.cluster.changes |= {"gpu-0": {"DCGM_FI_DEV_XID_ERRORS": 31.0}, "ray-replicas-0": None}
    assert inference.acts(3) == []
    del inference.cluster.changes["ray-replicas-0"]
    assert inference.acts(30) == []  # the gauge still shows it


def test_a_crashed_replica_is_left_to_its_supervisor_until_it_loops(inference: Shift) -> None:
    inference.cluster.changes["ray-replicas-0"] = None
    assert inference.acts(4) == []  # it loads its weights
    inference.cluster.errors["node-0"] = 1  # CrashLoopBackOff
    assert inference.decide() == ["recreate ray-replicas-0 immediate"]
    inference.cluster.errors.clear()
    assert inference.acts(8) == []  # patience: the new pod loads and compiles
    assert inference.acts(2) == ["rollback-config ray-replicas-0 immediate"]  # the next rung
    assert inference.acts(9) == ["migrate ray-replicas-0 immediate"]


def test_a_replica_that_comes_back_is_not_touched(inference: Shift) -> None:
    inference.cluster.changes["ray-replicas-0"] = None
    assert inference.acts(4) == []
    del inference.cluster.changes["ray-replicas-0"]
    assert inference.acts(30) == []


def test_a_throttled_gpu_gets_its_limit_back_then_is_relieved_and_reset(inference: Shift) -> None:
    inference.cluster.changes["gpu-2"] = {"DCGM_FI_DEV_POWER_VIOLATION": 9e8}
    assert inference.acts(3) == ["restore-power-limit gpu-2 gentle"]  # it interrupts nobody
    assert inference.acts(2) == ["scale-out ray-head immediate"]
    assert inference.acts(10) == ["reset-gpu gpu-2 gentle"]


def test_a_power_brake_and_heat_are_no_matter_of_a_setting(inference: Shift) -> None:
    braked = {"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": float(0x80 | 0x8), "DCGM_FI_DEV_POWER_VIOLATION": 9e8}
    inference.cluster.changes["gpu-2"] = braked
    assert inference.acts(4) == ["scale-out ray-head immediate"]  # slow is better than away
    assert inference.acts(10) == ["drain node-2 gentle"]
    hot = Shift(Cluster(INFERENCE))
    hot.decide(3)
    hot.cluster.changes["gpu-0"] = {"DCGM_FI_DEV_CLOCKS_EVENT_REASONS": float(0x20)}
    assert hot.acts(14) == ["scale-out ray-head immediate", "drain node-0 gentle"]


def test_a_card_that_says_only_that_its_recovery_action_changed(inference: Shift) -> None:
    inference.cluster.changes["gpu-0"] = {"DCGM_FI_DEV_XID_ERRORS": 154.0}
    assert inference.decide() == ["reset-gpu gpu-0 gentle"]
    lost = Shift(Cluster(INFERENCE))
    lost.decide(3)
    lost.cluster.changes |= {"gpu-1": {"DCGM_FI_DEV_XID_ERRORS": 154.0}, "ray-replicas-1": None}
    lost.cluster.silent.add("gpu-1")
    assert lost.acts(2) == ["drain node-1 immediate", "reset-gpu gpu-1 gentle"]  # nobody is on it now
    del lost.cluster.changes["ray-replicas-1"]  # it runs again, elsewhere
    assert lost.acts(12) == ["reboot node-1 immediate"]


def test_reboots_that_do_not_help_end_in_a_power_cycle_and_another_machine(inference: Shift) -> None:
    inference.cluster.changes |= {"gpu-1": {"DCGM_FI_DEV_XID_ERRORS": 79.0}, "ray-replicas-1": None}
    inference.cluster.changes["ray-replicas-0"] = None  # nobody minds
    on_node = [action for action in inference.acts(200) if action.split()[1] == "node-1"]
    assert on_node == [
        "drain node-1 immediate",
        "reboot node-1 immediate",
        "power-cycle node-1 immediate",
        "replace node-1 immediate",
    ]


def test_rows_are_remapped_by_a_gentle_reset_and_a_card_without_spare_rows_is_replaced(inference: Shift) -> None:
    inference.cluster.changes["gpu-0"] = {"DCGM_FI_DEV_ROW_REMAP_PENDING": 1.0}
    assert inference.acts(5) == []  # it still works, so there is time
    assert inference.acts(2) == ["reset-gpu gpu-0 gentle"]
    worn = Shift(Cluster(INFERENCE))
    worn.decide(3)
    worn.cluster.changes["gpu-0"] = {"DCGM_FI_DEV_ROW_REMAP_FAILURE": 1.0}
    assert worn.acts(2) == ["drain node-0 gentle", "replace node-0 gentle"]


def test_a_replica_slower_than_its_peers_goes_to_another_card(inference: Shift) -> None:
    def tokens(seconds: float) -> dict[str, float]:
        return {
            "vllm:inter_token_latency_seconds_sum": 100.0 * seconds,
            "vllm:inter_token_latency_seconds_count": 100.0,
        }

    inference.cluster.changes |= {f"ray-replicas-{i}": tokens(0.03 if i else 0.09) for i in range(3)}
    assert inference.acts(14) == ["scale-out ray-head immediate", "drain node-0 gentle"]
    full = Shift(Cluster(INFERENCE, spare=False))
    full.decide(3)
    full.cluster.changes |= inference.cluster.changes
    assert full.acts(6) == ["route-around ray-replicas-0 immediate"]


def test_a_machine_that_is_away_is_drained_rebooted_and_power_cycled(inference: Shift) -> None:
    inference.cluster.changes |= dict.fromkeys(("node-1", "gpu-1", "ray-replicas-1"))
    assert inference.acts(4) == []  # a node is given 40 s
    assert inference.acts(12) == ["drain node-1 immediate"]  # it may come back by itself, and nobody misses it
    assert inference.acts(4)[:1] == ["reboot node-1 immediate"]
    assert "power-cycle node-1 immediate" in inference.acts(40)


def test_an_engine_that_gives_no_tokens_is_restarted(inference: Shift) -> None:
    still = {"vllm:num_requests_running": 9.0, "vllm:generation_tokens_total": 0.0, "vllm:prompt_tokens_total": 0.0}
    inference.cluster.changes["ray-replicas-2"] = still
    assert inference.acts(4) == ["restart ray-replicas-2 immediate"]


def test_failing_requests_roll_back_whoever_fails_them(inference: Shift) -> None:
    failing = {'nginx_http_response_count_total{status="5xx"}': 5.0, "nginx_http_requests_total": 5.0}
    inference.cluster.changes["nginx-proxy"] = failing
    assert inference.acts(3) == ["rollback-config nginx-proxy immediate"]
    head = Shift(Cluster(INFERENCE))
    head.decide(3)
    head.cluster.changes |= {
        "nginx-proxy": failing,
        "ray-head": {'ray_serve_num_http_error_requests_total{error_code="500"}': 5.0},
    }
    assert head.acts(3) == ["rollback-config ray-head immediate"]


def test_a_head_that_answers_nobody_is_redeployed(inference: Shift) -> None:
    inference.cluster.changes["nginx-proxy"] = {
        "nginx_http_requests_total": 5.0,
        'nginx_http_response_count_total{status="2xx"}': 0.0,
        'nginx_http_response_count_total{status="5xx"}': 0.0,
    }
    assert inference.acts(3) == ["rollback-config ray-head immediate"]


def test_a_stuck_controller_is_restarted_when_a_replica_is_missing(inference: Shift) -> None:
    inference.cluster.changes["ray-head"] = {"ray_serve_controller_num_control_loops": 0.0}
    assert inference.acts(5) == []
    inference.cluster.changes["ray-replicas-0"] = None
    assert inference.acts(12) == []  # the head serves, and so do the others
    inference.cluster.changes["ray-replicas-1"] = {"vllm:num_requests_waiting": 20.0}
    assert "restart ray-head immediate" in inference.acts(3)


def test_settings_that_keep_requests_out_of_one_replica_are_rolled_back(inference: Shift) -> None:
    inference.cluster.changes["ray-replicas-0"] = {
        "vllm:num_requests_waiting": 20.0,
        "vllm:kv_cache_usage_perc": 0.1,
    }
    assert inference.acts(6) == ["scale-out ray-head immediate", "rollback-config ray-replicas-0 gentle"]


def test_load_is_shed_only_when_most_suffer_and_nothing_else_is_left(inference: Shift) -> None:
    inference.cluster.spare = False
    inference.cluster.changes["ray-replicas-0"] = {"vllm:num_requests_waiting": 20.0}
    assert inference.acts(8) == []  # one slow replica is no flood
    for i in range(3):
        inference.cluster.changes[f"ray-replicas-{i}"] = {"vllm:num_requests_waiting": 20.0}
    assert inference.acts(6) == ["shed-load nginx-proxy gentle"]
    assert inference.acts(7) == ["shed-load nginx-proxy immediate"]


def test_a_thrashing_cache_gets_smaller_batches(inference: Shift) -> None:
    inference.cluster.spare = False
    inference.cluster.changes["ray-replicas-1"] = {"vllm:num_preemptions_total": 3.0}
    assert inference.acts(6) == ["limit-kv ray-replicas-1 gentle"]


def test_the_circuit_breaker_holds_while_another_replica_is_away(inference: Shift) -> None:
    inference.cluster.spare = False
    inference.cluster.changes |= {"gpu-2": {"DCGM_FI_DEV_POWER_VIOLATION": 9e8}, "ray-replicas-0": None}
    assert "reset-gpu gpu-2 gentle" not in inference.acts(6)


def test_a_replica_evicted_from_a_full_disk_goes_elsewhere(inference: Shift) -> None:
    disk = 'node_filesystem_avail_bytes{mountpoint="/"}'
    inference.cluster.changes |= {f"node-{i}": {disk: 300e9} for i in (0, 2, 3)}
    inference.cluster.changes |= {"node-1": {disk: 1e9}, "ray-replicas-1": None}
    assert inference.acts(8)[:1] == ["migrate ray-replicas-1 immediate"]


def test_foreign_threads_cost_the_pod_its_container(inference: Shift) -> None:
    inference.cluster.changes["node-1"] = {"node_load1": 80.0}
    assert inference.acts(3) == ["recreate ray-replicas-1 immediate"]


def test_foreign_threads_that_a_control_group_holds_back_are_seen_too(inference: Shift) -> None:
    inference.cluster.changes["node-1"] = {"node_load1": 12.0}
    assert inference.acts(3) == ["recreate ray-replicas-1 immediate"]


def test_settings_are_rolled_back_where_most_replicas_have_them(inference: Shift) -> None:
    inference.cluster.spare = False
    for i in range(2):
        inference.cluster.changes[f"ray-replicas-{i}"] = {
            "vllm:num_requests_waiting": 20.0,
            "vllm:kv_cache_usage_perc": 0.1,
        }
    assert "rollback-config ray-replicas-0 gentle" in inference.acts(6)


def test_a_node_that_will_run_out_of_memory_is_replaced_and_rebooted(inference: Shift) -> None:
    actions = []
    for step in range(14):
        inference.cluster.changes["node-0"] = {"node_memory_MemAvailable_bytes": max(1e9, 50e9 - 8e9 * step)}
        actions += inference.acts(1)
    assert actions == ["scale-out ray-head immediate", "reboot node-0 immediate"]


def test_queues_get_one_more_replica(inference: Shift) -> None:
    for i in range(3):
        inference.cluster.changes[f"ray-replicas-{i}"] = {"vllm:num_requests_waiting": 20.0}
    assert inference.acts(3) == ["scale-out ray-head immediate"]


def test_mysql_is_restarted_when_statements_pile_up(openstack: Shift) -> None:
    openstack.cluster.changes["mysql"] = {"mysql_global_status_threads_running": 9.0}
    assert openstack.acts(6) == ["restart mysql immediate"]


def test_a_dead_service_is_recreated_though_others_still_speak_of_it(openstack: Shift) -> None:
    full = HEALTHY["nova-compute"]
    try:
        HEALTHY["nova-compute"] = {"openstack_nova_agent_state": 1.0}  # its own exporter is gone
        assert openstack.acts(3) == ["recreate nova-compute@compute-0 immediate"]
    finally:
        HEALTHY["nova-compute"] = full


def test_a_starved_compute_host_is_rebooted_and_the_controller_is_not(openstack: Shift) -> None:
    openstack.cluster.changes["compute-0"] = {"node_memory_MemAvailable_bytes": 1e9}
    assert openstack.acts(2) == ["reboot compute-0 immediate"]
    other = Shift(Cluster(OPENSTACK, changes={"controller-0": {"node_memory_MemAvailable_bytes": 1e9}}))
    assert other.acts(5) == []


def test_a_new_episode_forgets_the_last(inference: Shift) -> None:
    inference.cluster.changes["ray-replicas-0"] = None
    inference.decide(3)
    inference.ladder.reset(1)
    assert inference.acts(20) == []  # a replica never seen is no dead replica


def test_random_legal_is_legal_and_repeats_with_its_seed() -> None:
    observation = Cluster(INFERENCE).observation()
    policy = RandomLegal()
    runs = []
    for seed in (1, 1, 2):
        policy.reset(seed)
        runs.append([tuple(policy.act(observation)) for _ in range(200)])
    assert runs[0] == runs[1] != runs[2]
    assert all(observation["mask_parameter"][action] for run in runs for action in run)
    legal = set(np.flatnonzero(observation["mask_category"]))
    assert {c for c, _, _ in runs[0]} == legal  # every legal category turns up
    assert {CATEGORIES[c] for c in legal} > {"noop", "restart", "reboot", "migrate"}
    assert Noop().act(observation).tolist() == [0, 0, 0]
