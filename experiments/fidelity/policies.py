"""Policies of different quality, for the question whether both twins put them in the same order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policies.baselines import gpu_rules, service_rules
from policies.baselines.ladder_parts import LadderConfig
from policies.baselines.noop import Noop
from policies.baselines.random_legal import RandomLegal
from policies.baselines.reading import Reading
from policies.baselines.rule_ladder import RULES, RuleLadder
from policies.policy import Policy
from twin.spaces import Observation
from twin.streams import Streams

GPU_RULES = tuple(rule for rule in RULES if rule.__module__ == gpu_rules.__name__)
SERVICE_RULES = tuple(rule for rule in RULES if rule.__module__ == service_rules.__name__)


class Sometimes:
    """Lets another policy act in a share of the decisions, drawn from the seed, and waits in the others."""

    def __init__(self, policy: Policy, share: float) -> None:
        self.policy, self.share = policy, share
        self.name = f"{policy.name}-{share:g}"
        self.reset(0)

    def reset(self, seed: int) -> None:
        """A new episode begins."""
        self.policy.reset(seed)
        self._stream, self._decisions = Streams(seed)["policy/sometimes"], 0

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """The other's action, or none."""
        self._decisions += 1
        acts = self._stream.uniform(self._decisions) < self.share
        return self.policy.act(observation) if acts else np.zeros(3, np.int64)


class Hammer:
    """One category for everything: ordered at whoever was there and is not, and where an alarm is critical."""

    def __init__(self, category: str, rest: int = 12) -> None:
        self.category, self.rest = category, rest
        self.name = f"hammer-{category}"
        self.reset(0)

    def reset(self, seed: int) -> None:
        """A new episode begins."""
        self._seen: NDArray[np.bool_] | None = None
        self._waits = 0

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """An order at the first that is suspicious and that may be treated so, then a rest."""
        reading = Reading(observation)
        here = np.asarray(observation["present"].any(axis=1))
        seen = here if self._seen is None else np.asarray(self._seen | here)
        self._seen = seen
        self._waits -= 1
        if self._waits > 0:
            return np.zeros(3, np.int64)
        suspicious = np.flatnonzero((seen & ~here) | (observation["alarms"][:, 1] > 0))
        for target in suspicious:
            for place in (int(target), *(int(i) for i in np.flatnonzero(observation["adjacent"][target]))):
                action = reading.order(self.category, place, "immediate")
                if action is not None:
                    self._waits = self.rest
                    return action
        return np.zeros(3, np.int64)


POLICIES: Mapping[str, Callable[[], Policy]] = {
    "noop": Noop,
    "random": RandomLegal,
    "random, 1 of 10": lambda: Sometimes(RandomLegal(), 0.1),
    "random, 1 of 40": lambda: Sometimes(RandomLegal(), 0.025),
    "restart": lambda: Hammer("restart"),
    "recreate": lambda: Hammer("recreate"),
    "reboot": lambda: Hammer("reboot", rest=40),
    "ladder": RuleLadder,
    "ladder, services only": lambda: RuleLadder(rules=SERVICE_RULES),
    "ladder, GPUs only": lambda: RuleLadder(rules=GPU_RULES),
    "ladder, every other decision": lambda: Sometimes(RuleLadder(), 0.5),
    "ladder, hasty": lambda: RuleLadder(LadderConfig(patience_replica=0.0, settle=10.0, settle_replica=20.0)),
}
"""Name -> policy. From harm by chance to the runbook."""


def policy_of(name: str) -> Policy:
    """A policy by its name, or the learnt one in a folder. Raises ValueError, FileNotFoundError."""
    if name in POLICIES:
        return POLICIES[name]()
    import torch

    from policies.actor import NetworkPolicy

    torch.set_num_threads(1)
    return NetworkPolicy.load(Path(name))
