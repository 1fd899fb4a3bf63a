"""The five findings of arXiv 2603.02057 as tests on data sets of the suite `rca-llm`, stated before any was run.

Each claim is a figure, its 95 % interval over data sets (the same suite under other luck), and a bar. It *holds* where
the whole interval is on its side of the bar, *fails* where the whole interval is on the other, and is *undecided*
otherwise, with fewer than `ENOUGH` data sets, or where a method that it is about has not been run. A finding holds
where all of its claims do, and fails where one does.

"The best of a group" is chosen for each data set on the others, by Avg@5 over all faults: nobody is the best by luck.
It is the best of the methods that can be had; a note names the others, and those that were given a part of the cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Literal

from experiments.bench.rca.published import ABSENT
from experiments.bench.rca.scores import ALL, ENOUGH, FIGURES, Asked, Outcome, value
from policies.statistics import Interval, mean_interval

Verdict = Literal["holds", "undecided", "fails"]

METRIC = (
    "pc_pagerank", "pc_randomwalk", "fci_pagerank", "fci_randomwalk", "granger_pagerank", "granger_randomwalk",
    "lingam_pagerank", "lingam_randomwalk", "causalrca", "causalai", "microcause", "e_diagnosis", "baro", "rcd",
    "circa", "nsigma", "microrca", "microscope", "monitorrank",
)  # fmt: skip
"""The study's metric methods, without the random one (`dummy`)."""
TRACE = ("microrank", "tracerca")
MULTI_SOURCE = ("mmbaro", "pdiagnose")
MODERN = ("nsigma", "circa", "baro", "rcd")
CLASSICAL = METRIC[:8]
"""Methods that learn a causal graph and walk on it."""
PUBLISHED = (*METRIC, *TRACE, *MULTI_SOURCE)

CPU, MEMORY, NETWORK, GPU = KINDS = ("cpu", "memory", "network", "gpu-power")
"""Kinds of fault of `rca-llm`, as its scenarios' labels call them."""
ENTRANCES = ("nginx-proxy", "ray-head")
"""Gateway and head: who trace methods blame in the study."""

PAPER = "paper"
"""The profile of the study's telemetry."""
REACHED = 0.70
"""AC@1 that the study's best metric methods reach on most faults."""
MULTI_MEMORY, MULTI_NETWORK = 0.77, 0.87
"""The study's AC@1 of multi-source methods on memory faults, and their Avg@5 on network faults."""
TRACE_AT_MOST = 0.05
FLAT = 2.0
"""Percentage points within which a utilisation counts as flat."""
NEAR_CHANCE = 0.10
"""AC@1 above chance that is as good as nothing."""


@dataclass(frozen=True)
class Evidence:
    """Results of one variant of the data sets: one profile, one way of tracing."""

    asked: Mapping[str, Asked]
    by_method: Mapping[str, Mapping[str, Outcome]]
    """Method -> case -> outcome."""

    @classmethod
    def of(cls, asked: Mapping[str, Asked], outcomes: Iterable[Outcome]) -> Evidence:
        """Evidence from outcomes in any order."""
        found: dict[str, dict[str, Outcome]] = {}
        for outcome in outcomes:
            found.setdefault(outcome.method, {})[outcome.case] = outcome
        return cls(asked, found)

    @property
    def realisations(self) -> list[int]:
        """The data sets."""
        return sorted({case.realisation for case in self.asked.values()})

    def missing(self, methods: Sequence[str]) -> list[str]:
        """Methods that some scenario of some data set was not given to, of those that can be had."""
        all_of_them = {(case.realisation, case.scenario) for case in self.asked.values()}
        return [m for m in methods if m not in ABSENT and all_of_them - {*map(self._place, self.by_method.get(m, {}))}]

    def _place(self, name: str) -> tuple[int, str]:
        return self.asked[name].realisation, self.asked[name].scenario

    def gaps(self, methods: Sequence[str]) -> str:
        """Whom a claim about these methods does without, and who has seen a part of the cases only."""
        without = [m for m in methods if m in ABSENT]
        partly: dict[int, list[str]] = {}
        for method in methods:
            if 0 < self._seen(method) < len(self.asked):
                partly.setdefault(self._seen(method), []).append(method)
        told = [f"{', '.join(some)} on {n} of {len(self.asked)}" for n, some in partly.items()]
        return "; ".join([f"without {', '.join(without)}, which cannot be had"] * bool(without) + told)

    def _seen(self, method: str) -> int:
        return len(self.by_method.get(method, {}))


