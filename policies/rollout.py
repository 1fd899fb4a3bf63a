"""Environments stepped together, with what is needed to find each of them again after a crash.

A world cannot be copied, but it is a function of its seed and of the actions: an environment in mid-episode is saved as
(seed, actions so far) and found again by living through them once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from policies.network import ENTITY_AXES, PolicyNetwork
from policies.policy import Policy
from twin.spaces import Observation
from twin.streams import Streams

MakeEnv = Callable[[int], gymnasium.Env]
"""Index -> environment, whose episodes must be a function of the reset seed and the actions, scenario included."""


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """Where an environment stands: which episode it lives through, and what was done in it."""

    episode: int
    actions: NDArray[np.int64]
    """[steps, 3]"""


@dataclass(slots=True)
class Seat:
    """One environment of the rollout and its current episode."""

    env: gymnasium.Env
    index: int
    seeds: Streams
    teacher: Policy | None = None
    episode: int = -1
    actions: list[NDArray[np.int64]] = field(default_factory=list)
    observation: Observation = field(default_factory=dict)
    total_reward: float = 0.0
    ended: bool = False

    @property
    def seed(self) -> int:
        """The reset seed of the current episode."""
        return self.seeds["train/episodes"].integer(0, 2**31 - 1, self.index, self.episode)

    def begin(self) -> None:
        """Begin the next episode."""
        self.episode += 1
        self.actions, self.total_reward, self.ended = [], 0.0, False
        self.observation, _ = self.env.reset(seed=self.seed)
        if self.teacher is not None:
            self.teacher.reset(self.seed)

    def step(self, action: NDArray[np.int64]) -> tuple[float, bool, bool, float]:
        """Reward, terminated, truncated, elapsed seconds."""
        self.actions.append(action)
        self.observation, reward, terminated, truncated, info = self.env.step(action)
        self.total_reward += float(reward)
        self.ended = terminated or truncated
        return float(reward), terminated, truncated, float(info.get("elapsed", 1.0))

    @property
    def state(self) -> EpisodeState:
        """What `restore` needs."""
        return EpisodeState(self.episode, np.array(self.actions, np.int64).reshape(-1, 3))

    def restore(self, state: EpisodeState) -> None:
        """Live through the saved episode again, up to where it stood."""
        self.episode = state.episode - 1
        self.begin()
        for action in state.actions:
            if self.teacher is not None:
                self.teacher.act(self.observation)
            self.step(action)


@dataclass(frozen=True, slots=True)
class Rollout:
    """T steps of E environments, time first; the layout is that of `policies.gae`."""

    observations: dict[str, Tensor]
    """Each [T, E, ...]."""
    actions: Tensor
    """[T, E, 3]"""
    log_probs: Tensor
    """[T, E, 2] of the policy that acted: category, target with parameter."""
    values: NDArray[np.float32]
    """[T + 1, E]"""
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    resets: NDArray[np.bool_]
    elapsed: NDArray[np.float32]
    episodes: tuple[tuple[float, int], ...]
    """Return (unscaled) and length of every episode that ended."""
    final: NDArray[np.float32] | None = None
    """[T, E] see `policies.gae`."""

    @property
    def transitions(self) -> int:
        """Steps that were no resets."""
        return int((~self.resets).sum())


class Source(Protocol):
    """Where rollouts come from."""

    observation_space: spaces.Space[Any]

    def begin(self) -> None:
        """Begin the first episodes."""

    def observed(self) -> dict[str, Tensor]:
        """The observations of now, [E, ...]."""

    def collect(
        self, network: PolicyNetwork, steps: int, generator: torch.Generator, *, taught: bool = False
    ) -> Rollout:
        """Step every environment `steps` times. With `taught`, teachers act instead of the network."""

    def saved(self) -> tuple[dict[str, Tensor], Any]:
        """Tensors and JSON that `restore` needs."""

    def restore(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        """Stand again where `saved` stood."""

    def close(self) -> None:
        """No environment is used any more."""


class Seats:
    """Environments of Gymnasium, one by one: a `Source`."""

    def __init__(
        self, make_env: MakeEnv, environments: int, seed: int, teacher: Callable[[], Policy] | None = None
    ) -> None:
        streams = Streams(seed)
        self.seats = [Seat(make_env(i), i, streams, teacher() if teacher else None) for i in range(environments)]
        self.observation_space = self.seats[0].env.observation_space

    def begin(self) -> None:
        """Begin the first episodes."""
        for seat in self.seats:
            seat.begin()

    def observed(self) -> dict[str, Tensor]:
        """The observations of now, [E, ...]."""
        observations = [seat.observation for seat in self.seats]
        return stack(observations, tuple(observations[0]))

    def collect(
        self, network: PolicyNetwork, steps: int, generator: torch.Generator, *, taught: bool = False
    ) -> Rollout:
        """See `collect`."""
        return collect(network, self.seats, steps, generator, taught=taught)

    def saved(self) -> tuple[dict[str, Tensor], Any]:
        """Which episode each lives through, and what was done in it."""
        states = [seat.state for seat in self.seats]
        tensors = {f"{i}.actions": torch.from_numpy(state.actions) for i, state in enumerate(states)}
        return tensors, [state.episode for state in states]

    def restore(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        """Live through those episodes again."""
        for i, seat in enumerate(self.seats):
            seat.restore(EpisodeState(state[i], tensors[f"{i}.actions"].numpy()))

    def close(self) -> None:
        """No environment is used any more."""
        for seat in self.seats:
            seat.env.close()


def collect(
    network: PolicyNetwork, seats: Sequence[Seat], steps: int, generator: torch.Generator, *, taught: bool = False
) -> Rollout:
    """Step every environment `steps` times. With `taught`, the seats' teachers act instead of the network."""
    shape = (steps, len(seats))
    rewards, elapsed = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    terminated, truncated, resets = (np.zeros(shape, bool) for _ in range(3))
    values = np.zeros((steps + 1, len(seats)), np.float32)
    observations: list[dict[str, Tensor]] = []
    actions, log_probs = [], []
    episodes: list[tuple[float, int]] = []
    for t in range(steps):
        observation = stack([seat.observation for seat in seats], network.config.inputs)
        with torch.inference_mode():
            distribution, value = network(observation)
            action = distribution.sample(generator)
            if taught:
                chosen = [_taught(seat) for seat in seats]
                action = torch.from_numpy(np.stack(chosen))
            log_probs.append(distribution.log_probs(action))
        values[t] = value.numpy()
        for e, seat in enumerate(seats):
            if seat.ended:
                seat.begin()
                resets[t, e] = True
                continue
            rewards[t, e], terminated[t, e], truncated[t, e], elapsed[t, e] = seat.step(action[e].numpy())
            if seat.ended:
                episodes.append((seat.total_reward, len(seat.actions)))
        observations.append(observation)
        actions.append(action)
    with torch.inference_mode():
        _, value = network(stack([seat.observation for seat in seats], network.config.inputs))
    values[steps] = value.numpy()
    return Rollout(
        observations=_over_time(observations),
        actions=torch.stack(actions),
        log_probs=torch.stack(log_probs),
        values=values,
        rewards=rewards,
        terminated=terminated,
        truncated=truncated,
        resets=resets,
        elapsed=elapsed,
        episodes=tuple(episodes),
    )


