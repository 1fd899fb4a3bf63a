"""Rollouts of vector environments, which begin anew in the step that ends an episode (Gymnasium's SAME_STEP autoreset):
thousands of clusters of the fast twin at once.

Several vector environments may be given, one for each kind and size of cluster: each is stepped by itself, and their
rollouts lie side by side, smaller observations padded to the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from policies.network import ENTITY_AXES, PolicyNetwork
from policies.policy import Policy
from policies.rollout import Rollout, trimmed
from twin.streams import Streams

Batch = Mapping[str, Any]
"""Observations [E, …], of NumPy or of anything that DLPack reads."""


class VectorEnvironment(Protocol):
    """What is needed of a `gymnasium.vector.VectorEnv`, and that it can be saved."""

    num_envs: int
    single_observation_space: spaces.Space[Any]

    def reset(self, *, seed: int | None = None) -> tuple[Batch, dict[str, Any]]:
        """First observations and info."""

    def step(self, actions: NDArray[np.int64]) -> tuple[Batch, Any, Any, Any, dict[str, Any]]:
        """Observations, rewards, terminated, truncated, info."""

    def saved(self) -> dict[str, NDArray[Any]]:
        """Where it stands."""

    def restore(self, saved: Mapping[str, NDArray[Any]]) -> Batch:
        """Stand there again; returns the observations."""

    def close(self) -> None:
        """It is not used any more."""


@dataclass(slots=True)
class _Row:
    """One vector environment, and its teachers if it has any."""

    env: VectorEnvironment
    index: int
    seed: int
    teachers: list[Policy] = field(default_factory=list)
    observed: dict[str, Tensor] = field(default_factory=dict)
    totals: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def begin(self) -> None:
        observed, _ = self.env.reset(seed=self.seed)
        self.observed = _tensors(observed)
        self.totals, self.lengths = np.zeros(self.env.num_envs), np.zeros(self.env.num_envs, np.int64)
        for i, teacher in enumerate(self.teachers):
            teacher.reset(i)


class VectorSeats:
    """A source of rollouts (`policies.rollout.Source`): vector environments stepped together."""

    def __init__(
        self, envs: Sequence[VectorEnvironment], seed: int, teacher: Callable[[], Policy] | None = None
    ) -> None:
        streams = Streams(seed)
        self._rows = [
            _Row(
                env,
                i,
                streams["train/episodes"].integer(0, 2**31 - 1, i),
                [teacher() for _ in range(env.num_envs)] if teacher else [],
            )
            for i, env in enumerate(envs)
        ]
        largest = max(envs, key=lambda env: int(np.prod(env.single_observation_space["kind"].shape)))  # type: ignore[index]
        self.observation_space = largest.single_observation_space

    def begin(self) -> None:
        """Begin the first episodes."""
        for row in self._rows:
            row.begin()

    def observed(self) -> dict[str, Tensor]:
        """The observations of now."""
        return _beside([row.observed for row in self._rows], 0)

    def collect(
        self, network: PolicyNetwork, steps: int, generator: torch.Generator, *, taught: bool = False
    ) -> Rollout:
        """Step every environment `steps` times. With `taught`, teachers act instead of the network."""
        rollouts = [_collected(row, network, steps, generator, taught) for row in self._rows]
        if len(rollouts) == 1:
            return rollouts[0]
        together: dict[str, Any] = {
            "observations": _beside([rollout.observations for rollout in rollouts], 1),
            "actions": torch.cat([rollout.actions for rollout in rollouts], dim=1),
            "log_probs": torch.cat([rollout.log_probs for rollout in rollouts], dim=1),
            "episodes": tuple(episode for rollout in rollouts for episode in rollout.episodes),
        }
        rest = [name.name for name in fields(Rollout) if name.name not in together]
        together |= {name: np.concatenate([getattr(r, name) for r in rollouts], axis=1) for name in rest}
        return Rollout(**together)

    def saved(self) -> tuple[dict[str, Tensor], Any]:
        """Tensors and JSON that `restore` needs. Teachers are not kept: they begin anew."""
        tensors = {
            f"{row.index}.{name}": torch.from_numpy(np.array(values))
            for row in self._rows
            for name, values in {
                **{f"env.{name}": values for name, values in row.env.saved().items()},
                "totals": row.totals,
                "lengths": row.lengths,
            }.items()
        }
        return tensors, None

    def restore(self, tensors: Mapping[str, Tensor], state: Any) -> None:
        """Stand again where `saved` stood."""
        for row in self._rows:
            own = {name.removeprefix(f"{row.index}."): values.numpy() for name, values in tensors.items()
                   if name.startswith(f"{row.index}.")}  # fmt: skip
            row.begin()
            row.totals, row.lengths = own.pop("totals"), own.pop("lengths")
            env = {name.removeprefix("env."): values for name, values in own.items()}
            row.observed = _tensors(row.env.restore(env))

    def close(self) -> None:
        """No environment is used any more."""
        for row in self._rows:
            row.env.close()


def _collected(row: _Row, network: PolicyNetwork, steps: int, generator: torch.Generator, taught: bool) -> Rollout:
    shape = (steps, row.env.num_envs)
    rewards, elapsed, final = (np.zeros(shape, np.float32) for _ in range(3))
    terminated, truncated = np.zeros(shape, bool), np.zeros(shape, bool)
    values = np.zeros((steps + 1, row.env.num_envs), np.float32)
    observations, actions, log_probs = [], [], []
    episodes: list[tuple[float, int]] = []
    for t in range(steps):
        observation = _seen(network, row.observed)
        with torch.inference_mode():
            distribution, value = network(observation)
            action = distribution.sample(generator)
            if taught:
                action = torch.from_numpy(_taught(row))
            log_probs.append(distribution.log_probs(action))
        values[t] = value.numpy()
        observed, reward, ended, cut, info = row.env.step(action.numpy())
        row.observed = _tensors(observed)
        rewards[t], terminated[t], truncated[t] = (np.asarray(v) for v in (reward, ended, cut))
        elapsed[t] = np.asarray(info["elapsed"])
        row.totals += rewards[t]
        row.lengths += 1
        over = terminated[t] | truncated[t]
        if over.any():
            final[t, over] = _final_values(network, info["final_obs"], over)
            episodes += [(float(row.totals[i]), int(row.lengths[i])) for i in np.flatnonzero(over)]
            row.totals[over], row.lengths[over] = 0.0, 0
            for i in np.flatnonzero(over) if row.teachers else ():
                row.teachers[i].reset(int(i))
        observations.append(observation)
        actions.append(action)
    with torch.inference_mode():
        _, value = network(_seen(network, row.observed))
    values[steps] = value.numpy()
    return Rollout(
        observations=_over_time(observations),
        actions=torch.stack(actions),
        log_probs=torch.stack(log_probs),
        values=values,
        rewards=rewards,
        terminated=terminated,
        truncated=truncated,
        resets=np.zeros(shape, bool),
        elapsed=elapsed,
        final=final,
        episodes=tuple(episodes),
    )


def _taught(row: _Row) -> NDArray[np.int64]:
    seen = {name: values.numpy() for name, values in row.observed.items()}
    return np.stack(
        [teacher.act({name: values[i] for name, values in seen.items()}) for i, teacher in enumerate(row.teachers)]
    )


def _final_values(network: PolicyNetwork, final: Batch, over: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Values of the last observations of the episodes that are over."""
    rows = torch.from_numpy(np.flatnonzero(over))
    observed = {name: values[rows] for name, values in _tensors(final).items()}
    with torch.inference_mode():
        _, value = network(_seen(network, observed))
    found: NDArray[np.float32] = value.numpy()
    return found