@dataclass(frozen=True, slots=True)
class Claim:
    """One test of a finding."""

    text: str
    verdict: Verdict
    figure: Interval | None
    unit: str = ""
    note: str = ""
    counts: bool = True
    """False: for information; the finding's verdict does not depend on it."""


@dataclass(frozen=True)
class Finding:
    """A finding of the study and what became of it."""

    title: str
    claims: tuple[Claim, ...]

    @property
    def verdict(self) -> Verdict:
        """Of all claims that count."""
        verdicts = {claim.verdict for claim in self.claims if claim.counts}
        if "fails" in verdicts:
            return "fails"
        return "holds" if verdicts == {"holds"} else "undecided"


# --- figures of a data set --------------------------------------------------------------------------------------------


def means(evidence: Evidence, method: str, figure: str, fault: str = ALL) -> dict[int, float]:
    """Data set -> the mean of a figure over its cases of one kind of fault."""
    values: dict[int, list[float]] = {}
    for name, outcome in evidence.by_method.get(method, {}).items():
        case = evidence.asked[name]
        if fault in case.groups:
            values.setdefault(case.realisation, []).append(value(outcome, case, figure))
    return {realisation: fmean(group) for realisation, group in values.items()}


def best(evidence: Evidence, methods: Sequence[str]) -> dict[int, str]:
    """Data set -> the method that is the best of a group on the other data sets, by Avg@5 over all faults."""
    overall = {m: means(evidence, m, "Avg@5") for m in methods if m in evidence.by_method}
    chosen = {}
    for left_out in evidence.realisations:
        others = [r for r in evidence.realisations if r != left_out] or [left_out]
        chosen[left_out] = max(overall, key=lambda m: (fmean(overall[m][r] for r in others), m))
    return chosen


def best_means(evidence: Evidence, methods: Sequence[str], figure: str, fault: str = ALL) -> dict[int, float]:
    """Data set -> the figure of the method that was chosen for it."""
    chosen = best(evidence, methods)
    figures = {method: means(evidence, method, figure, fault) for method in set(chosen.values())}
    return {r: figures[method][r] for r, method in chosen.items() if r in figures[method]}


def chances(evidence: Evidence, figure: str, fault: str = ALL) -> dict[int, float]:
    """Data set -> what chance reaches on its cases of one kind of fault."""
    values: dict[int, list[float]] = {}
    for case in evidence.asked.values():
        if fault in case.groups:
            values.setdefault(case.realisation, []).append(FIGURES[figure][1](case))
    return {realisation: fmean(group) for realisation, group in values.items()}


