"""Rollouts of vector environments: what was seen, what it was worth at the end, and going on after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from policies.baselines.noop import Noop
from policies.network import NetworkConfig, PolicyNetwork
from policies.ppo import PpoConfig, parameter_hash, train
from policies.vector_rollout import VectorSeats
from twin.spaces import observation_space

LENGTH = 5
"""Decisions of an episode."""


class Counting:
    """Clusters in which nothing happens but that component 0's first feature counts the decisions, and pays them."""

    def __init__(self, num_envs: int, components: int = 16) -> None:
        self.num_envs = num_envs
        self.single_observation_space = observation_space(components)
        self.count = np.zeros(num_envs, np.int64)

    def reset(self, *, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.count = np.arange(self.num_envs) % LENGTH
        return self._observe(), {}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        self.count = self.count + 1
        done = self.count == LENGTH
        reward, final = self.count.astype(float), self._observe()
        self.count[done] = 0
        info: dict[str, Any] = {"elapsed": np.full(self.num_envs, 10.0)}
        if done.any():
            info["final_obs"] = final
        return self._observe(), reward, np.zeros(self.num_envs, bool), done, info

    def saved(self) -> dict[str, np.ndarray]:
        return {"count": self.count}

    def restore(self, saved: Any) -> dict[str, Any]:
        self.count = saved["count"].copy()
        return self._observe()

    def close(self) -> None: ...

    def _observe(self) -> dict[str, Any]:
        empty = {
            name: np.zeros((self.num_envs, *space.shape), space.dtype)
            for name, space in self.single_observation_space.spaces.items()
        }
        empty["kind"][:, 0] = 1
        empty["present"][:, 0, 0] = 1
        empty["features"][:, 0, 0] = self.count
        empty["mask_category"][:, 0] = empty["mask_target"][:, 0, 0] = empty["mask_parameter"][:, 0, 0, 0] = 1
        return empty


@pytest.fixture
def network() -> PolicyNetwork:
    torch.manual_seed(0)
    return PolicyNetwork(NetworkConfig.of(observation_space(16), width=8, layers=1))


def test_a_rollout_holds_what_was_seen_and_the_values_of_the_ends(network: PolicyNetwork) -> None:
    seats = VectorSeats([Counting(3)], seed=0)
    seats.begin()
    rollout = seats.collect(network, 7, torch.Generator().manual_seed(0))
    seen = rollout.observations["features"][:, :, 0, 0].numpy()
    assert seen[:, 0].tolist() == [0, 1, 2, 3, 4, 0, 1]
    assert rollout.rewards[:, 0].tolist() == [1, 2, 3, 4, 5, 1, 2]
    assert rollout.truncated[:, 0].tolist() == [False] * 4 + [True, False, False]
    assert not rollout.resets.any()
    assert rollout.final is not None
    assert (rollout.final != 0.0).tolist() == rollout.truncated.tolist()
    # What an episode ends with is not what the next begins with.
    assert rollout.final[4, 0] != rollout.values[5, 0]
    assert rollout.episodes[-1] == (15.0, LENGTH)


def test_clusters_of_two_sizes_lie_side_by_side(network: PolicyNetwork) -> None:
    seats = VectorSeats([Counting(2, 16), Counting(3, 64)], seed=0)
    seats.begin()
    assert seats.observed()["mask_target"].shape == (5, 33, 64)
    rollout = seats.collect(network, 4, torch.Generator().manual_seed(0))
    assert rollout.observations["adjacent"].shape == (4, 5, 1, 1)  # each has one component
    assert rollout.rewards.shape == (4, 5) and rollout.values.shape == (5, 5)


def test_a_teacher_acts_in_every_environment(network: PolicyNetwork) -> None:
    seats = VectorSeats([Counting(3)], 0, Noop)
    seats.begin()
    rollout = seats.collect(network, 3, torch.Generator().manual_seed(0), taught=True)
    assert not rollout.actions.any()


def test_a_training_that_is_killed_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    config = PpoConfig(rollout_steps=4, width=8, layers=1, checkpoint_updates=1)

    def trained(folder: str, *steps: int) -> str:
        for i, end in enumerate(steps):
            source = VectorSeats([Counting(3)], seed=1)
            result = train(config, source, folder=tmp_path / folder, seed=1, total_steps=end, resume=i > 0)
        return parameter_hash(result.policy.network)

    assert trained("once", 48) == trained("twice", 24, 48)
