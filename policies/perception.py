"""Where interpreter and environment meet: what the interpreter says becomes part of the observation.

diagnosis_state   [D] float32  semantic state vector
diagnosis_types   [K] float32  probability of each known fault type, in the interpreter's order
diagnosis_roots   [N] float32  probability of being the root cause, by component
diagnosis_unknown [1] float32  score in [0, 1] that this is a fault of no known type
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from llm.diagnosis import Diagnosis, Interpreter
from twin.spaces import Observation
from twin.telemetry.window import Topology


def diagnosis_fields(
    diagnosis: Diagnosis, topology: Topology, size: int, fault_types: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """A diagnosis as observation fields for a topology padded to `size`. What it does not name counts as 0."""
    roots = np.zeros(size, np.float32)
    for name, probability in diagnosis.root_causes.items():
        if name in topology.index:
            roots[topology.index[name]] = probability
    return {
        "diagnosis_state": np.asarray(diagnosis.state, np.float32),
        "diagnosis_types": np.array([diagnosis.fault_types.get(name, 0.0) for name in fault_types], np.float32),
        "diagnosis_roots": roots,
        "diagnosis_unknown": np.array([diagnosis.unknown], np.float32),
    }


def diagnosis_spaces(state_size: int, types: int, size: int) -> dict[str, spaces.Box]:
    """The spaces of `diagnosis_fields`."""
    return {
        "diagnosis_state": spaces.Box(-np.inf, np.inf, (state_size,), np.float32),
        "diagnosis_types": spaces.Box(0.0, 1.0, (types,), np.float32),
        "diagnosis_roots": spaces.Box(0.0, 1.0, (size,), np.float32),
        "diagnosis_unknown": spaces.Box(0.0, 1.0, (1,), np.float32),
    }


class Perception(gymnasium.Wrapper[Observation, NDArray[np.int64], Observation, NDArray[np.int64]]):
    """Calls the interpreter on every window and appends what it says; `info["diagnosis"]` is the Diagnosis itself."""

    def __init__(self, env: gymnasium.Env[Observation, NDArray[np.int64]], interpreter: Interpreter) -> None:
        super().__init__(env)
        self.interpreter = interpreter
        inner = env.observation_space
        assert isinstance(inner, spaces.Dict)
        shape = inner["kind"].shape
        assert shape is not None
        self._size: int = int(shape[0])
        extra = diagnosis_spaces(interpreter.state_size, len(interpreter.fault_types), self._size)
        self.observation_space = spaces.Dict({**inner.spaces, **extra})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """As the environment's, with the diagnosis of the first window."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._perceive(observation, info), info

    def step(self, action: NDArray[np.int64]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """As the environment's, with the diagnosis of the new window."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._perceive(observation, info), float(reward), terminated, truncated, info

    def _perceive(self, observation: Observation, info: dict[str, Any]) -> Observation:
        window = info["window"]
        info["diagnosis"] = diagnosis = self.interpreter.interpret(window)
        fields = diagnosis_fields(diagnosis, window.topology, self._size, self.interpreter.fault_types)
        return {**observation, **fields}


def perceive(
    env: gymnasium.Env[Observation, NDArray[np.int64]], interpreter: Interpreter | None
) -> gymnasium.Env[Observation, NDArray[np.int64]]:
    """The environment with the interpreter's diagnosis in its observations, or as it is without an interpreter."""
    return env if interpreter is None else Perception(env, interpreter)