def minus(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[int, float]:
    """The difference on each data set that both have."""
    return {r: ours[r] - theirs[r] for r in ours if r in theirs}


# --- verdicts ---------------------------------------------------------------------------------------------------------


def interval(values: Mapping[int, float]) -> Interval | None:
    """The mean over data sets; None where there are none."""
    return mean_interval(list(values.values())) if values else None


def decided(
    values: Mapping[int, float], holds: Callable[[Interval], bool], fails: Callable[[Interval], bool]
) -> Verdict:
    """The verdict of a claim about a mean over data sets."""
    found = interval(values)
    if found is None or found.count < ENOUGH:
        return "undecided"
    return "holds" if holds(found) else "fails" if fails(found) else "undecided"


def at_least(values: Mapping[int, float], bar: float) -> Verdict:
    """Whether the mean is at least that."""
    return decided(values, lambda i: i.low >= bar, lambda i: i.high < bar)


def below(values: Mapping[int, float], bar: float) -> Verdict:
    """Whether the mean is below that."""
    return decided(values, lambda i: i.high < bar, lambda i: i.low >= bar)


def above(values: Mapping[int, float], bar: float) -> Verdict:
    """Whether the mean is above that."""
    return decided(values, lambda i: i.low > bar, lambda i: i.high <= bar)


def near(values: Mapping[int, float], margin: float) -> Verdict:
    """Whether the mean is zero up to a margin on either side."""
    return decided(
        values, lambda i: i.low > -margin and i.high < margin, lambda i: i.low >= margin or i.high <= -margin
    )


# --- the findings -----------------------------------------------------------------------------------------------------


def multi_source_is_best(paper: Evidence) -> Finding:
    """Finding 1: multi-source methods reach the highest accuracy."""
    need = [*MULTI_SOURCE, *METRIC, *TRACE]
    claims = []
    for group, name in ((METRIC, "metric"), (TRACE, "trace")):
        text = f"best multi-source minus best {name} method, Avg@5 over all faults: above 0"
        claims.append(
            _claim(
                paper,
                need,
                text,
                partial(_lead, paper, MULTI_SOURCE, group, "Avg@5"),
                partial(above, bar=0.0),
            )
        )
    for figure, fault, bar in (("AC@1", MEMORY, MULTI_MEMORY), ("Avg@5", NETWORK, MULTI_NETWORK)):
        claims.append(
            _claim(
                paper,
                MULTI_SOURCE,
                f"best multi-source method, {figure} on {fault} faults: at least {bar}",
                partial(best_means, paper, MULTI_SOURCE, figure, fault),
                partial(at_least, bar=bar),
            )
        )
    return Finding("Multi-source methods are best", tuple(claims))


def _lead(evidence: Evidence, ours: Sequence[str], theirs: Sequence[str], figure: str) -> dict[int, float]:
    """Data set -> how far the best of a group is ahead of the best of another."""
    return minus(best_means(evidence, ours, figure), best_means(evidence, theirs, figure))


def statistics_beat_causal_graphs(paper: Evidence) -> Finding:
    """Finding 2: NSigma, CIRCA, BARO and RCD reach AC@1 of 0.70 on most faults, causal-graph methods do not."""
    claims = [_on_most(paper, method, True) for method in MODERN]
    return Finding(
        f"NSigma, CIRCA, BARO and RCD reach AC@1 of {REACHED:.2f} on most faults, causal-graph methods do not",
        (*claims, *(_on_most(paper, method, False) for method in CLASSICAL)),
    )


def _on_most(paper: Evidence, method: str, reaches: bool) -> Claim:
    """Whether a method's AC@1 is at least `REACHED` on three of the four kinds of fault, or, is not."""
    text = f"{method}: AC@1 at least {REACHED:.2f} on {'at least' if reaches else 'fewer than'} 3 of 4 kinds of fault"
    if paper.missing([method]):
        return Claim(text, "undecided", None, note=f"not run: {method}")
    by_kind = {fault: means(paper, method, "AC@1", fault) for fault in KINDS}
    verdicts = [at_least(values, REACHED) for values in by_kind.values()]
    most: Verdict = "undecided"
    if verdicts.count("holds") >= 3:
        most = "holds"
    elif verdicts.count("fails") >= 2:
        most = "fails"
    if not reaches:
        most = {"holds": "fails", "fails": "holds", "undecided": "undecided"}[most]  # type: ignore[assignment]
    figures = ", ".join(f"{fault} {_short(interval(values))}" for fault, values in by_kind.items())
    return Claim(text, most, None, note=figures)


def traces_fail(paper: Evidence) -> Finding:
    """Finding 3: trace-only methods fail, and blame the gateway or the head."""
    claims = []
    for method in TRACE:
        claims.append(
            _claim(
                paper,
                [method],
                f"{method}: AC@1 over all faults below {TRACE_AT_MOST}",
                partial(means, paper, method, "AC@1"),
                partial(below, bar=TRACE_AT_MOST),
            )
        )
        claims.append(
            _claim(
                paper,
                [method],
                f"{method}: names {' or '.join(ENTRANCES)} first in more than half of the cases",
                partial(_blames, paper, method, ENTRANCES),
                partial(above, bar=0.5),
            )
        )
    return Finding("Trace-only methods fail: they blame the gateway or the head", tuple(claims))


def _blames(evidence: Evidence, method: str, services: Sequence[str]) -> dict[int, float]:
    """Data set -> the share of its cases in which a method names one of some services first."""
    named: dict[int, list[float]] = {}
    for name, outcome in evidence.by_method.get(method, {}).items():
        first = next((rank for rank in outcome.ranks if rank in evidence.asked[name].candidates), "")
        named.setdefault(evidence.asked[name].realisation, []).append(float(first in services))
    return {realisation: fmean(group) for realisation, group in named.items()}


def throttling_is_not_seen(paper: Evidence, shifts: Mapping[str, tuple[float, float]]) -> Finding:
    """Finding 4: a power-throttled GPU is not seen by the standard metrics: as busy as before, and slower.

    `shifts`: case -> how far the culprit's GPU utilisation moved (percentage points) and its requests' durations
    (relative), in the minute after the injection against all before.
    """
    by_set: dict[int, list[tuple[float, float]]] = {}
    for name, moved in shifts.items():
        by_set.setdefault(paper.asked[name].realisation, []).append(moved)
    flat = {r: fmean(utilisation for utilisation, _ in moved) for r, moved in by_set.items()}
    slower = {r: 100.0 * fmean(duration for _, duration in moved) for r, moved in by_set.items()}
    seen = _claim(
        paper,
        METRIC,
        f"best metric method, AC@1 on {GPU} faults minus chance: below {NEAR_CHANCE}",
        lambda: minus(best_means(paper, METRIC, "AC@1", GPU), chances(paper, "AC@1", GPU)),
        partial(below, bar=NEAR_CHANCE),
    )
    return Finding(
        "A power-throttled GPU is not seen by the standard metrics: it gets slower at the same utilisation",
        (
            Claim(f"its utilisation moves by less than {FLAT:g} points", near(flat, FLAT), interval(flat), "points"),
            Claim("requests on it take longer: above 0 %", above(slower, 0.0), interval(slower), "%"),
            seen,
        ),
    )


def more_telemetry_helps(profiles: Mapping[str, Evidence]) -> Finding:
    """Finding 5, the study's guideline: with signals of the LLM engine, causes are found that are not found without."""
    claims = []
    paper = profiles.get(PAPER)
    for profile, counts in (("serving", True), ("enriched", False)):
        richer = profiles.get(profile)
        for group, name in ((PUBLISHED, "published"), (OURS, "of ours")):
            text = f"best method {name}, AC@1 on {GPU} faults: `{profile}` minus `paper` above 0"
            if paper is None or richer is None:
                claims.append(Claim(text, "undecided", None, note=f"no data set of profile {profile}", counts=counts))
                continue
            run = paper.by_method.keys() & richer.by_method.keys()
            there = [m for m in group if m in run and not paper.missing([m]) and not richer.missing([m])]
            note = f"best of {len(there)} that were run on both" if there else "nothing run"
            values = (
                minus(best_means(richer, there, "AC@1", GPU), best_means(paper, there, "AC@1", GPU)) if there else {}
            )
            claims.append(
                Claim(text, above(values, 0.0), interval(values), note=note, counts=counts and group is PUBLISHED)
            )
    return Finding("Signals of the LLM engine (profile `serving`) help: the study's guideline", tuple(claims))


OURS = ("two-sided-baro", "two-sided-nsigma", "topology")
"""Our rankers that read metrics."""


def findings(profiles: Mapping[str, Evidence], shifts: Mapping[str, tuple[float, float]]) -> list[Finding]:
    """All five; those without evidence of profile `paper` are left out."""
    paper = profiles.get(PAPER)
    if paper is None:
        return []
    return [
        multi_source_is_best(paper),
        statistics_beat_causal_graphs(paper),
        traces_fail(paper),
        throttling_is_not_seen(paper, shifts),
        more_telemetry_helps(profiles),
    ]


def _claim(
    evidence: Evidence,
    needed: Sequence[str],
    text: str,
    figure: Callable[[], dict[int, float]],
    verdict: Callable[[dict[int, float]], Verdict],
) -> Claim:
    missing = evidence.missing(needed)
    if missing:
        return Claim(text, "undecided", None, note=f"not run: {', '.join(missing)}")
    values = figure()
    return Claim(text, verdict(values), interval(values), note=evidence.gaps(needed))


def _short(found: Interval | None) -> str:
    return "–" if found is None else f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"
