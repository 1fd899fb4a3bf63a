"""Whether the two twins show a policy the same: presence and values of each feature, in lives under no action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from twin import fast
from twin.env import ClusterEnv
from twin.scenario import Scenario
from twin.spaces import SEVERITIES
from twin.telemetry.features import FEATURES, KINDS, SHOWN
from twin.telemetry.records import LEVELS

Seen = dict[str, NDArray[Any]]
"""[seeds, decisions, …] parts of observations."""

PARTS = ("features", "present", "age", "lines", "alarms")


@dataclass(frozen=True, slots=True)
class Agreement:
    """One feature of one kind, in all seeds."""

    kind: str
    feature: str
    presence: float
    """Share of observations in which both twins have a value, or neither."""
    healthy: tuple[float, float]
    """Mean before the first fault: SimPy, fast."""
    ill: tuple[float, float]
    """Mean over the components that carry conditions, after the first fault: SimPy, fast. NaN where none does."""
    moves: bool
    """Whether it changes with the fault in the SimPy twin."""

    @property
    def error(self) -> float:
        """The larger relative error of the two."""
        return max(_relative(*self.healthy), _relative(*self.ill))

    @property
    def agrees(self) -> bool:
        """Whether it is there where it should be, and its means differ little."""
        return self.presence >= PRESENT and self.error <= CLOSE


PRESENT, CLOSE = 0.98, 0.2
"""Share of observations in which a feature must be present in both twins or in neither, and how far its means may be
apart, relative to the larger one."""


def compare(scenario: str, seeds: Sequence[int], ticks: int) -> list[Agreement]:
    """Every feature of every kind. Raises NotCompiledError."""
    slow, onset, ill = in_simpy(scenario, seeds)
    quick = in_fast(scenario, seeds, ticks)
    kinds, found = slow["kind"][0, 0], []
    for number, kind in enumerate(KINDS, 1):
        members = kinds == number
        if members.any():
            names = [name for name in FEATURES if name in SHOWN[kind]]
            columns = [("features", FEATURES.index(name), name) for name in names]
            columns += [("lines", i, f"lines {level.value}") for i, level in enumerate(LEVELS)]
            columns += [("alarms", i, f"alarms {severity}") for i, severity in enumerate(SEVERITIES)]
            for part, column, name in columns:
                if part in quick:
                    found.append(_agreement(kind, name, part, column, members, slow, quick, onset, ill))
    return found


def in_simpy(scenario: str, seeds: Sequence[int]) -> tuple[Seen, NDArray[np.float64], NDArray[np.bool_]]:
    """What the environment shows of each seed, the second at which its first fault begins, and [seeds, N] on which
    components its conditions are."""
    lives, onset, ill = [], [], []
    env = ClusterEnv(Scenario.load(scenario))
    nothing = np.zeros(3, np.int64)
    for seed in seeds:
        observed, info = env.reset(seed=seed)
        life, over = [(observed, info["time"])], False
        plans, names = env.world.plans, list(env.world.components)
        while not over:
            observed, _, _, over, info = env.step(nothing)
            life.append((observed, info["time"]))
        lives.append(life)
        onset.append(min((plan.at for plan in plans), default=np.inf))
        carriers = {names.index(component.name) for plan in plans for component, _ in plan.conditions}
        ill.append(np.isin(np.arange(len(observed["kind"])), list(carriers)))
    seen = {part: np.array([[one[part] for one, _ in life] for life in lives]) for part in (*PARTS, "kind")}
    seen["time"] = np.array([[time for _, time in life] for life in lives])
    return seen, np.array(onset), np.array(ill)


def in_fast(scenario: str, seeds: Sequence[int], ticks: int) -> Seen:
    """The same lives there. Raises NotCompiledError."""
    twin = fast.compile(Scenario.load(scenario), seeds, ticks)
    decisions = int((twin.last[0] - round(twin.default_params.warmup_seconds / twin.tick_seconds)) // ticks)
    nothing = jnp.zeros(3, jnp.int32)

    def life(number: Any, luck: Any) -> Any:
        first, lane = twin.begin(number, luck)

        def decision(lane: Any, _: None) -> tuple[Any, Any]:
            observed, following, *_rest = twin.go_on(lane, nothing)
            return following, observed

        _, later = jax.lax.scan(decision, lane, None, length=decisions)
        return jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), first, later)

    numbers = jnp.arange(len(seeds))
    found = jax.jit(jax.vmap(life))(numbers, jax.random.split(jax.random.key(1), len(seeds)))
    return {part: np.asarray(value) for part, value in found.items()}


def _agreement(
    kind: str,
    name: str,
    part: str,
    column: int,
    members: NDArray[np.bool_],
    slow: Seen,
    quick: Seen,
    onset: NDArray[np.float64],
    ill: NDArray[np.bool_],
) -> Agreement:
    decisions = min(slow[part].shape[1], quick[part].shape[1])
    time = slow["time"][:, :decisions]
    before = (time < onset[:, None])[:, :, None] & members
    after = (time > onset[:, None] + 20.0)[:, :, None] & members
    after = after & ill[:, None, :] if (ill & members).any() else after

    def values(seen: Seen) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        there = np.ones(seen[part].shape[:3], np.bool_)
        if part == "features":
            there = seen["present"][..., column].astype(np.bool_)
        return seen[part][:, :decisions, :, column], there[:, :decisions]

    (one, here), (other, there) = values(slow), values(quick)

    def means(where: NDArray[np.bool_]) -> tuple[float, float]:
        return tuple(
            float(v[where & p].mean()) if (where & p).any() else np.nan for v, p in ((one, here), (other, there))
        )  # type: ignore[return-value]

    healthy, later = means(before), means(after)
    agree = (here == there)[:, :, members]
    return Agreement(kind, name, float(agree.mean()), healthy, later, _relative(healthy[0], later[0]) > 0.1)


def _relative(a: float, b: float) -> float:
    if np.isnan(a) and np.isnan(b):
        return 0.0
    if np.isnan(a) or np.isnan(b):
        return float("inf")
    largest = max(abs(a), abs(b))
    return 0.0 if largest < 1e-9 else abs(a - b) / largest
