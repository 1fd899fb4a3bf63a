"""A window as arrays: what the encoders are given.

The arrays hold names as numbers of a `Vocabulary` and nothing that was fitted, so that windows can be turned into
features while they are still being collected. Only what a window shows is used: rendered lines, scraped values,
alarms and the inventory (invariant: oracle boundary).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from llm.lines import LineReader
from llm.templates import FIELDS
from llm.vocabulary import Vocabulary
from twin.telemetry.records import LEVELS
from twin.telemetry.window import Window

RECENT = 0.25
"""The last share of a window that counts as recent."""

COUNT, LATE, AGE, NUMBERS = 0, 1, 2, 3
"""Columns of `log_values`: lines, recent lines, age of the newest as a share of the window, then `FIELDS` numbers."""
LOG_VALUES = NUMBERS + FIELDS
LINE_COUNTS = len(LEVELS) + 1
"""Columns of `line_counts`: lines by level, then lines of no known format."""
SERIES = ("last", "mean", "change", "spread")
"""Summaries of a series, of its symlog values: the last one, the mean, mean of the last less mean of the first third,
standard deviation."""
ALARM_VALUES = 3
"""Columns of `alarm_values`: firing at the end, share of the window since it began, critical."""


@dataclass(frozen=True)
class WindowFeatures:
    """One window of C components as arrays. Absent values are 0 and marked so in `present`."""

    kinds: NDArray[np.int64]
    """[C] number of each component's kind, 0 for an unknown one."""
    edges: NDArray[np.int64]
    """[E, 2] pairs of positions: who calls or runs on whom."""
    log_index: NDArray[np.int64]
    """[L, 2] (component, message or template) of each kind of line seen."""
    log_values: NDArray[np.float32]
    """[L, LOG_VALUES]."""
    line_counts: NDArray[np.float32]
    """[C, LINE_COUNTS]."""
    metrics: NDArray[np.float32]
    """[C, M, len(SERIES)] by the vocabulary's metric columns."""
    present: NDArray[np.float32]
    """[C, M] share of the scrapes that had a value."""
    answered: NDArray[np.float32]
    """[C, M] 1 where the last scrape had a value."""
    alarm_index: NDArray[np.int64]
    """[A, 2] (component, rule)."""
    alarm_values: NDArray[np.float32]
    """[A, ALARM_VALUES]."""

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def size(self) -> int:
        """The number of components."""
        return len(self.kinds)


def featurize(window: Window, reader: LineReader, vocabulary: Vocabulary) -> WindowFeatures:
    """The features of one window. Kinds and rules that the vocabulary lacks count as unknown, metrics are dropped."""
    log_index, log_values, line_counts = summarise_logs(window, reader)
    metrics, present, answered = summarise_metrics(window, vocabulary)
    alarm_index, alarm_values = summarise_alarms(window, vocabulary)
    return WindowFeatures(
        kinds=np.array([vocabulary.kinds.get(node.kind, 0) for node in window.topology.components], dtype=np.int64),
        edges=neighbours(window),
        log_index=log_index,
        log_values=log_values,
        line_counts=line_counts,
        metrics=metrics,
        present=present,
        answered=answered,
        alarm_index=alarm_index,
        alarm_values=alarm_values,
    )


