"""What an evaluation says: a line a policy and family, and differences paired by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.contenders import LADDER
from experiments.episode import EpisodeResult
from policies.gate import GateVerdict, PairedEpisode, gate
from policies.statistics import Interval, mean_interval

ALL = "all"


@dataclass(frozen=True, slots=True)
class Summary:
    """One policy on one family of faults (or all). Seconds are means an episode with their 95 % interval over seeds."""

    policy: str
    family: str
    episodes: int
    seeds: int
    violation_seconds: Interval
    recovery_seconds: Interval | None
    """Over the episodes that violated the SLO and did not heal themselves, which are counted apart; censored ones count
    up to the horizon, so it is at least this."""
    violated: int
    """Episodes that violated the SLO."""
    censored: int
    """Episodes that had not recovered at the horizon."""
    healed_themselves: int
    """Episodes whose faults all expired or were cleared by a supervisor."""
    actions: float
    """Actions an episode."""
    illegal: int
    wrong: int
    relief: int
    """Actions that cleared nothing and were meant to relieve (`experiments.episode.RELIEF`)."""
    harmful: int
    harm_checked: int
    """Actions that were looked at for harm."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A policy minus the other, in SLO-violation seconds an episode, paired by seed."""

    policy: str
    other: str
    family: str
    seconds: Interval
    better: bool
    """`policy` beats `other` by DESIGN's definition."""
    why_not: tuple[str, ...]


