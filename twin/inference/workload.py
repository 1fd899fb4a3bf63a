"""Clients of the inference cluster: arrivals and lengths of requests, drawn or from a trace."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twin.mechanics.llm_workload import AZURE_2023_OUTPUT, AZURE_2023_PROMPT, quantile
from twin.scenario.errors import ScenarioError
from twin.scenario.schema import Workload
from twin.streams import Streams

TRACE_COLUMNS = ("arrival_s", "prompt_tokens", "output_tokens")
DEFAULT_TOKENS = {"prompt": 512, "output": 256}
"""The lengths of the reference testbed (arXiv 2603.02057)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come. Seconds and tokens."""

    time: float
    prompt: int
    output: int


def arrivals(workload: Workload, streams: Streams) -> Iterator[Arrival]:
    """The requests of a workload in the order of arrival; endless unless it is a trace."""
    if workload.trace is not None:
        yield from read_trace(Path(workload.trace))
        return
    rate = workload.arrivals
    if rate is None:
        return
    gaps, prompts, outputs = streams["workload/gap"], streams["workload/prompt"], streams["workload/output"]
    time, number = 0.0, 0
    while True:
        mean = 1.0 / (rate.constant or rate.poisson or 1.0)
        time += mean if rate.constant else gaps.exponential(mean, number)
        yield Arrival(
            time,
            _tokens(workload.prompt, AZURE_2023_PROMPT, DEFAULT_TOKENS["prompt"], prompts.uniform(number)),
            _tokens(workload.output, AZURE_2023_OUTPUT, DEFAULT_TOKENS["output"], outputs.uniform(number)),
        )
        number += 1


def _tokens(length: int | str | None, grid: tuple[int, ...], default: int, probability: float) -> int:
    return quantile(probability, grid) if isinstance(length, str) else length or default


def read_trace(path: Path) -> Iterator[Arrival]:
    """Requests of a CSV trace with columns arrival_s, prompt_tokens, output_tokens; ``.gz`` is read as it is.

    Raises ScenarioError with file and line for a missing column, a bad number, or a time before the last one.
    """
    where = ("spec", "workload", "trace")
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        raw = opened(path, "rt", encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"cannot read the trace {path}: {error.strerror}", where) from None
    with raw as file:
        reader = csv.DictReader(file)
        missing = [c for c in TRACE_COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise ScenarioError(f"{path}:1: the trace has no column {', '.join(missing)}", where)
        last = 0.0
        for row in reader:
            at = f"{path}:{reader.line_num}"
            try:
                arrival = Arrival(float(row["arrival_s"]), int(row["prompt_tokens"]), int(row["output_tokens"]))
            except (TypeError, ValueError):
                raise ScenarioError(f"{at}: not a number in {dict(row)}", where) from None
            if not arrival.time >= last:
                raise ScenarioError(f"{at}: arrival_s {arrival.time} is before {last} of the row above", where)
            if arrival.prompt < 1 or arrival.output < 1:
                raise ScenarioError(f"{at}: prompt_tokens and output_tokens must be at least 1", where)
            last = arrival.time
            yield arrival
