"""A tiny environment with the layout of `twin.spaces`: which of four components is broken?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from policies.actor import NetworkPolicy
from policies.export import export
from policies.gate import GateVerdict
from policies.network import NetworkConfig, PolicyNetwork
from policies.onnx_graph import random_inputs
from policies.statistics import Interval
from twin.spaces import Layout
from twin.streams import Streams
from twin.telemetry.window import Node, Topology

SIZE, COMPONENTS, FEATURES, CATEGORIES, PARAMETERS = 16, 4, 3, 3, 2


def space(size: int = SIZE) -> spaces.Dict:
    """The observation space of `BrokenComponent`."""

    def bits(*shape: int) -> spaces.Box:
        return spaces.Box(0, 1, shape, np.int8)

    def real(*shape: int) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, shape, np.float32)

    return spaces.Dict(
        {
            "features": real(size, FEATURES),
            "present": bits(size, FEATURES),
            "age": real(size, FEATURES),
            "kind": spaces.Box(0, 2, (size,), np.int64),
            "adjacent": bits(size, size),
            "busy": bits(size),
            "lines": real(size, 5),
            "alarms": real(size, 2),
            "mask_category": bits(CATEGORIES),
            "mask_target": bits(CATEGORIES, size),
            "mask_parameter": bits(CATEGORIES, size, PARAMETERS),
        }
    )


class BrokenComponent(gymnasium.Env):
    """Every step one of four components shows a large value: category 1, that target, parameter 0 is worth 1.

    Anything else costs up to 1. Episodes are a function of the reset seed; they are truncated after `length` steps.
    """

    action_space = spaces.MultiDiscrete([CATEGORIES, SIZE, PARAMETERS])
    observation_space = space()

    def __init__(self, length: int = 8) -> None:
        self.length = length

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.stream = Streams(seed or 0)["broken"]
        self.steps = 0
        return self._observe(), {"elapsed": 0.0}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        category, target, parameter = (int(part) for part in action)
        right = category == 1 and target == self.broken and parameter == 0
        reward = 1.0 if right else (-0.2 if category == 0 else -1.0)
        self.steps += 1
        return self._observe(), reward, False, self.steps >= self.length, {"elapsed": 10.0}

    def _observe(self) -> dict[str, np.ndarray]:
        self.broken = self.stream.integer(0, COMPONENTS - 1, self.steps)
        features = np.zeros((SIZE, FEATURES), np.float32)
        present = np.zeros((SIZE, FEATURES), np.int8)
        present[:COMPONENTS, :2] = 1
        features[:COMPONENTS, 0] = [self.stream.between(0, 5, self.steps, i) for i in range(COMPONENTS)]
        features[self.broken, 1] = 1e9
        kind = np.zeros(SIZE, np.int64)
        kind[:COMPONENTS] = [1, 1, 2, 2]
        adjacent = np.zeros((SIZE, SIZE), np.int8)
        adjacent[0, 2] = adjacent[2, 0] = adjacent[1, 3] = adjacent[3, 1] = 1
        target = np.zeros((CATEGORIES, SIZE), np.int8)
        target[0, 0] = 1
        target[1:, :COMPONENTS] = 1
        parameter = np.repeat(target[:, :, None], PARAMETERS, axis=2)
        parameter[0, :, 1:] = 0
        return {
            "features": features,
            "present": present,
            "age": np.where(present == 1, 2.0, 600.0).astype(np.float32),
            "kind": kind,
            "adjacent": adjacent,
            "busy": np.zeros(SIZE, np.int8),
            "lines": np.zeros((SIZE, 5), np.float32),
            "alarms": np.zeros((SIZE, 2), np.float32),
            "mask_category": target.max(axis=1),
            "mask_target": target,
            "mask_parameter": parameter,
        }


@pytest.fixture
def broken_component() -> BrokenComponent:
    return BrokenComponent()


@pytest.fixture(scope="session")
def policy() -> NetworkPolicy:
    """An untrained policy for a cluster, which acts often."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        space = Layout(Topology("test", (Node("n", "node", None),), ())).observation_space
        network = PolicyNetwork(NetworkConfig.of(space, width=16, layers=1, idle=0.3))
    inputs = random_inputs(network.config, 20, 16, seed=9)
    network.normaliser.update(torch.from_numpy(inputs["features"]), torch.from_numpy(inputs["present"]))
    return NetworkPolicy(network)


@pytest.fixture(scope="session")
def bundle_folder(policy: NetworkPolicy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That policy as a bundle which has passed the gate, beside something like an interpreter."""
    root = tmp_path_factory.mktemp("export")
    interpreter = root / "interpreter"
    (interpreter / "adapter").mkdir(parents=True)
    (interpreter / "adapter" / "adapter.safetensors").write_bytes(b"tensors")
    export(
        policy, root / "bundle", verdict=GateVerdict(True, (), 30, 30, Interval(-3, -4, -2, 30), 1, 2), gate_attempts=2,
        interpreter=interpreter, hashes={"scenarios/a.yaml": "00"}, metadata={"run": "r1"},
    )  # fmt: skip
    return root / "bundle"