def by_seed(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    """One value a seed, the mean over its episodes: seeds are what is independent."""
    collected: dict[int, list[float]] = {}
    for seed, value in values:
        collected.setdefault(seed, []).append(value)
    return {seed: sum(group) / len(group) for seed, group in sorted(collected.items())}


def summarise(episodes: Sequence[EpisodeResult]) -> list[Summary]:
    """A line for each policy over all families, then one for each family, in the order of appearance."""
    families = [ALL, *dict.fromkeys(e.family for e in episodes)]
    names = list(dict.fromkeys(e.policy for e in episodes))
    lines = []
    for family in families if len(families) > 2 else families[:1]:
        for name in names:
            chosen = [e for e in episodes if e.policy == name and family in (ALL, e.family)]
            if chosen:
                lines.append(_summary(name, family, chosen))
    return lines


def _summary(policy: str, family: str, episodes: Sequence[EpisodeResult]) -> Summary:
    violations = by_seed((e.seed, e.violation_seconds) for e in episodes)
    recoveries = by_seed(
        (e.seed, e.recovery_seconds) for e in episodes if e.recovery_seconds is not None and not e.healed_itself
    )
    return Summary(
        policy=policy,
        family=family,
        episodes=len(episodes),
        seeds=len(violations),
        violation_seconds=mean_interval(list(violations.values())),
        recovery_seconds=mean_interval(list(recoveries.values())) if recoveries else None,
        violated=sum(e.first_violation is not None for e in episodes),
        censored=sum(e.censored for e in episodes),
        healed_themselves=sum(e.healed_itself for e in episodes),
        actions=sum(e.actions for e in episodes) / len(episodes),
        illegal=sum(e.illegal for e in episodes),
        wrong=sum(e.wrong for e in episodes),
        relief=sum(e.relief for e in episodes),
        harmful=sum(e.harmful for e in episodes),
        harm_checked=sum(e.harm_checked for e in episodes),
    )


def differences(episodes: Sequence[EpisodeResult], other: str = LADDER) -> list[Difference]:
    """Every policy against `other`, over all families and for each of them."""
    families = [ALL, *dict.fromkeys(e.family for e in episodes)]
    names = [name for name in dict.fromkeys(e.policy for e in episodes) if name != other]
    found = []
    for family in families if len(families) > 2 else families[:1]:
        for name in names:
            pairs = paired([e for e in episodes if family in (ALL, e.family)], name, other)
            if pairs:
                verdict = gate(pairs)
                found.append(Difference(name, other, family, verdict.difference, verdict.passed, verdict.failures))
    return found


def paired(episodes: Sequence[EpisodeResult], policy: str, other: str = LADDER) -> list[PairedEpisode]:
    """Episodes of two policies on the same scenario and seed."""
    theirs = {(e.scenario, e.seed): e for e in episodes if e.policy == other}
    return [
        PairedEpisode(
            scenario=e.scenario,
            seed=e.seed,
            policy_violation_seconds=e.violation_seconds,
            ladder_violation_seconds=theirs[e.scenario, e.seed].violation_seconds,
            policy_wrong=e.wrong,
            ladder_wrong=theirs[e.scenario, e.seed].wrong,
        )
        for e in episodes
        if e.policy == policy and (e.scenario, e.seed) in theirs
    ]


def verdict(episodes: Sequence[EpisodeResult], policy: str) -> GateVerdict:
    """The export gate's judgement on a policy's episodes beside the rule ladder's."""
    return gate(paired(episodes, policy))


def as_json(value: Any) -> Any:
    """Dataclasses, tuples and infinities as plain JSON (an unbounded interval has None as its ends)."""
    if hasattr(value, "__dataclass_fields__"):
        return as_json(asdict(value))
    if isinstance(value, dict):
        return {key: as_json(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def metrics(episodes: Sequence[EpisodeResult], prefix: str = "") -> dict[str, float]:
    """The lines over all families as flat metrics `<policy>/<figure>`."""
    found: dict[str, float] = {}
    for line in summarise(episodes):
        if line.family != ALL:
            continue
        name = f"{prefix}{line.policy.replace('/', '_').strip('_')}"
        found[f"{name}/violation_seconds"] = line.violation_seconds.mean
        if line.recovery_seconds is not None:
            found[f"{name}/recovery_seconds"] = line.recovery_seconds.mean
        for figure in ("actions", "illegal", "wrong", "relief", "harmful", "censored", "violated"):
            found[f"{name}/{figure}"] = float(getattr(line, figure))
    return found


def in_words(interval: Interval | None, signed: bool = False) -> str:
    """`12.3 [10.1, 14.5]`, without the ends where there are none."""
    if interval is None:
        return "–"
    form = "{:+.1f}" if signed else "{:.1f}"
    if not math.isfinite(interval.low):
        return f"{form.format(interval.mean)} (n={interval.count})"
    return f"{form.format(interval.mean)} [{form.format(interval.low)}, {form.format(interval.high)}]"


COLUMNS = (
    "faults", "policy", "episodes", "SLO violated, s", "recovery, s", "never violated / censored / healed itself",
    "actions", "illegal / wrong / relief / harmful",
)  # fmt: skip


def row(line: Summary) -> tuple[str, ...]:
    """A line of the comparison as text, in the order of `COLUMNS`."""
    harmful = f"{line.harmful} of {line.harm_checked} checked" if line.harm_checked else "not checked"
    return (
        line.family,
        shown(line.policy),
        f"{line.episodes}, {line.seeds} seed{'s' if line.seeds > 1 else ''}",
        in_words(line.violation_seconds),
        ("≥ " if line.censored else "") + in_words(line.recovery_seconds),
        f"{line.episodes - line.violated} / {line.censored} / {line.healed_themselves}",
        f"{line.actions:.1f}",
        f"{line.illegal} / {line.wrong} / {line.relief} / {harmful}",
    )


def shown(policy: str) -> str:
    """A policy's name for tables: the last part of a folder."""
    return policy.rstrip("/").rpartition("/")[2]


def verdict_in_words(difference: Difference) -> str:
    """One sentence: whether the policy beats the other, with the numbers."""
    versus = f"{shown(difference.policy)} against {difference.other}"
    if difference.better:
        seconds = in_words(difference.seconds, signed=True)
        return f"{versus}: better, by {seconds} SLO-violation seconds an episode"
    return f"{versus}: not shown to be better: {'; '.join(difference.why_not)}"
