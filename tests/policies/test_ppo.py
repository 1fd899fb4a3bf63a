"""Training: it learns, and neither an interruption nor a kill changes the result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies import checkpoint
from policies.actor import NetworkPolicy
from policies.baselines.random_legal import RandomLegal
from policies.policy import Policy
from policies.ppo import PpoConfig, TrainResult, parameter_hash, train

SMALL = PpoConfig(
    idle=0.5, rollout_steps=16, environments=2, minibatches=2, epochs=2, width=16, layers=1, checkpoint_updates=2
)


def _return_of(policy: Policy, env, episodes: int = 20) -> float:  # type: ignore[no-untyped-def]
    total = 0.0
    for seed in range(1000, 1000 + episodes):
        observation, _ = env.reset(seed=seed)
        policy.reset(seed)
        truncated = False
        while not truncated:
            observation, reward, _, truncated, _ = env.step(policy.act(observation))
            total += reward
    return total / episodes


def _train(make, folder: Path, steps: int, **more) -> TrainResult:  # type: ignore[no-untyped-def]
    return train(SMALL, make, folder=folder, seed=3, total_steps=steps, **more)


@pytest.fixture
def make(broken_component):  # type: ignore[no-untyped-def]
    return lambda index: type(broken_component)()


def test_learns_which_component_is_broken(make, tmp_path: Path) -> None:
    config = PpoConfig(idle=0.5, entropy_coefficient=0.01, learning_rate=5e-4, target_kl=0.03)
    result = train(config, make, folder=tmp_path, seed=0, total_steps=5200)
    learnt, chance = _return_of(result.policy, make(0)), _return_of(RandomLegal(), make(0))
    assert result.stopped == "steps" and result.steps >= 5200
    assert chance < -3.0
    assert learnt > 6.0  # 8 is perfect


def test_logs_what_practitioners_look_for(make, tmp_path: Path) -> None:
    logged: list[tuple[int, dict[str, float]]] = []
    _train(make, tmp_path, 60, on_update=lambda steps, metrics: logged.append((steps, metrics)))
    assert [steps for steps, _ in logged] == sorted({steps for steps, _ in logged})
    names = {"SPS", "approx_kl", "clipfrac", "explained_variance", "policy_loss", "value_loss", "entropy"}
    assert names | {"episodic_return", "episodic_length"} <= logged[-1][1].keys()
    assert logged[-1][1]["episodic_length"] == 8
    assert all(np.isfinite(value) for _, metrics in logged for value in metrics.values())


def test_resumed_equals_uninterrupted(make, tmp_path: Path) -> None:
    whole = _train(make, tmp_path / "whole", 200)
    first = _train(make, tmp_path / "parts", 90)
    second = _train(make, tmp_path / "parts", 200, resume=True)
    assert 0 < first.updates < second.updates == whole.updates
    assert parameter_hash(first.policy.network) != parameter_hash(whole.policy.network)
    assert parameter_hash(second.policy.network) == parameter_hash(whole.policy.network)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(make, tmp_path: Path) -> None:
    hashes = [
        parameter_hash(train(SMALL, make, folder=tmp_path / str(i), seed=seed, total_steps=30).policy.network)
        for i, seed in enumerate((1, 1, 2))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_resuming_without_a_checkpoint_begins_anew(make, tmp_path: Path) -> None:
    assert _train(make, tmp_path, 30, resume=True).updates == 1


def test_a_checkpoint_of_another_training_is_refused(make, tmp_path: Path) -> None:
    _train(make, tmp_path, 30)
    with pytest.raises(ValueError, match="learning_rate"):
        train(replace(SMALL, learning_rate=1.0), make, folder=tmp_path, seed=3, total_steps=60, resume=True)


def test_a_broken_checkpoint_is_named(make, tmp_path: Path) -> None:
    (tmp_path / checkpoint.FILE).write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors"):
        _train(make, tmp_path, 30, resume=True)


def test_the_clock_ends_a_training(make, tmp_path: Path) -> None:
    began = time.monotonic()
    result = train(SMALL, make, folder=tmp_path, seed=0, seconds=0.5)
    assert result.stopped == "seconds" and result.updates >= 1
    assert time.monotonic() - began < 2.0


def test_what_on_update_raises_ends_it_and_the_checkpoint_stays(make, tmp_path: Path) -> None:
    def stop(steps: int, metrics: dict[str, float]) -> None:
        if steps > 80:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(make, tmp_path, 10_000, on_update=stop)
    saved = checkpoint.read(tmp_path)
    assert saved is not None and saved[1]["updates"] >= 2


def test_a_limit_is_needed_and_settings_are_checked(make, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="limit"):
        train(SMALL, make, folder=tmp_path, seed=0)
    with pytest.raises(ValueError, match="gamma"):
        PpoConfig(gamma=1.5)
    with pytest.raises(ValueError, match="learning_rate"):
        PpoConfig(learning_rate=float("nan"))


def test_a_saved_policy_acts_as_before(make, tmp_path: Path) -> None:
    policy = _train(make, tmp_path, 60).policy
    policy.mode = "sample"
    policy.save(tmp_path / "policy")
    loaded = NetworkPolicy.load(tmp_path / "policy")
    env = make(0)
    observation, _ = env.reset(seed=5)
    policy.reset(9), loaded.reset(9)
    assert [policy.act(observation).tolist() for _ in range(20)] == [
        loaded.act(observation).tolist() for _ in range(20)
    ]
    with pytest.raises(FileNotFoundError, match=r"policy\.safetensors"):
        NetworkPolicy.load(tmp_path / "nowhere")


def test_a_teacher_gives_the_first_updates(make, tmp_path: Path) -> None:
    class Knows:
        name = "knows"

        def reset(self, seed: int) -> None:
            self.calls = 0

        def act(self, observation) -> np.ndarray:  # type: ignore[no-untyped-def]
            return np.array([1, int(observation["features"][:, 1].argmax()), 0])

    config = PpoConfig(idle=0.5, imitation_updates=3)
    taught = train(config, make, folder=tmp_path / "a", seed=0, total_steps=600, teacher=Knows)
    assert _return_of(taught.policy, make(0)) > 6.0
    first = train(config, make, folder=tmp_path / "b", seed=0, total_steps=300, teacher=Knows)
    resumed = train(config, make, folder=tmp_path / "b", seed=0, total_steps=600, teacher=Knows, resume=True)
    assert first.updates < resumed.updates
    assert parameter_hash(resumed.policy.network) == parameter_hash(taught.policy.network)


def test_kill_9_loses_at_most_one_checkpoint_interval(make, tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import importlib.util, sys
        from pathlib import Path
        spec = importlib.util.spec_from_file_location("tiny", {str(Path(__file__).parent / "conftest.py")!r})
        tiny = importlib.util.module_from_spec(spec); spec.loader.exec_module(tiny)
        from policies.ppo import PpoConfig, train
        config = PpoConfig(idle=0.5, rollout_steps=16, environments=2, minibatches=2, epochs=2, width=16, layers=1,
                           checkpoint_updates=2)
        updates = 0
        def tell(steps, metrics):
            global updates
            updates += 1
            print(updates, flush=True)
        train(config, lambda i: tiny.BrokenComponent(), folder=Path({str(tmp_path)!r}), seed=3,
              total_steps=10**7, on_update=tell)
        """
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment, cwd=Path.cwd()
    )
    assert process.stdout is not None
    done = 0
    for line in process.stdout:
        done = int(line)
        if done >= 7:
            break
    process.send_signal(signal.SIGKILL)
    done = max([done, *(int(line) for line in process.stdout)])
    process.wait()
    saved = checkpoint.read(tmp_path)
    assert saved is not None
    assert done - SMALL.checkpoint_updates <= saved[1]["updates"] <= done + 1
    # And what was saved goes on to where an undisturbed training arrives.
    steps = saved[1]["steps"] + 60
    resumed = _train(make, tmp_path, steps, resume=True)
    whole = _train(make, tmp_path / "whole", steps)
    assert parameter_hash(resumed.policy.network) == parameter_hash(whole.policy.network)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"environments": 1.5}, "environments must be a whole number"),
        ({"epochs": "a"}, "epochs must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"entropy_coefficient": "x"}, "entropy_coefficient must be a number"),
        ({"width": 30}, "width must be a multiple of 4"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_training(setting: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PpoConfig(**setting)
