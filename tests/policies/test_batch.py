"""What is learnt from: transitions by the size of their cluster, so that padding costs nothing and changes nothing."""

from __future__ import annotations

import numpy as np
import torch

from policies.batch import Batch
from policies.gae import Advantages
from policies.network import NetworkConfig, PolicyNetwork
from policies.rollout import Rollout
from twin.spaces import observation_space

STEPS, COMPONENTS = 5, (3, 16)
"""Of two environments."""


def rollout(network: PolicyNetwork) -> Rollout:
    luck, many = torch.Generator().manual_seed(0), len(COMPONENTS)
    observations = {}
    for name, space in observation_space(16).spaces.items():
        shape = (STEPS, many, *space.shape)
        bits = name.startswith("mask") or name in ("present", "adjacent", "busy")
        values = torch.randint(0, 2, shape, generator=luck) if bits else torch.rand(shape, generator=luck)
        observations[name] = values.to(torch.from_numpy(np.zeros(0, space.dtype)).dtype)
    for environment, components in enumerate(COMPONENTS):
        observations["kind"][:, environment] = (torch.arange(16) < components).long()
        for name, axis in (("present", 2), ("adjacent", 2), ("adjacent", 3), ("mask_target", 3), ("mask_parameter", 3)):
            observations[name].narrow(1, environment, 1).narrow(axis, components, 16 - components).zero_()
    observations["mask_category"][..., 0] = observations["mask_target"][..., 0, 0] = 1
    observations["mask_parameter"][..., 0, 0, 0] = 1
    flat = {name: values.flatten(0, 1) for name, values in observations.items()}
    with torch.no_grad():
        distribution, value = network(flat)
        actions = distribution.sample(luck)
        log_probs = distribution.log_probs(actions)
    nothing = np.zeros((STEPS, many))
    return Rollout(
        observations=observations,
        actions=actions.view(STEPS, many, 3),
        log_probs=log_probs.view(STEPS, many, 2),
        values=np.vstack([value.view(STEPS, many).numpy(), nothing[:1]]).astype(np.float32),
        rewards=nothing,
        terminated=nothing > 0,
        truncated=nothing > 0,
        resets=nothing > 0,
        elapsed=nothing,
        episodes=(),
    )


def test_a_network_says_the_same_of_it_as_of_the_padded_rollout() -> None:
    torch.manual_seed(0)
    network = PolicyNetwork(NetworkConfig.of(observation_space(16), width=8, layers=2))
    lived = rollout(network)
    valid = np.ones((STEPS, 2), bool)
    valid[3, 1] = False
    # Returns are the values that the padded observations were given, so that each shows whose it is.
    batch = Batch.of(lived, Advantages(lived.rewards.astype(np.float32), lived.values[:-1], valid))
    assert [group["kind"].shape for group in batch.observations] == [(5, 3), (4, 16)]
    for part in (batch, batch.part(torch.tensor([8, 0, 6, 2])), batch.part(torch.tensor([7]))):
        log_probs, entropy, value = part.evaluated(network)
        assert torch.allclose(log_probs, part.log_probs, atol=1e-5)
        assert torch.allclose(value, part.returns, atol=1e-5)
        assert entropy.shape == (len(part),)