def symlog(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sign-preserving logarithm, sign(x) log(1 + |x|): one scale for seconds, bytes and counts (Hafner et al. 2023)."""
    return np.sign(values) * np.log1p(np.abs(values))


def neighbours(window: Window) -> NDArray[np.int64]:
    """[E, 2] calls and placements between components that the inventory lists."""
    index = window.topology.index
    pairs = list(window.topology.edges)
    pairs += [(node.name, node.place) for node in window.topology.components if node.place is not None]
    known = [(index[a], index[b]) for a, b in pairs if a in index and b in index]
    return np.array(known, dtype=np.int64).reshape(-1, 2)


def summarise_logs(
    window: Window, reader: LineReader
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Log index, log values and line counts of a window; lines of components outside the inventory are passed over."""
    index = window.topology.index
    span = max(window.end - window.start, 1e-9)
    late = window.end - RECENT * span
    counts = np.zeros((len(index), LINE_COUNTS), dtype=np.float32)
    rows: dict[tuple[int, int], list[float]] = {}
    for line in window.logs:
        component = index.get(line.component)
        if component is None:
            continue
        event = reader.event(line)
        counts[component, event.level] += 1
        if not event.has_header:
            counts[component, -1] += 1
        row = rows.get((component, event.message))
        if row is None:
            row = rows[component, event.message] = [0.0] * LOG_VALUES
        row[COUNT] += 1
        row[LATE] += line.time > late
        row[AGE] = (window.end - line.time) / span
        for i, number in enumerate(event.numbers, start=NUMBERS):
            row[i] += number
    order = sorted(rows)
    values = np.array([rows[key] for key in order], dtype=np.float64).reshape(-1, LOG_VALUES)
    values[:, NUMBERS:] = symlog(values[:, NUMBERS:] / np.maximum(values[:, COUNT : COUNT + 1], 1.0))
    return np.array(order, dtype=np.int64).reshape(-1, 2), values.astype(np.float32), counts


def renumber(features: WindowFeatures, templates: NDArray[np.int64]) -> WindowFeatures:
    """Replace message numbers by `templates[message]`, joining the rows that become one."""
    index = features.log_index.copy()
    index[:, 1] = templates[index[:, 1]]
    unique, inverse = np.unique(index, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    old = features.log_values.astype(np.float64)
    values = np.zeros((len(unique), LOG_VALUES))
    np.add.at(values[:, COUNT], inverse, old[:, COUNT])
    np.add.at(values[:, LATE], inverse, old[:, LATE])
    values[:, AGE] = 1.0
    np.minimum.at(values[:, AGE], inverse, old[:, AGE])
    for column in range(NUMBERS, LOG_VALUES):  # the mean of what was symlogged, weighted by lines
        numbers = np.sign(old[:, column]) * np.expm1(np.abs(old[:, column]))
        np.add.at(values[:, column], inverse, numbers * old[:, COUNT])
    values[:, NUMBERS:] = symlog(values[:, NUMBERS:] / np.maximum(values[:, COUNT : COUNT + 1], 1.0))
    arrays = features.arrays() | {"log_index": unique.reshape(-1, 2), "log_values": values.astype(np.float32)}
    return WindowFeatures(**arrays)  # type: ignore[arg-type]


def summarise_metrics(
    window: Window, vocabulary: Vocabulary
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Summaries [C, M, S], share present [C, M] and last answered [C, M], by the vocabulary's columns.

    Counters become rates per second (after a reset: what was counted since), sums of a histogram the mean of what
    was observed between two scrapes.
    """
    columns = vocabulary.columns(window.features)
    known = np.flatnonzero(columns >= 0)
    raw = window.metrics.astype(np.float64)
    series = raw.copy()
    times = np.asarray(window.scrape_times, dtype=np.float64)
    counters = np.array([i for i in known if vocabulary.is_counter(window.features[i])], dtype=np.intp)
    if len(counters):
        series[:, counters] = _rates(raw[:, counters], times)
        _divide_sums(series, raw, window.features)
    width = len(vocabulary.metrics)
    summary = np.zeros((len(raw), width, len(SERIES)), dtype=np.float32)
    present = np.zeros((len(raw), width), dtype=np.float32)
    answered = np.zeros_like(present)
    if raw.shape[2]:
        target = columns[known]
        summary[:, target] = _summaries(symlog(series[:, known]))
        present[:, target] = np.isfinite(raw[:, known]).mean(axis=2)
        answered[:, target] = np.isfinite(raw[:, known, -1])
    return summary, present, answered


def _rates(values: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """[C, K, T] increase per second since the scrape before; absent at the first."""
    rates = np.full_like(values, np.nan)
    if values.shape[2] > 1:
        before, now = values[:, :, :-1], values[:, :, 1:]
        rates[:, :, 1:] = np.where(now < before, now, now - before) / np.maximum(np.diff(times), 1e-9)
    return rates


def _divide_sums(series: NDArray[np.float64], raw: NDArray[np.float64], names: Sequence[str]) -> None:
    """Turn the rate of `X_sum` into the mean observation, where `X_count` is scraped as well."""
    position = {name: i for i, name in enumerate(names)}
    for name, i in position.items():
        count = position.get(name.removesuffix("_sum") + "_count") if name.endswith("_sum") else None
        if count is not None:
            rate = series[:, count]
            series[:, i] = np.where(rate > 0, series[:, i] / np.where(rate > 0, rate, 1.0), np.nan)


def _summaries(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[C, K, T] -> [C, K, S]; 0 where a series has no value at all."""
    there = np.isfinite(values)
    filled = np.where(there, values, 0.0)
    count = there.sum(axis=2)
    mean = filled.sum(axis=2) / np.maximum(count, 1)
    spread = np.sqrt(np.where(there, (filled - mean[..., None]) ** 2, 0.0).sum(axis=2) / np.maximum(count, 1))
    newest = values.shape[2] - 1 - np.argmax(there[:, :, ::-1], axis=2)
    last = np.take_along_axis(filled, newest[..., None], axis=2)[..., 0]
    third = max(1, values.shape[2] // 3)
    early, late = (
        np.where(
            there[:, :, part].any(axis=2),
            filled[:, :, part].sum(axis=2) / np.maximum(there[:, :, part].sum(axis=2), 1),
            mean,
        )
        for part in (slice(0, third), slice(-third, None))
    )
    return np.stack([last, mean, late - early, spread], axis=2)


def summarise_alarms(window: Window, vocabulary: Vocabulary) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Alarm index [A, 2] and values [A, ALARM_VALUES]."""
    index = window.topology.index
    span = max(window.end - window.start, 1e-9)
    rows = [
        (
            (index[alarm.component], vocabulary.rules.get(alarm.rule, 0)),
            (
                float(alarm.resolved is None or alarm.resolved > window.end),
                min(1.0, max(0.0, (window.end - alarm.time) / span)),
                float(alarm.severity == "critical"),
            ),
        )
        for alarm in window.alarms
        if alarm.component in index
    ]
    return (
        np.array([row[0] for row in rows], dtype=np.int64).reshape(-1, 2),
        np.array([row[1] for row in rows], dtype=np.float32).reshape(-1, ALARM_VALUES),
    )
