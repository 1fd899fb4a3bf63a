"""Interpreter and environment meet in one wrapper."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np

from llm.diagnosis import Diagnosis
from policies.actor import NetworkPolicy
from policies.network import NetworkConfig, PolicyNetwork
from policies.perception import diagnosis_fields, perceive
from twin.telemetry.window import Node, Topology

TOPOLOGY = Topology("test", tuple(Node(f"c{i}", "node", None) for i in range(4)), ())


class Oracle:
    """Says that c2 is broken."""

    state_size = 3
    fault_types = ("none", "crash")
    asked = 0

    def interpret(self, window: Any) -> Diagnosis:
        self.asked += 1
        return Diagnosis(np.array([1, 2, 3], np.float32), {"crash": 0.75, "none": 0.25}, {"c2": 0.9, "gone": 0.1}, 0.5)


class WithWindow(gymnasium.Wrapper):  # type: ignore[type-arg]
    """Adds the window that a cluster's environment hands over."""

    def reset(self, **arguments: Any) -> Any:
        observation, info = self.env.reset(**arguments)
        return observation, {**info, "window": SimpleNamespace(topology=TOPOLOGY)}

    def step(self, action: Any) -> Any:
        *rest, info = self.env.step(action)
        return (*rest, {**info, "window": SimpleNamespace(topology=TOPOLOGY)})


def test_without_an_interpreter_the_environment_is_unchanged(broken_component: gymnasium.Env) -> None:
    assert perceive(broken_component, None) is broken_component


def test_the_diagnosis_becomes_part_of_the_observation(broken_component: gymnasium.Env) -> None:
    oracle = Oracle()
    env = perceive(WithWindow(broken_component), oracle)
    observation, info = env.reset(seed=0)
    plain, _ = type(broken_component)().reset(seed=0)
    assert env.observation_space.contains(observation)
    assert observation.keys() - plain.keys() == {
        "diagnosis_state", "diagnosis_types", "diagnosis_roots", "diagnosis_unknown"
    }  # fmt: skip
    for name, values in plain.items():
        np.testing.assert_array_equal(observation[name], values)
    np.testing.assert_array_equal(observation["diagnosis_types"], np.array([0.25, 0.75], np.float32))
    assert observation["diagnosis_roots"].argmax() == 2 and observation["diagnosis_roots"].shape == (16,)
    observation, *_, info = env.step(np.zeros(3, np.int64))
    assert info["diagnosis"].unknown == 0.5 and oracle.asked == 2
    assert env.observation_space.contains(observation)


def test_a_network_reads_the_diagnosis(broken_component: gymnasium.Env) -> None:
    env = perceive(WithWindow(broken_component), Oracle())
    observation, _ = env.reset(seed=0)
    config = NetworkConfig.of(env.observation_space, width=16)
    assert (config.state, config.types) == (3, 2)
    policy = NetworkPolicy(PolicyNetwork(config))
    before = policy.log_probs(observation).category
    changed = {**observation, "diagnosis_roots": np.roll(observation["diagnosis_roots"], 1)}
    assert not np.array_equal(before, policy.log_probs(changed).category)


def test_what_a_diagnosis_does_not_name_counts_as_zero() -> None:
    diagnosis = Diagnosis(np.zeros(2, np.float32), {"none": 1.0}, {}, 0.0)
    fields = diagnosis_fields(diagnosis, TOPOLOGY, 16, ("none", "crash"))
    assert fields["diagnosis_types"].tolist() == [1.0, 0.0] and not fields["diagnosis_roots"].any()
