"""What a fault does to its culprit: how busy its GPU is, and how long its requests take."""

from __future__ import annotations

import math

import numpy as np

from llm.ranking.case import Case

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


def _mean(values: np.ndarray) -> float:
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else math.nan
