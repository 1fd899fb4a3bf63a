"""What a campaign says, beside the study's figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from experiments.bench.mutations.record import Record
from experiments.bench.mutations.shares import Share, quantile
from experiments.bench.rows import Row
from twin.openstack.mutation.operators import Operator


class Reference(NamedTuple):
    """Shares that the study found for one kind of mutation."""

    fails: float
    silent: float
    """Of the failures: no API error, only a check finds the wrong state."""
    no_error: float
    """Of the failures: without any ERROR line."""
    tolerated_with_error: float
    """Of what did not fail: with an ERROR line all the same."""


STUDY: dict[str, Reference] = {
    Operator.WRONG_RETURN_VALUE: Reference(0.50, 0.23, 0.12, 0.17),
    Operator.MISSING_CALL: Reference(0.20, 0.25, 0.28, 0.01),
    Operator.THROW_EXCEPTION: Reference(0.74, 0.13, 0.03, 1.00),
    Operator.WRONG_PARAMETER: Reference(0.60, 0.15, 0.05, 0.37),
    Operator.MISSING_PARAMETER: Reference(0.76, 0.14, 0.04, 0.94),
}
"""911 tests of Cotroneo et al. (ESEC/FSE 2019), counted anew from the published logs."""
STUDY_FAILS, STUDY_SILENT, STUDY_NO_ERROR, STUDY_TOLERATED_WITH_ERROR = 0.53, 0.175, 0.08, 0.26
"""Over all of them."""
STUDY_ERROR_AFTER: dict[str, tuple[float, float, float, float]] = {
    "": (0.0, 0.0, 0.0, 0.6),
    Operator.MISSING_CALL: (0.0, 0.4, 82.0, 103.0),
    Operator.WRONG_RETURN_VALUE: (0.0, 0.0, 0.1, 1.3),
}
"""p25, p50, p75, p90 of the seconds from the mutation to the first ERROR line, all and of two kinds."""
STUDY_API_ERROR_AFTER, STUDY_CHECK_AFTER = (0.2, 1.7, 75.0, 107.0), (63.0, 68.0, 121.0, 321.0)
STUDY_SERVICES_WITH_ERROR = (0.08, 0.66, 0.14, 0.12)
"""Of the failures: ERROR lines in no service, in one, two, three or more."""

QUANTILES = (0.25, 0.5, 0.75, 0.9)
SEPARATED = 0.05
"""Kinds whose shares of failures the study holds closer than this are taken for equally harmful."""

Measure = Callable[[Sequence[Record]], Share]

MEASURES: tuple[tuple[str, Measure, str], ...] = (
    ("fails", lambda those: Share(sum(r.failed for r in those), len(those)), "fails"),
    ("silent", lambda those: _of_failures(those, lambda r: r.silent), "silent"),
    ("without ERROR", lambda those: _of_failures(those, lambda r: not r.errors), "no_error"),
    (
        "tolerated with ERROR",
        lambda those: Share(sum(bool(r.errors) for r in those if not r.failed), sum(not r.failed for r in those)),
        "tolerated_with_error",
    ),
    ("persists", lambda those: _of_failures(those, lambda r: r.persists), ""),
)
"""Name, share of records, and the field of the study's figure where there is one. The silent, those without ERROR and
those that persist are shares of the failures."""


def _of_failures(those: Sequence[Record], which: Callable[[Record], bool]) -> Share:
    failures = [record for record in those if record.failed]
    return Share(sum(which(record) for record in failures), len(failures))


def by_operator(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records by kind of mutation, the most harmful of the study first; "" for all. What broke the simulation, which
    shows nothing, is left out."""
    kinds = sorted(STUDY, key=lambda kind: -STUDY[kind].fails)
    whole = [record for record in records if not record.broke]
    return {"": whole} | {kind: [r for r in whole if r.operator == kind] for kind in kinds}


def study(kind: str, field: str) -> float | None:
    """The study's figure of a measure, of one kind or ("") of all; None where it gives none."""
    everything = {
        "fails": STUDY_FAILS,
        "silent": STUDY_SILENT,
        "no_error": STUDY_NO_ERROR,
        "tolerated_with_error": STUDY_TOLERATED_WITH_ERROR,
    }
    if not field:
        return None
    found: float = everything[field] if not kind else getattr(STUDY[kind], field)
    return found


def delays(those: Sequence[Record], of: Callable[[Record], float | None]) -> tuple[float, ...]:
    """p25, p50, p75, p90 of a delay, over the failures in which it happened."""
    values = [delay for delay in map(of, (r for r in those if r.failed)) if delay is not None]
    return tuple(quantile(values, q) for q in QUANTILES)


def same_order(records: Sequence[Record]) -> list[tuple[str, str]]:
    """The pairs of kinds, the more harmful of the study first, that come the other way round here."""
    harm = {kind: MEASURES[0][1](those).value for kind, those in by_operator(records).items() if kind}
    return [
        (worse, milder)
        for worse in harm
        for milder in harm
        if STUDY[worse].fails - STUDY[milder].fails >= SEPARATED and not harm[worse] > harm[milder]
    ]


def rows(records: Sequence[Record]) -> Iterator[Row]:
    """The campaign as figures of a benchmark: shares with their intervals beside the study's, and the two bars."""
    for kind, those in by_operator(records).items():
        for name, measure, field in MEASURES:
            share, reference = measure(those), study(kind, field)
            anchor = f"{share.count} of {share.total}, 95 % {share}"
            beside = "" if reference is None else f"; study {100 * reference:.3g} %"
            value = None if math.isnan(share.value) else 100 * share.value
            yield Row(f"mutation, {kind or 'all'}: {name}", value, "%", anchor=anchor + beside)
    wrong = same_order(records)
    told = "; ".join(f"{worse} not above {milder}" for worse, milder in wrong) or "as in the study"
    yield Row("mutation: pairs of kinds in another order of harm", len(wrong), "pairs", "0", told, not wrong)
    failures = [record for record in by_operator(records)[""] if record.failed]
    missing, added = (sum(counts) for counts in ([r.missing for r in failures], [r.added for r in failures]))
    anchor = f"{missing} missing, {added} added in {len(failures)} failures"
    ratio = missing / added if added else math.inf
    yield Row("mutation: missing events per added one", ratio, "events", "> 1", anchor, ratio > 1)
    broken = sum(bool(record.broke) for record in records)
    yield Row("mutation: experiments that broke the simulation", broken, "experiments", "0", "", not broken)
