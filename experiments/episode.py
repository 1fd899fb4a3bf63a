"""One episode of a policy, and what it is judged by (DESIGN, terms used in every comparison)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium

from policies.policy import Policy
from twin.env import ClusterEnv
from twin.scenario import ResolvedScenario, Scenario
from twin.slo import RECOVERY_SECONDS, recovery
from twin.world import World

HARM_SECONDS = 120.0
"""An action is judged by the SLO loss of this long after it."""
HARM_TOLERANCE = 1e-6
"""Seconds of loss below which two sums of floats count as equal."""

RELIEF = frozenset({"cordon", "uncordon", "scale-out", "shed-load", "route-around", "limit-kv"})
"""Actions that are there to relieve what still works: no condition is theirs to clear, so they are wrong only where
nothing was the matter."""

Wrap = Callable[[gymnasium.Env[Any, Any]], gymnasium.Env[Any, Any]]


@dataclass(frozen=True, slots=True)
class IncidentOutcome:
    """How one fault of the scenario ended. Times in simulated seconds."""

    fault: str
    kind: str
    family: str
    targets: tuple[str, ...]
    injected: float | None
    first_impact: float | None
    cleared: float | None
    cleared_by: str | None
    """``expired``, ``supervisor``, or the action."""


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """What one policy did with one scenario and seed."""

    policy: str
    scenario: str
    family: str
    seed: int
    violation_seconds: float
    """Seconds with the SLO violated after the warm-up."""
    loss_seconds: float
    """SLO loss integrated after the warm-up, in seconds of full outage."""
    first_violation: float | None
    """None: the SLO was never violated."""
    recovery_seconds: float | None
    """First violation to the start of the first 60 s that meet the SLO; up to the horizon where `censored`."""
    censored: bool
    actions: int
    """Legal actions other than no-op."""
    illegal: int
    wrong: int
    """Finished actions that cleared no condition present anywhere, and were no relief either."""
    relief: int
    """Finished actions of `RELIEF` that cleared nothing, while something was the matter."""
    harmful: int
    """Actions among `harm_checked` after which the loss was larger than without them."""
    harm_checked: int
    incidents: tuple[IncidentOutcome, ...]

    @property
    def healed_itself(self) -> bool:
        """Whether every fault cleared without an action: it expired, or a supervisor did it."""
        return bool(self.incidents) and all(i.cleared_by in ("expired", "supervisor") for i in self.incidents)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "healed_itself": self.healed_itself}


def family_of(scenario: Scenario | ResolvedScenario) -> str:
    """The family that a scenario is filed under."""
    return scenario.metadata.labels.get("family", "unfiled")


def live(
    scenario: Scenario | ResolvedScenario,
    seed: int,
    policy: Policy,
    wrap: Wrap | None = None,
    on_step: Callable[[World], None] = lambda world: None,
    attend: Callable[[World], None] = lambda world: None,
) -> World:
    """Let a policy live through a scenario up to the horizon; return the world as it then is.

    `attend` is called with every world before it lives, the warm-up included.
    """
    inner = ClusterEnv(scenario, attend=attend)
    env = inner if wrap is None else wrap(inner)
    observation, _ = env.reset(seed=seed)
    policy.reset(seed)
    ended = False
    while not ended:
        observation, _, terminated, truncated, _ = env.step(policy.act(observation))
        ended = bool(terminated or truncated)
        on_step(inner.world)
    return inner.world


def judge(world: World, policy: str, harm_checks: int = 0) -> EpisodeResult:
    """Judge an episode that has ended.

    The first `harm_checks` actions are each compared with the same luck without them, which costs a second life up to
    two minutes after the action.
    """
    start, end = world.spec.control.warmup, world.now
    outcome = recovery(world.slo.violated, start, end)
    acted = [t for t in world.tickets if t.legal and t.action.category != "noop"]
    checked = range(min(harm_checks, len(acted)))
    in_vain = [t for t in acted if t.finished is not None and not t.relieved]
    relief = sum(t.action.category in RELIEF and _something_the_matter(world, t.started) for t in in_vain)
    return EpisodeResult(
        policy=policy,
        scenario=world.scenario.metadata.name,
        family=family_of(world.scenario),
        seed=world.seed,
        violation_seconds=world.slo.violation_seconds(start, end),
        loss_seconds=world.slo.loss_between(start, end),
        first_violation=outcome.first_violation,
        recovery_seconds=outcome.seconds,
        censored=outcome.censored,
        actions=len(acted),
        illegal=sum(not t.legal for t in world.tickets),
        wrong=len(in_vain) - relief,
        relief=relief,
        harmful=sum(is_harmful(world, i) for i in checked),
        harm_checked=len(checked),
        incidents=tuple(
            IncidentOutcome(i.fault, i.kind, i.family, i.targets, i.injected, i.first_impact, i.cleared, i.cleared_by)
            for i in world.truth.incidents.values()
        ),
    )


def _something_the_matter(world: World, time: float) -> bool:
    """Whether a fault was there, or the SLO was violated in the minute before: a fault can leave an overload behind."""
    faults = any(
        i.injected is not None and i.injected <= time and (i.cleared is None or i.cleared > time)
        for i in world.truth.incidents.values()
    )
    return faults or world.slo.violation_seconds(max(0.0, time - RECOVERY_SECONDS), time) > 0


def is_harmful(world: World, index: int) -> bool:
    """Whether the loss of the two minutes after the `index`-th legal action is larger than on the same luck without it.

    The other actions stay as they were; a world is a function of its seed and actions, so a second one is run.
    """
    acted = [t for t in world.tickets if t.legal and t.action.category != "noop"]
    began = acted[index].started
    end = min(began + HARM_SECONDS, world.now)
    without = World(world.scenario, world.seed)
    for i, ticket in enumerate(acted):
        if i != index and ticket.started < end:
            without.run(until=ticket.started)
            without.apply(ticket.action)
    without.run(until=end)
    return world.slo.loss_between(began, end) > without.slo.loss_between(began, end) + HARM_TOLERANCE
