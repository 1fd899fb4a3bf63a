"""The Gymnasium face."""

from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from twin.actions import CATEGORIES, Action
from twin.env import ACTION_COST, ClusterEnv
from twin.spaces import Layout, bucket
from twin.telemetry.features import FEATURES

NOOP = np.array([0, 0, 0])


def test_it_passes_gymnasiums_checker(inference_scenario):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(gymnasium.make("healtwin/Cluster-v0", scenario=inference_scenario()).unwrapped)


def test_gymnasium_makes_it_in_a_fresh_process():
    program = (
        "import gymnasium\n"
        "env = gymnasium.make('twin:healtwin/Cluster-v0', scenario='inference-healthy')\n"
        "env.reset(seed=1); print(env.unwrapped.world.now)"
    )
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert float(out.stdout) == 60.0


def test_decisions_fall_on_the_grid_from_the_end_of_the_warm_up_to_a_truncating_horizon(inference_scenario):
    env = ClusterEnv(inference_scenario(horizon="105s"))
    _, info = env.reset(seed=1)
    times, ends = [info["time"]], []
    for _ in range(5):
        _, _, terminated, truncated, info = env.step(NOOP)
        times.append(info["time"])
        ends.append((terminated, truncated))
    assert times == [60.0, 70.0, 80.0, 90.0, 100.0, 105.0]
    assert ends == [(False, False)] * 4 + [(False, True)]
    assert info["elapsed"] == 5.0


def test_reset_options_change_the_scenario(inference_scenario, fault):
    env = ClusterEnv(inference_scenario())
    env.reset(seed=1, options={"scenario": inference_scenario(fault("GPUChaos", "fallOffBus"))})
    assert list(env.world.truth.incidents) == ["fault"]


def test_masks_say_what_is_legal_and_agree_with_the_world(inference_scenario):
    env = ClusterEnv(inference_scenario())
    observation, _ = env.reset(seed=1)
    world = env.world
    names = [n.name for n in world.topology.components]
    for c, category in enumerate(CATEGORIES):
        for i, name in enumerate(names):
            expected = i == 0 if category == "noop" else world.legal(category, world.components[name])
            assert observation["mask_target"][c, i] == expected
            assert observation["mask_parameter"][c, i].any() == expected
    assert not observation["mask_target"][:, len(names) :].any()
    assert (observation["mask_category"] == observation["mask_target"].any(axis=1)).all()


def test_a_busy_target_is_masked_until_the_next_grid_point_after_it_is_done(inference_scenario):
    env = ClusterEnv(inference_scenario())
    env.reset(seed=1)
    layout = Layout(env.world.topology)
    i = env.world.topology.index["gpu-1"]
    observation, *_ = env.step(layout.encode(Action("reset-gpu", "gpu-1", "immediate")))
    assert observation["busy"][i] == 0  # 10 s of reset end on the grid point itself
    observation, *_ = env.step(layout.encode(Action("reboot", "node-1", "immediate")))
    assert observation["busy"][i] == 1
    assert not observation["mask_target"][:, i].any()


def test_an_illegal_action_is_a_noop_and_counted(inference_scenario):
    env = ClusterEnv(inference_scenario())
    env.reset(seed=1)
    _, reward, *_, info = env.step(np.array([3, 15, 0]))
    assert info["illegal"] == 1
    assert reward == pytest.approx(0.0, abs=1e-9)


def test_absent_is_not_zero(inference_scenario, fault):
    env = ClusterEnv(inference_scenario(fault("ProcessChaos", "crash", layer="container", at="61s")))
    env.reset(seed=1)
    observation, *_ = env.step(NOOP)
    observation, *_ = env.step(NOOP)
    i = env.world.topology.index["ray-replicas-1"]
    j = FEATURES.index("vllm:num_requests_running")
    assert observation["present"][i, j] == 0
    assert observation["age"][i, j] > 10.0
    k = env.world.topology.index["ray-replicas-0"]
    assert observation["present"][k, j] == 1
    assert observation["age"][k, j] == 0.0


def test_reward_is_minus_the_loss_and_the_cost_of_the_action(inference_scenario):
    env = ClusterEnv(inference_scenario())
    env.reset(seed=1)
    layout = Layout(env.world.topology)
    _, reward, *_ = env.step(layout.encode(Action("scale-out", "ray-head")))
    assert reward == pytest.approx(-ACTION_COST["scale-out"])


def test_stop_when_healthy_terminates(inference_scenario, fault):
    crash = fault("ProcessChaos", "crash", at="65s")
    env = ClusterEnv(inference_scenario(crash, control={"stopWhenHealthy": True}))
    env.reset(seed=1)
    terminated = truncated = False
    while not (terminated or truncated):
        _, _, terminated, truncated, info = env.step(NOOP)
    assert terminated
    assert info["time"] < 300


def test_an_action_survives_encoding(inference_scenario):
    env = ClusterEnv(inference_scenario())
    layout = Layout(env.world.topology)
    action = Action("reboot", "node-2", "immediate")
    assert layout.decode(layout.encode(action)) == action
    assert layout.decode(np.array([1, len(env.world.components), 0])).target == ""


def test_buckets():
    assert [bucket(n) for n in (1, 16, 17, 64, 65, 256)] == [16, 16, 64, 64, 256, 256]
    with pytest.raises(ValueError, match="at most 256"):
        bucket(257)
