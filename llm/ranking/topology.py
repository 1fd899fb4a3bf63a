"""Our own ranking of root causes, from metrics, traces, logs and the graph of who depends on whom. Five steps:

1. *Measure*, each service, each source, in either direction, against its own time before the injection: metrics by
   order statistics as BARO does (`deviations.py`), the parts of calls (`calls.py`), lines that are new or lost
   (`lines.py`). What is vanished counts as what has moved.
2. *Compare with peers* (`peers.py`): what all replicas have, came from outside.
3. *Weigh*: each source hands out one share of blame, in proportion to the squares of its scores, less where all of them
   are within its noise. A source that points at one service counts; one that points everywhere does not (Fox and Shaw's
   CombSUM of 1994, on normalised scores).
4. *Explain away* (`explaining.py`): blame for symptoms walks from callers to callees, and from services to their host,
   as far as these have evidence of their own (the walk of MonitorRank, Kim, Sumbaly and Shah, SIGMETRICS 2013, without
   its random restarts). What a service's own resources show stays with it.
5. *Losses go the other way*: who is not called does not answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import hypot, log, sqrt
from typing import NamedTuple

from llm.evidence import Departure
from llm.ranking.calls import calls
from llm.ranking.case import Case
from llm.ranking.deviations import deviations
from llm.ranking.explaining import missing_from_callers, passed_down
from llm.ranking.lines import said_more_and_less
from llm.ranking.order import ranked
from llm.ranking.peers import peers, scores_beyond

Scores = Mapping[str, float]


class Weight(NamedTuple):
    """How much a source counts."""

    share: float
    """The blame that it hands out."""
    noise: float
    """A score that it reaches without a fault; half of the share is handed out where there is one such score."""


WEIGHTS = {"metrics": Weight(1.0, 0.5), "traces": Weight(2.0, 3.0), "logs": Weight(1.0, 3.0)}
"""Metrics are in usual ranges, the others in standard deviations. Traces count twice: a resource that departs may hurt
nobody (a neighbour's job), a call that is late does."""
SYMPTOM = 0.3
"""What a departure of a symptom counts beside one of a service's own resources."""
STAYS = 0.5
"""Evidence of what a service depends on at which half of its symptoms are explained by that."""


class Evidence(NamedTuple):
    """What the sources say before they are weighed: scores by service."""

    own: Scores
    """A service's own resources."""
    symptoms: Scores
    late: Scores
    slow: Scores
    failing: Scores
    fewer: Scores
    new: Scores
    lost: Scores


def by_topology(case: Case) -> list[str]:
    """Services by the blame that stands with them in the end."""
    return ranked(case, blame(gathered(case), depending(case)))


def gathered(case: Case) -> Evidence:
    """Steps 1, 2 and 5: what each source says of each service."""
    own, symptoms = deviations(case)
    spans = calls(case)
    more, less = said_more_and_less(case)
    of = peers(case.components)
    called = [(one, other) for one, other in case.edges if other in case.components]
    return Evidence(
        own,
        {service: SYMPTOM * score for service, score in symptoms.items()},
        spans.late,
        spans.slow,
        spans.failing,
        missing_from_callers(scores_beyond(spans.fewer, of), called),
        _by_service(more, of),
        missing_from_callers(_by_service(less, of), called),
    )


def blame(evidence: Evidence, edges: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Steps 3 and 4: the blame of each service."""
    sources = {
        "metrics": (evidence.own, evidence.symptoms),
        "traces": (evidence.late, evidence.slow, evidence.failing, evidence.fewer),
        "logs": (evidence.new, evidence.lost),
    }
    stays: dict[str, float] = defaultdict(float)
    moves: dict[str, float] = defaultdict(float)
    for source, kinds in sources.items():
        weight = WEIGHTS[source]
        total = weight.noise**2 + sum(score**2 for scores in kinds for score in scores.values())
        for scores in kinds:
            into = stays if scores is evidence.own else moves
            for service, score in scores.items():
                into[service] += weight.share * score**2 / total
    attracting = {service: stays[service] + moves[service] for service in {*stays, *moves}}
    standing = passed_down(moves, attracting, edges, STAYS)
    return {service: stays[service] + standing.get(service, 0.0) for service in attracting}


def depending(case: Case) -> list[tuple[str, str]]:
    """Who depends on whom: callers on callees, services on their host, by the host's name without the port of its
    agent, under which it may be a service too."""
    return [(one, other if other in case.components else other.partition(":")[0]) for one, other in case.edges]


def _by_service(departures: Iterable[Departure], of: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Standard deviations of each service's lines, beyond what its peers say alike: of a normal variable, that is as
    improbable as d digits at about sqrt(2 d ln 10)."""
    by_template: dict[str, dict[str, float]] = defaultdict(dict)
    for one in departures:
        by_template[one.template][one.component] = sqrt(2.0 * log(10.0) * one.surprise)
    found: dict[str, float] = defaultdict(float)
    for scores in by_template.values():
        for service, score in scores_beyond(scores, of).items():
            found[service] = hypot(found[service], score)
    return dict(found)
