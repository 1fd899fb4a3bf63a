"""What both twins are asked to live through: a scenario under a seed, and what is done in it."""

from __future__ import annotations

from dataclasses import dataclass

from twin.scenario import Scenario

NOTHING = "noop"
POLICY = "policy:"
"""Before the name of a policy (`experiments.fidelity.policies`)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One life that is lived in both twins."""

    scenario: str
    seed: int
    doing: str = NOTHING
    """A category of actions, ordered once against the first fault; or `policy:` and the name of one."""
    faultless: bool = False
    """Without the scenario's faults: its steady state."""

    @property
    def policy(self) -> str | None:
        """The name of the policy that acts."""
        return self.doing.removeprefix(POLICY) if self.doing.startswith(POLICY) else None

    def load(self) -> Scenario:
        """The scenario. A policy sees telemetry; nothing else reads any."""
        changes = [] if self.policy else ["spec.telemetry=off"]
        return Scenario.load(self.scenario, (*changes, *(["spec.faults=[]"] if self.faultless else [])))