def _seen(network: PolicyNetwork, observed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the network reads of it."""
    return trimmed({name: observed[name] for name in network.config.inputs})


def _over_time(observations: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """[T, E, ...]: those of a step in which all clusters were small are padded to the largest."""
    size = max(observation["kind"].shape[1] for observation in observations)
    return {name: torch.stack([_padded(o[name], name, 0, size) for o in observations]) for name in observations[0]}


def _tensors(observed: Batch) -> dict[str, Tensor]:
    """Without a copy."""
    return {
        name: torch.from_numpy(values) if isinstance(values, np.ndarray) else from_dlpack(values)
        for name, values in observed.items()
    }


def _beside(parts: Sequence[Mapping[str, Tensor]], axis: int) -> dict[str, Tensor]:
    """Observations of several environments along their axis, smaller ones padded. `axis`: that of environments."""
    size = max(part["kind"].shape[axis + 1] for part in parts)
    return {name: torch.cat([_padded(part[name], name, axis, size) for part in parts], dim=axis) for name in parts[0]}


def _padded(values: Tensor, name: str, axis: int, size: int) -> Tensor:
    for entity in ENTITY_AXES.get(name, ()):
        along = entity + axis + 1
        missing = size - values.shape[along]
        if missing:
            shape = list(values.shape)
            shape[along] = missing
            values = torch.cat([values, values.new_zeros(shape)], dim=along)
    return values
