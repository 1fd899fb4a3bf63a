"""What a fault does to its culprit: how busy its GPU is, and how long its requests take."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from experiments.bench.rca.cases import DataSet
from experiments.bench.rca.scores import Asked
from llm.ranking.case import Case, read_case

AFTER = 60.0
"""Seconds since the injection that are looked at: as long as the study's faults last."""
GPU = "_ctn_gpu"
"""The column of a container's GPU utilisation, per cent."""


def shift(case: Case, service: str) -> tuple[float, float] | None:
    """How far the GPU utilisation moved (percentage points) and the durations of its requests (relative).

    The means of the minute since the injection minus those of all before; durations by when the requests ended. None
    where the case shows no GPU or no requests of the service on both sides.
    """
    if service + GPU not in case.columns or service not in case.spans.services:
        return None
    busy = case.values[:, case.columns.index(service + GPU)]
    since = (case.times > case.inject_time) & (case.times <= case.inject_time + AFTER)
    mine = case.spans.service == case.spans.services.index(service)
    ends, durations = (case.spans.start + case.spans.duration)[mine], case.spans.duration[mine]
    ended = (ends > case.inject_time) & (ends <= case.inject_time + AFTER)
    before, after = _mean(durations[ends <= case.inject_time]), _mean(durations[ended])
    moved = _mean(busy[since]) - _mean(busy[case.times <= case.inject_time])
    return None if math.isnan(moved + before + after) else (moved, after / before - 1.0)


def moved(data: DataSet, asked: Mapping[str, Asked], fault: str) -> dict[str, tuple[float, float]]:
    """The shifts of the culprits of a data set's cases with one kind of fault: case -> shift."""
    there = {f"{data.realisation}/{entry.name}": entry for entry in data.entries if entry.fault == fault}
    found = {
        name: shift(read_case(entry.folder), asked[name].answers[0]) for name, entry in there.items() if name in asked
    }
    return {name: by for name, by in found.items() if by is not None}


def _mean(values: np.ndarray) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else math.nan
