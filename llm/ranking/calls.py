"""What spans say: which part of the calls became late, which failed by themselves, which do not come any more.

A call from a caller to a callee has three parts: until the callee begins, the callee's own, and from its end to the
caller's. The first is the caller's (its queue, its side of the network), the second and third the callee's: so a
latency is laid at one service's door without any model of it. Each finding is one number a service, in standard
deviations: how far it is beyond what chance does where all is as before.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm.ranking.case import Case, Spans
from llm.ranking.peers import peers

USUAL = 0.95
"""Quantile of a part's lengths before the injection beyond which it counts as late."""
NOTICED = 0.001
"""Share of a call's duration that a part must have grown by to count as late."""
BLOCK = 30.0
"""Seconds of which the variation of durations is taken."""
LEAST_DOUBT = 0.001
"""Standard deviation of that chance at least."""
HORIZONS = (60.0, 150.0, np.inf)
"""Seconds since the injection over which durations are compared: some faults are short, others take their time."""
LONGER = 0.005
"""Share of a duration by which a call must be longer than a peer's to count as longer."""
FEWEST = 5
"""Calls before and after that can be compared."""


@dataclass(frozen=True)
class Calls:
    """Evidence of the spans, each a score by service, in standard deviations."""

    late: dict[str, float]
    """Parts of calls that are later than before."""
    slow: dict[str, float]
    """Longer calls of its own than its peers have, compared with before."""
    failing: dict[str, float]
    """Failures that no call of its own explains."""
    fewer: dict[str, float]
    """Calls that it does not answer any more."""


def calls(case: Case) -> Calls:
    """What the spans of a case say."""
    spans = case.spans
    if not len(spans):
        return Calls({}, {}, {}, {})
    after = spans.start >= case.inject_time
    child = np.flatnonzero(spans.parent >= 0)
    return Calls(
        _late(spans, child, after),
        _own(spans, child, after) | _slow(case, child, after),
        _failing(spans, child, after),
        _fewer(case, after),
    )


def _late(spans: Spans, child: NDArray[np.intp], after: NDArray[np.bool_]) -> dict[str, float]:
    parent = spans.parent[child]
    lead = spans.start[child] - spans.start[parent]
    tail = spans.start[parent] + spans.duration[parent] - spans.start[child] - spans.duration[child]
    edge = spans.service[parent] * len(spans.services) + spans.service[child]
    late: dict[str, float] = defaultdict(float)
    for one in np.unique(edge):
        mine = edge == one
        caller, callee = (spans.services[int(i)] for i in divmod(one, len(spans.services)))
        noticed = NOTICED * float(np.median(spans.duration[child[mine]]))
        since = after[child[mine]]
        for part, blamed in ((lead[mine], caller), (tail[mine], callee)):
            if FEWEST <= since.sum() <= len(since) - FEWEST:
                bar = np.quantile(part[~since], USUAL) + noticed
                late[blamed] = max(late[blamed], more(part > bar, since))
    return dict(late)


def _own(spans: Spans, child: NDArray[np.intp], after: NDArray[np.bool_]) -> dict[str, float]:
    """What is left of a service's durations without the calls it made itself, for services without peers. Where it
    usually makes some, only when it did: waiting for one that never began is not its own."""
    calling = np.zeros(len(spans), np.bool_)
    calling[spans.parent[child]] = True
    inside = np.bincount(spans.parent[child], weights=spans.duration[child], minlength=len(spans))
    own = np.maximum(spans.duration - inside, 0.0)
    of = peers(spans.services)
    found = {}
    for i, service in enumerate(spans.services):
        mine = spans.service == i
        if np.any(mine & ~after) and calling[mine & ~after].mean() > 0.5:
            mine &= calling
        since = after[mine]
        if not of[service] and FEWEST <= since.sum() <= len(since) - FEWEST:
            bar = np.quantile(own[mine][~since], USUAL) + NOTICED * np.median(spans.duration[mine])
            found[service] = more(own[mine] > bar, since)
    return found


