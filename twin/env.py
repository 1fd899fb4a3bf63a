"""The Gymnasium face of a world. It only wraps.

Reward of a step, in seconds: minus the SLO loss integrated over the step (`twin.slo`: the bad share of requests, in
[0, 1], per second) minus the cost of the action ordered (`ACTION_COST`, seconds of full outage that it is worth).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from twin.actions import CATEGORIES
from twin.scenario import ResolvedScenario, Scenario
from twin.spaces import Layout, Observation
from twin.world import World

ACTION_COST: dict[str, float] = {
    "noop": 0.0,
    "restart": 3.0,
    "recreate": 3.0,
    "restore-power-limit": 1.0,
    "reset-gpu": 4.0,
    "reboot": 8.0,
    "power-cycle": 10.0,
    "replace": 20.0,
    "cordon": 1.0,
    "uncordon": 1.0,
    "drain": 5.0,
    "migrate": 4.0,
    "scale-out": 4.0,
    "scale-in": 2.0,
    "shed-load": 2.0,
    "route-around": 1.0,
    "limit-kv": 3.0,
    "rollback-config": 3.0,
    "fail-over-head": 6.0,
    "evacuate": 8.0,
    "live-migrate": 4.0,
    "cold-migrate": 5.0,
    "rebuild": 4.0,
    "hard-reboot": 4.0,
    "reset-state": 1.0,
    "force-detach": 2.0,
    "delete-stuck": 3.0,
    "heal-allocations": 1.0,
    "fail-over-database": 4.0,
    "purge-queue": 3.0,
    "heal-broker": 4.0,
    "free-disk": 2.0,
    "renew-certificate": 2.0,
}
"""Seconds of full outage that one action is worth, beside the harm that it does and that the loss already shows: an
operator answers for every action, so one that changes nothing is not free (assumed). They order actions by how far they
reach: a call to an API 1, a process 3, a device or a new place 4, a machine 8 to 10, hardware out of stock 20."""

WINDOW = 60.0
"""Seconds of telemetry that an interpreter or policy is given, where nothing else is asked."""

ScenarioLike = str | Path | Scenario | ResolvedScenario


class ClusterEnv(gymnasium.Env[Observation, NDArray[np.int64]]):
    """One cluster, one scenario an episode; a continuing task cut at the horizon.

    A decision every `spec.control.interval`. The horizon is a truncation; `terminated` comes only with
    `spec.control.stopWhenHealthy`, once every fault is gone and the SLO has been met for 60 s.

    `info["window"]` is the telemetry of the last `window` seconds (logs rendered when asked for), `info["elapsed"]` the
    seconds since it, for a discount per second; `info["illegal"]` counts illegal actions of the episode.

    `attend` is called with the world of each episode before it lives, and with a first one that never does.
    """

    def __init__(
        self, scenario: ScenarioLike, window: float = WINDOW, attend: Callable[[World], None] = lambda world: None
    ) -> None:
        self._scenario = _load(scenario)
        self._window = window
        self._attend = attend
        self._begin(0)
        self._size = self._layout.size
        self.observation_space = self._layout.observation_space  # type: ignore[assignment]
        self.action_space = self._layout.action_space

    @property
    def world(self) -> World:
        """The world behind: truth and live values, for rewards and reports, never for a policy."""
        return self._world

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode: warm up to `spec.control.warmup`, then the first observation.

        `options["scenario"]` changes the scenario from now on; it must fit the same padded size.
        """
        super().reset(seed=seed)
        if options and "scenario" in options:
            self._scenario = _load(options["scenario"])
        world_seed = seed if seed is not None else int(self.np_random.integers(2**31))
        self._begin(world_seed)
        if self._layout.size != self._size:
            raise ValueError(
                f"scenario {self._world.scenario.metadata.name} needs {self._layout.size} component slots; "
                f"this environment was made with {self._size}"
            )
        self._world.run(until=self._world.spec.control.warmup)
        self._decided_at = self._world.now
        return self._observe(), self._info(0.0)

    def step(self, action: NDArray[np.int64]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Order the action, live until the next decision, observe."""
        world, spec = self._world, self._world.spec
        ordered = self._layout.decode(np.asarray(action))
        ticket = world.apply(ordered)
        self._illegal += not ticket.legal
        start = world.now
        self._decided_at = start
        world.run(until=min(start + spec.control.interval, spec.horizon))
        cost = ACTION_COST[ordered.category] if ticket.legal else 0.0
        reward = -world.slo.loss_between(start, world.now) - cost
        truncated = world.now >= spec.horizon
        terminated = spec.control.stop_when_healthy and self._healthy()
        return self._observe(), reward, terminated, truncated, self._info(world.now - start)

    def _begin(self, seed: int) -> None:
        self._world = World(self._scenario, seed)
        self._attend(self._world)
        self._layout = Layout(self._world.topology)
        self._decided_at = 0.0
        self._illegal = 0

    def _observe(self) -> Observation:
        world = self._world
        if world.topology is not self._layout.topology:
            self._layout = Layout(world.topology)
        components = list(world.components.values())
        legal = np.zeros((len(CATEGORIES), len(components)), np.int8)
        for c, category in enumerate(CATEGORIES[1:], 1):
            legal[c] = [world.legal(category, component) for component in components]
        busy = np.array([component.name in world.in_flight for component in components], np.int8)
        self._last_window = world.observe(self._window)
        return self._layout.observe(self._last_window, self._decided_at, legal, busy)

    def _info(self, elapsed: float) -> dict[str, Any]:
        return {"window": self._last_window, "elapsed": elapsed, "illegal": self._illegal, "time": self._world.now}

    def _healthy(self) -> bool:
        world = self._world
        pending = any(i.injected is None for i in world.truth.incidents.values())
        return not pending and not world.truth.active and not any(world.slo.violated[-60:])


def _load(scenario: ScenarioLike) -> Scenario | ResolvedScenario:
    return Scenario.load(scenario) if isinstance(scenario, (str, Path)) else scenario
