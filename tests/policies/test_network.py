"""The network: indifferent to padding and to the order of components, normalised inside."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from policies.actor import NetworkPolicy
from policies.network import NetworkConfig, PolicyNetwork
from policies.normalise import Normaliser, symlog
from policies.onnx_graph import random_inputs
from policies.rollout import stack

CONFIG = NetworkConfig(8, 5, 5, 2, 4, 2, width=16, layers=2)


def _run(network: PolicyNetwork, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    with torch.inference_mode():
        distribution, value = network({name: torch.from_numpy(v) for name, v in inputs.items()})
    return distribution.category.numpy(), distribution.target.numpy(), value.numpy()


def test_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    network = PolicyNetwork(CONFIG)
    inputs = random_inputs(CONFIG, 1, 16, seed=1)
    small = {name: values[0] for name, values in inputs.items()}
    larger = stack([small, {n: v[0] for n, v in random_inputs(CONFIG, 1, 64, seed=2).items()}], CONFIG.inputs)
    category, target, value = _run(network, inputs)
    padded_category, padded_target, padded_value = _run(network, {n: v.numpy() for n, v in larger.items()})
    np.testing.assert_allclose(category[0], padded_category[0], atol=1e-5)
    np.testing.assert_allclose(np.exp(target[0]), np.exp(padded_target[0, :, :16]), atol=1e-5)
    np.testing.assert_allclose(value[0], padded_value[0], atol=1e-5)


def test_the_order_of_components_does_not_matter() -> None:
    torch.manual_seed(0)
    network = PolicyNetwork(CONFIG)
    inputs = random_inputs(CONFIG, 1, 12, seed=3)
    inputs["mask_target"][:, 0], inputs["mask_parameter"][:, 0] = 1, 1
    order = np.random.default_rng(0).permutation(12)
    shuffled = dict(inputs)
    for name in ("features", "present", "age", "kind", "busy", "lines", "alarms"):
        shuffled[name] = inputs[name][:, order]
    shuffled["adjacent"] = inputs["adjacent"][:, order][:, :, order]
    shuffled["mask_target"] = inputs["mask_target"][:, :, order]
    shuffled["mask_parameter"] = inputs["mask_parameter"][:, :, order]
    category, target, value = _run(network, inputs)
    other_category, other_target, other_value = _run(network, shuffled)
    np.testing.assert_allclose(category, other_category, atol=1e-5)
    np.testing.assert_allclose(np.exp(target[:, :, order]), np.exp(other_target), atol=1e-5)
    np.testing.assert_allclose(value, other_value, atol=1e-5)


def test_an_absent_value_is_not_read() -> None:
    torch.manual_seed(0)
    network = PolicyNetwork(CONFIG)
    inputs = random_inputs(CONFIG, 2, 8, seed=4)
    changed = {**inputs, "features": np.where(inputs["present"] == 1, inputs["features"], 1e9).astype(np.float32)}
    for ours, theirs in zip(_run(network, inputs), _run(network, changed), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_untrained_network_mostly_leaves_the_cluster_alone() -> None:
    torch.manual_seed(0)
    network = PolicyNetwork(NetworkConfig(8, 5, 5, 2, 4, 2, width=64, layers=2, idle=0.9))
    category, _, _ = _run(network, random_inputs(network.config, 32, 16, seed=5))
    assert np.exp(category[:, 0]).mean() == pytest.approx(0.9, abs=0.05)


def test_the_normaliser_has_the_moments_of_all_it_saw() -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(90, 4, 3)) * [1, 1e3, 1e9]).astype(np.float32)
    present = (rng.random((90, 4, 3)) < 0.7).astype(np.int8)
    normaliser = Normaliser(3)
    for part in range(3):
        s = slice(30 * part, 30 * part + 30)
        normaliser.update(torch.from_numpy(values[s]), torch.from_numpy(present[s]))
    for f in range(3):
        seen = symlog(torch.from_numpy(values[..., f]))[torch.from_numpy(present[..., f]) == 1].double()
        assert float(normaliser.mean[f]) == pytest.approx(float(seen.mean()), rel=1e-4, abs=1e-5)
        assert float(normaliser.scale[f]) == pytest.approx(float((seen.var(correction=0) + 0.01).rsqrt()), rel=1e-4)


def test_a_space_that_is_no_clusters_is_named() -> None:
    from gymnasium import spaces

    with pytest.raises(ValueError, match=r"lacks .*adjacent"):
        NetworkConfig.of(spaces.Dict({"features": spaces.Box(0, 1, (16, 3))}))


def test_one_decision_takes_about_a_millisecond() -> None:
    torch.set_num_threads(1)
    config = NetworkConfig(60, 16, 5, 2, 7, 2)
    policy = NetworkPolicy(PolicyNetwork(config))
    observation = {name: values[0] for name, values in random_inputs(config, 1, 16, seed=0).items()}
    for _ in range(20):
        policy.act(observation)
    best = min(_timed(policy, observation) for _ in range(5))
    assert best < 3e-3  # 0.4 ms on an idle core; the bound leaves room for a busy one


def _timed(policy: NetworkPolicy, observation: dict[str, np.ndarray]) -> float:
    began = time.perf_counter()
    for _ in range(20):
        policy.act(observation)
    return (time.perf_counter() - began) / 20