def _slow(case: Case, child: NDArray[np.intp], after: NDArray[np.bool_]) -> dict[str, float]:
    """How much more often a service's calls are longer than its peers' since the injection than before.

    Calls that run together are long together, so the certainty of a count of independent ones would be far too large:
    how much that chance varies from one `BLOCK` to the next before the injection says how much it does by itself.
    """
    spans = case.spans
    leaf = np.ones(len(spans), np.bool_)
    leaf[spans.parent[child]] = False
    of = peers(spans.services)
    number = {name: i for i, name in enumerate(spans.services)}
    block = np.floor((spans.start - case.inject_time) / BLOCK)
    changes: dict[str, list[tuple[float, float]]] = {}
    scatter: list[float] = []
    for i, service in enumerate(spans.services):
        others = np.isin(spans.service, [number[other] for other in of[service]]) & leaf
        mine = (spans.service == i) & leaf
        if not of[service] or not mine.any():
            continue

        def chance(
            when: NDArray[np.bool_], mine: NDArray[np.bool_] = mine, others: NDArray[np.bool_] = others
        ) -> float:
            return longer(spans.duration[mine & when], spans.duration[others & when])

        usual = chance(~after)
        scatter += [(chance(block == one) - usual) ** 2 for one in np.unique(block[~after])]
        changes[service] = [
            (chance(after & (spans.start < case.inject_time + horizon)) - usual, horizon) for horizon in HORIZONS
        ]
    known = [one for one in scatter if np.isfinite(one)]
    if len(known) <= max(FEWEST, len(changes)):
        return {}
    doubt = max(float(np.sqrt(sum(known) / (len(known) - len(changes)))), LEAST_DOUBT)  # each has its own mean
    before, end = case.inject_time - float(spans.start.min()), float(spans.start.max()) - case.inject_time
    return {
        service: max(
            (
                change / (doubt * float(np.sqrt(BLOCK / before + BLOCK / max(BLOCK, min(horizon, end)))))
                for change, horizon in found
                if change > 0.0
            ),
            default=0.0,
        )
        for service, found in changes.items()
    }


def _failing(spans: Spans, child: NDArray[np.intp], after: NDArray[np.bool_]) -> dict[str, float]:
    passed_on = np.zeros(len(spans), np.bool_)
    passed_on[spans.parent[child[spans.failed[child]]]] = True
    by_itself = spans.failed & ~passed_on
    return {
        service: more(by_itself[mine], after[mine])
        for i, service in enumerate(spans.services)
        if (mine := spans.service == i).any()
    }


def _fewer(case: Case, after: NDArray[np.bool_]) -> dict[str, float]:
    spans = case.spans
    begin, end = float(spans.start.min()), float(spans.start.max())
    share = (end - case.inject_time) / max(case.inject_time - begin, 1e-9)
    answered = ~spans.failed
    before = np.bincount(spans.service[~after & answered], minlength=len(spans.services))
    since = np.bincount(spans.service[after & answered], minlength=len(spans.services))
    fewer = {}
    for i, service in enumerate(spans.services):
        expected = before[i] * share
        if expected > 0:
            fewer[service] = max(0.0, (expected - since[i]) / np.sqrt(expected * (1.0 + share)))
    return fewer


def more(hit: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """How much larger the share of hits is after than before, in standard deviations: two proportions, pooled, with a
    hit and a miss added to the pool so that neither is impossible. Zero where there are too few of either."""
    n, m = int((~after).sum()), int(after.sum())
    if min(n, m) < FEWEST:
        return 0.0
    before, since = int((hit & ~after).sum()), int((hit & after).sum())
    pooled = (before + since + 1) / (n + m + 2)
    return max(0.0, (since / m - before / n) / float(np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))))


def longer(mine: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The probability that one of mine is longer than one of the others: Mann and Whitney's statistic, 1947; NaN where
    there are too few."""
    if len(mine) < FEWEST or len(others) < FEWEST:
        return np.nan
    others = np.sort(others)
    shorter = np.searchsorted(others, mine / (1.0 + LONGER))
    return float(shorter.sum()) / (len(mine) * len(others))
