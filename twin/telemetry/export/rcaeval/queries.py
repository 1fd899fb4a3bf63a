"""What a column asks of series: a value or a rate, over one series or several. NaN where none of them is there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from twin.telemetry.export.promql import Samples
from twin.telemetry.export.rcaeval.past import Buckets, Past

Query = Callable[[], float]
"""The answer at the scrape that was pushed last."""

finite = math.isfinite


def total(values: Iterable[float]) -> float:
    """The sum of what is there, as Prometheus' `sum` has it."""
    there = [value for value in values if finite(value)]
    return sum(there) if there else math.nan


def value(samples: Samples) -> Query:
    """The last value."""
    return lambda: samples.value


def rates(series: Sequence[Samples]) -> Query:
    """The sum of the rates over a minute."""
    return lambda: total(samples.rate() for samples in series)


def average(series: Sequence[Samples]) -> Query:
    """The mean of the last values."""

    def ask() -> float:
        there = [samples.value for samples in series if finite(samples.value)]
        return sum(there) / len(there) if there else math.nan

    return ask


def highest(series: Sequence[Samples]) -> Query:
    """The highest of the last values."""
    return lambda: max((samples.value for samples in series if finite(samples.value)), default=math.nan)


def bits_set(series: Sequence[Samples], bits: int) -> Query:
    """1 where a last value has one of the bits, else 0."""
    return lambda: max(
        (float(bool(int(samples.value) & bits)) for samples in series if finite(samples.value)), default=math.nan
    )


def of_both(part: Samples, whole: Samples) -> Query:
    """The quotient of two rates over a minute: the mean of what a histogram observed, from its sum and count."""

    def ask() -> float:
        count = whole.rate()
        return part.rate() / count if count > 0.0 else math.nan

    return ask


def quantile(buckets: Buckets, q: float) -> Query:
    """The q-quantile of what a histogram observed within a minute."""
    return lambda: buckets.quantile(q, Samples.rate)


def busy_share(past: Past, machine: str) -> Query:
    """The share of a machine's CPU time within a minute that was neither idle nor waiting for its disk."""
    series = [
        past.series(machine, f'node_cpu_seconds_total{{mode="{m}"}}') for m in ("user", "system", "iowait", "idle")
    ]

    def ask() -> float:
        spent = [samples.rate() for samples in series]
        everything = sum(spent)
        return (spent[0] + spent[1]) / everything if everything > 0.0 else math.nan

    return ask
