"""The policy network: entities in, a distribution over actions and a value out, for any number of components.

Every component is encoded by itself, then layers of attention over all components and of messages along the topology
let it see the others. Categories are scored from the pooled state, targets by a pointer (Vinyals et al., Pointer
Networks, NIPS 2015) that the category conditions, parameters per category and target. Nothing depends on N.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from policies.distribution import ActionDistribution
from policies.normalise import Normaliser
from twin.spaces import AGE_LIMIT

INPUTS: tuple[str, ...] = (
    "features",
    "present",
    "age",
    "kind",
    "adjacent",
    "busy",
    "lines",
    "alarms",
    "mask_category",
    "mask_target",
    "mask_parameter",
)
"""Parts of an observation that every network reads, in the order of the exported graph's inputs."""

DIAGNOSIS_INPUTS: tuple[str, ...] = ("diagnosis_state", "diagnosis_types", "diagnosis_roots", "diagnosis_unknown")
"""What an interpreter adds (`policies.perception`)."""

ENTITY_AXES: dict[str, tuple[int, ...]] = {
    "features": (0,),
    "present": (0,),
    "age": (0,),
    "kind": (0,),
    "adjacent": (0, 1),
    "busy": (0,),
    "lines": (0,),
    "alarms": (0,),
    "mask_target": (1,),
    "mask_parameter": (1,),
    "diagnosis_roots": (0,),
}
"""Which axes of an unbatched input run over components."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of a network: those of the observation, and its own."""

    features: int
    kinds: int
    """Component kinds, padding among them."""
    levels: int
    severities: int
    categories: int
    parameters: int
    state: int = 0
    """Size of the interpreter's state vector; 0 where there is no interpreter."""
    types: int = 0
    """Fault types the interpreter tells apart."""
    width: int = 64
    layers: int = 2
    heads: int = 4
    idle: float = 0.9
    """Probability of no-op before any training: random actions hide what health looks like."""

    @staticmethod
    def of(
        space: spaces.Space[Any], *, width: int = 64, layers: int = 2, heads: int = 4, idle: float = 0.9
    ) -> NetworkConfig:
        """The sizes that an observation space needs. Raises ValueError where it is not one of `twin.spaces`."""
        if not isinstance(space, spaces.Dict) or not set(INPUTS) <= set(space.spaces):
            missing = sorted(set(INPUTS) - set(getattr(space, "spaces", ())))
            raise ValueError(f"not an observation space of a cluster: it lacks {', '.join(missing)}")

        def shape(name: str) -> tuple[int, ...]:
            return tuple(space[name].shape or ())

        kind = space["kind"]
        assert isinstance(kind, spaces.Box)
        diagnosed = "diagnosis_state" in space.spaces
        return NetworkConfig(
            features=shape("features")[1],
            kinds=int(kind.high.max()) + 1,
            levels=shape("lines")[1],
            severities=shape("alarms")[1],
            categories=shape("mask_parameter")[0],
            parameters=shape("mask_parameter")[2],
            state=shape("diagnosis_state")[0] if diagnosed else 0,
            types=shape("diagnosis_types")[0] if diagnosed else 0,
            width=width,
            layers=layers,
            heads=heads,
            idle=idle,
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """The parts of an observation it reads."""
        return INPUTS + (DIAGNOSIS_INPUTS if self.types else ())


class _Layer(nn.Module):
    """Attention over all components and a mean over neighbours, then a transition; both residual, pre-normalised."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_mix, self.norm_transition = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 4 * width)
        self.mix = nn.Linear(2 * width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, h: Tensor, blocked: Tensor, neighbours: Tensor) -> Tensor:
        """h [B, N, W]; blocked [B, 1, 1, N] (very negative where nothing is); neighbours [B, N, N], rows sum to 1."""
        batch, n, width = h.shape
        query, key, value, message = self.project(self.norm_mix(h)).chunk(4, dim=-1)

        def split(x: Tensor) -> Tensor:
            return x.view(batch, n, self.heads, width // self.heads).transpose(1, 2)

        scores = split(query) @ split(key).transpose(2, 3) / math.sqrt(width // self.heads) + blocked
        seen = (scores.softmax(dim=-1) @ split(value)).transpose(1, 2).reshape(batch, n, width)
        h = h + self.mix(torch.cat((seen, neighbours @ message), dim=-1))
        transition: Tensor = self.down(nn.functional.gelu(self.up(self.norm_transition(h))))
        return h + transition


class PolicyNetwork(nn.Module):
    """Observation batch -> distribution over actions, value."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.normaliser = Normaliser(config.features)
        own = 2 * config.features + 1 + config.levels + config.severities + 1 + bool(config.types)
        self.kind = nn.Embedding(config.kinds, width)
        self.encode = nn.Linear(own, width)
        self.encode_deep = nn.Linear(width, width)
        if config.types:
            self.diagnosis = nn.Linear(config.state + config.types + 1, width)
        self.layers = nn.ModuleList(_Layer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(2 * width, width)
        self.category = nn.Linear(width, config.categories)
        self.query = nn.Linear(width, config.categories * width)
        self.key = nn.Linear(width, width)
        self.bias = nn.Linear(width, config.categories)
        self.parameter = nn.Linear(width, config.categories * config.parameters)
        self.value_hidden, self.value = nn.Linear(width, width), nn.Linear(width, 1)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight, math.sqrt(2.0))
                nn.init.zeros_(module.bias)
        for head in (self.category, self.query, self.bias, self.parameter):
            nn.init.orthogonal_(head.weight, 0.01)
        nn.init.orthogonal_(self.value.weight, 1.0)
        others = max(1, self.config.categories - 1)
        with torch.no_grad():
            self.category.bias[0] = math.log(self.config.idle / (1.0 - self.config.idle) * others)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[ActionDistribution, Tensor]:
        """The distribution over actions and the value [B] (in scaled seconds) of a batch of observations."""
        real = (observation["kind"] > 0).to(torch.float32)  # [B, N]
        weight = real.unsqueeze(-1)
        h = self._encode(observation) * weight
        blocked = ((real - 1.0) * 1e9)[:, None, None, :]
        adjacent = observation["adjacent"].to(torch.float32)
        neighbours = adjacent / adjacent.sum(dim=-1, keepdim=True).clamp(min=1.0)
        for layer in self.layers:
            h = layer(h, blocked, neighbours) * weight
        h = self.norm(h) * weight
        mean = h.sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
        largest = (h + (weight - 1.0) * 1e9).amax(dim=1)
        pooled = torch.tanh(self.pool(torch.cat((mean, largest), dim=-1)))  # [B, W]
        return self._actions(h, pooled, observation), self._value(pooled)

    def _encode(self, observation: Mapping[str, Tensor]) -> Tensor:
        present = observation["present"].to(torch.float32)
        age = observation["age"].amin(dim=-1, keepdim=True)  # an exporter answers for all its metrics or for none
        parts = [
            self.normaliser(observation["features"]) * present,
            present,
            torch.log1p(age) / math.log1p(AGE_LIMIT),
            torch.log1p(observation["lines"]),
            torch.log1p(observation["alarms"]),
            observation["busy"].to(torch.float32).unsqueeze(-1),
        ]
        if self.config.types:
            parts.append(observation["diagnosis_roots"].unsqueeze(-1))
        h = self.encode(torch.cat(parts, dim=-1)) + self.kind(observation["kind"])
        if self.config.types:
            names = ("diagnosis_state", "diagnosis_types", "diagnosis_unknown")
            h = h + self.diagnosis(torch.cat([observation[name] for name in names], dim=-1)).unsqueeze(1)
        encoded: Tensor = self.encode_deep(nn.functional.gelu(h))
        return encoded

    def _actions(self, h: Tensor, pooled: Tensor, observation: Mapping[str, Tensor]) -> ActionDistribution:
        batch, n, width = h.shape
        categories = self.config.categories
        query = self.query(pooled).view(batch, categories, width)
        pointer = query @ self.key(h).transpose(1, 2) / math.sqrt(width) + self.bias(h).transpose(1, 2)  # [B, C, N]
        parameter = self.parameter(h).view(batch, n, categories, self.config.parameters).transpose(1, 2)
        # The best legal target speaks for its category: what is learnt about a place is learnt about the decision.
        legal = observation["mask_target"] > 0
        best = pointer.masked_fill(~legal, -1e9).amax(dim=-1)
        category = self.category(pooled) + torch.where(legal.any(dim=-1), best, torch.zeros_like(best))
        masks = (observation[name] for name in ("mask_category", "mask_target", "mask_parameter"))
        return ActionDistribution.of(category, pointer, parameter, *masks)

    def _value(self, pooled: Tensor) -> Tensor:
        value: Tensor = self.value(torch.tanh(self.value_hidden(pooled))).squeeze(-1)
        return value


def batched(observation: Mapping[str, NDArray[Any]], inputs: tuple[str, ...]) -> dict[str, Tensor]:
    """One observation as a batch of one."""
    return {name: torch.from_numpy(np.asarray(observation[name])[None]) for name in inputs}
