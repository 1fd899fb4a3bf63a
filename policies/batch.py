"""What a rollout leaves to learn from: its transitions, flat, each among those of clusters of its size.

A rollout pads small clusters to the largest. Learnt from so, most of what is computed would be padding: of the shipped
suites, a cluster of the one kind is three times one of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from policies.gae import Advantages
from policies.network import PolicyNetwork
from policies.rollout import Rollout, trimmed


@dataclass(frozen=True, slots=True)
class Batch:
    """B transitions, in the order of their sizes."""

    observations: tuple[dict[str, Tensor], ...]
    """Of each size [B_s, ...], without padding; the B_s sum up to B."""
    actions: Tensor
    """[B, 3]"""
    log_probs: Tensor
    """[B, 2] of the policy that acted."""
    advantages: Tensor
    """[B]"""
    returns: Tensor
    """[B]"""

    @staticmethod
    def of(rollout: Rollout, found: Advantages) -> Batch:
        """The valid transitions of a rollout."""
        kind = rollout.observations["kind"].flatten(0, 1)
        sizes = (kind > 0).sum(dim=1)
        valid = torch.from_numpy(found.valid.reshape(-1))
        rows = [torch.nonzero(valid & (sizes == size)).squeeze(1) for size in sorted(set(sizes[valid].tolist()))]
        flat = {name: values.flatten(0, 1) for name, values in rollout.observations.items()}
        order = torch.cat(rows)
        return Batch(
            observations=tuple(trimmed({name: values[row] for name, values in flat.items()}) for row in rows),
            actions=rollout.actions.flatten(0, 1)[order],
            log_probs=rollout.log_probs.flatten(0, 1)[order],
            advantages=torch.from_numpy(found.advantages.reshape(-1))[order],
            returns=torch.from_numpy(found.returns.reshape(-1))[order],
        )

    def __len__(self) -> int:
        return len(self.actions)

    def part(self, index: Tensor) -> Batch:
        """Some of the transitions."""
        index, observations, first = index.sort().values, [], 0
        for group in self.observations:
            end = first + len(group["kind"])
            mine = index[(index >= first) & (index < end)] - first
            if len(mine):
                observations.append({name: values[mine] for name, values in group.items()})
            first = end
        return Batch(
            tuple(observations),
            self.actions[index],
            self.log_probs[index],
            self.advantages[index],
            self.returns[index],
        )

    def evaluated(self, network: PolicyNetwork) -> tuple[Tensor, Tensor, Tensor]:
        """What a network says of the transitions: log-probabilities of the actions [B, 2], entropy [B], value [B]."""
        found, first = [], 0
        for group in self.observations:
            actions = self.actions[first : first + len(group["kind"])]
            distribution, value = network(group)
            found.append((distribution.log_probs(actions), distribution.entropy(), value))
            first += len(actions)
        log_probs, entropy, value = (torch.cat(parts) for parts in zip(*found, strict=True))
        return log_probs, entropy, value
