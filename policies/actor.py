"""The policy that a network is, once it only acts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from policies.checkpoint import replace
from policies.decision import LogProbs, Mode, decide
from policies.network import NetworkConfig, PolicyNetwork, batched
from twin.spaces import Observation
from twin.streams import Streams

WEIGHTS, CONFIG = "policy.safetensors", "network.json"


class NetworkPolicy:
    """Acts by a network: the most probable action at each level, or a sample drawn from the episode's seed."""

    def __init__(self, network: PolicyNetwork, mode: Mode = "argmax", name: str = "ppo") -> None:
        self.network = network.eval()
        self.mode: Mode = mode
        self.name = name
        self.reset(0)

    def reset(self, seed: int) -> None:
        """A new episode begins."""
        self._stream = Streams(seed)["policy/decisions"]
        self._decisions = 0

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """The action [3], legal by the observation's masks."""
        action = decide(self.log_probs(observation), self.mode, self._stream, self._decisions)
        self._decisions += 1
        return action

    def log_probs(self, observation: Observation) -> LogProbs:
        """Log-probabilities of all actions."""
        with torch.inference_mode():
            distribution, _ = self.network(batched(observation, self.network.config.inputs))
        return LogProbs(
            distribution.category[0].numpy(), distribution.target[0].numpy(), distribution.parameter[0].numpy()
        )

    def save(self, folder: Path) -> None:
        """Write policy.safetensors and network.json."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {"network": asdict(self.network.config), "mode": self.mode, "name": self.name}
        tensors = {name: tensor.contiguous() for name, tensor in self.network.state_dict().items()}
        replace(folder / f".{WEIGHTS}", folder / WEIGHTS, save(tensors))
        replace(folder / f".{CONFIG}", folder / CONFIG, (json.dumps(config, indent=2) + "\n").encode())

    @staticmethod
    def load(folder: Path) -> NetworkPolicy:
        """Read what `save` wrote. Raises FileNotFoundError or ValueError that says which file is missing or wrong."""
        for name in (WEIGHTS, CONFIG):
            if not (folder / name).exists():
                raise FileNotFoundError(f"no policy in {folder}: {name} is missing")
        try:
            config = json.loads((folder / CONFIG).read_text())
            network = PolicyNetwork(NetworkConfig(**config["network"]))
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
            raise ValueError(f"{folder} does not hold a policy that this version reads: {error}") from None
        return NetworkPolicy(network, config["mode"], config["name"])