def _taught(seat: Seat) -> NDArray[np.int64]:
    assert seat.teacher is not None
    return seat.teacher.act(seat.observation)


def stack(observations: Sequence[Observation], inputs: Sequence[str]) -> dict[str, Tensor]:
    """Observations as one batch; those of smaller clusters are padded to the largest, and none beyond it."""
    size = max(len(observation["kind"]) for observation in observations)
    return trimmed(
        {name: torch.from_numpy(np.stack([_padded(o[name], name, size) for o in observations])) for name in inputs}
    )


def trimmed(observation: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A batch of observations [B, ...] without the padding that all of them have: views, nothing is copied."""
    size = int((observation["kind"] > 0).sum(dim=1).max())
    found = dict(observation)
    for name in found:
        for axis in ENTITY_AXES.get(name, ()):
            found[name] = found[name].narrow(axis + 1, 0, size)
    return found


def _padded(values: NDArray[Any], name: str, size: int) -> NDArray[Any]:
    axes = ENTITY_AXES.get(name, ())
    if not axes or values.shape[axes[0]] == size:
        return values
    widths = [(0, size - length if axis in axes else 0) for axis, length in enumerate(values.shape)]
    return np.pad(values, widths)


def _over_time(observations: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """[T, E, ...]; an environment may change its size between episodes."""
    size = max(observation["kind"].shape[1] for observation in observations)
    result: dict[str, Any] = {}
    for name in observations[0]:
        axes = tuple(axis + 1 for axis in ENTITY_AXES.get(name, ()))
        arrays = [o[name] for o in observations]
        if axes and any(a.shape[axes[0]] != size for a in arrays):
            arrays = [
                torch.from_numpy(
                    np.pad(a.numpy(), [(0, size - n if axis in axes else 0) for axis, n in enumerate(a.shape)])
                )
                for a in arrays
            ]
        result[name] = torch.stack(arrays)
    return result
