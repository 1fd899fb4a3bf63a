"""The export gate: only a policy that beats the rule ladder on `validation` is fit for deployment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from policies.statistics import Interval, paired_difference

LEAST_SEEDS = 30
"""DESIGN's definition of "A beats B" asks for at least this many."""


@dataclass(frozen=True, slots=True)
class PairedEpisode:
    """The policy and the rule ladder on the same scenario, seed and luck."""

    scenario: str
    seed: int
    policy_violation_seconds: float
    ladder_violation_seconds: float
    policy_wrong: int
    """Actions that cleared no condition present anywhere."""
    ladder_wrong: int


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether the policy may be exported, and the numbers that say so."""

    passed: bool
    failures: tuple[str, ...]
    """What was not met, with its numbers; empty when passed."""
    seeds: int
    episodes: int
    difference: Interval
    """Policy minus ladder, SLO-violation seconds an episode; negative is better."""
    policy_wrong: int
    ladder_wrong: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; an unbounded interval has None as its ends."""
        data = asdict(self)
        for end in ("low", "high"):
            if abs(data["difference"][end]) == float("inf"):
                data["difference"][end] = None
        return data


def gate(results: Sequence[PairedEpisode]) -> GateVerdict:
    """Judge paired results on `validation`.

    Passed when the mean difference in SLO-violation seconds, paired by seed, has a 95 % interval below zero over at
    least 30 seeds and the policy's wrong actions are not more. Episodes of one seed on several scenarios are
    averaged first, since they share luck: seeds are what is independent.
    """
    by_seed: dict[int, list[PairedEpisode]] = defaultdict(list)
    for result in results:
        by_seed[result.seed].append(result)
    if not by_seed:
        nothing = Interval(0.0, float("-inf"), float("inf"), 0)
        return GateVerdict(False, ("no validation results",), 0, 0, nothing, 0, 0)
    ours = [sum(r.policy_violation_seconds for r in group) / len(group) for group in by_seed.values()]
    theirs = [sum(r.ladder_violation_seconds for r in group) / len(group) for group in by_seed.values()]
    difference = paired_difference(ours, theirs)
    policy_wrong, ladder_wrong = sum(r.policy_wrong for r in results), sum(r.ladder_wrong for r in results)
    failures = []
    if len(by_seed) < LEAST_SEEDS:
        failures.append(f"{len(by_seed)} seed{'s' if len(by_seed) > 1 else ''}; at least {LEAST_SEEDS} are needed")
    if not difference.high < 0.0:
        interval = f"[{difference.low:+.1f}, {difference.high:+.1f}]" if len(by_seed) > 1 else "(no interval: one seed)"
        failures.append(
            f"SLO-violation seconds an episode, less the rule ladder's: {difference.mean:+.1f} {interval}; "
            "the interval must be below 0"
        )
    if policy_wrong > ladder_wrong:
        failures.append(f"wrong actions: {policy_wrong}, the rule ladder's {ladder_wrong}; they must not be more")
    return GateVerdict(
        not failures, tuple(failures), len(by_seed), len(results), difference, policy_wrong, ladder_wrong
    )
