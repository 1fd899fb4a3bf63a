"""Episodes drawn from a suite: the environment that policies train in."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from experiments.episode import Wrap
from twin.env import ClusterEnv
from twin.scenario import Scenario, Suite
from twin.spaces import Observation
from twin.streams import Streams


class SuiteEnv(gymnasium.Env[Observation, NDArray[np.int64]]):
    """Each reset lives through one scenario and seed of the suite, both a function of the reset seed.

    Clusters may differ in their padded number of components, and so may observations; the spaces are those of the
    largest.
    """

    def __init__(self, suite: Suite, wrap: Wrap | None = None) -> None:
        self._suite = suite
        self._wrap = wrap
        largest = max((self._made(s) for s in suite.scenarios), key=lambda env: int(env.action_space.nvec[1]))  # type: ignore[attr-defined]
        self._env = largest
        self.observation_space = largest.observation_space
        self.action_space = largest.action_space

    def case(self, seed: int) -> tuple[Scenario, int]:
        """The scenario and the seed of the world behind a reset seed."""
        stream = Streams(seed)["suite/episode"]
        return stream.choice(self._suite.scenarios, "scenario"), stream.choice(self._suite.seeds, "seed")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin the episode that `seed` stands for (without one: that of the next random number)."""
        super().reset(seed=seed)
        scenario, world_seed = self.case(int(self.np_random.integers(2**31)) if seed is None else seed)
        self._env = self._made(scenario)
        observation, info = self._env.reset(seed=world_seed)
        info["scenario"] = scenario.metadata.name
        return observation, info

    def step(self, action: NDArray[np.int64]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """As the cluster's environment."""
        observation, reward, terminated, truncated, info = self._env.step(action)
        return observation, float(reward), terminated, truncated, info

    def _made(self, scenario: Scenario) -> gymnasium.Env[Any, Any]:
        env = ClusterEnv(scenario)
        return env if self._wrap is None else self._wrap(env)
