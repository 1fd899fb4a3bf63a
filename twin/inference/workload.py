"""What the clients of the inference cluster ask, and when: drawn, or from a trace.

Every draw is keyed by the number of the request, so that no fault and no policy changes another request's luck.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, repeat
from pathlib import Path

from twin.inference.request import Prefix
from twin.mechanics import llm_workload
from twin.mechanics.arrivals import RateProfile, client_mix, diurnal
from twin.mechanics.distributions import Gamma, Weibull
from twin.mechanics.llm_workload import AZURE_2023_OUTPUT, AZURE_2023_PROMPT, Quantile
from twin.scenario.errors import ScenarioError
from twin.scenario.workload import Arrivals, LengthPart, Lengths, Workload
from twin.streams import Key, Stream, Streams

TRACE_COLUMNS = ("arrival_s", "prompt_tokens", "output_tokens")
PREFIX_COLUMNS = ("prefix_group", "prefix_tokens")
"""Optional columns of a trace: requests of one group begin with the same that many tokens."""

CLIENTS = 40
"""Addresses that requests come from, where the workload does not say who asks."""

MOONCAKE_BLOCK = 512
"""Tokens of a block of Mooncake's traces."""

DEFAULT_TOKENS = {"prompt": 512, "output": 256}
"""The lengths of the reference testbed (arXiv 2603.02057)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come. Seconds and tokens."""

    time: float
    prompt: int
    output: int
    prefix: Prefix = ()
    client: int = 0
    """Who asks: each client has an address of its own."""


class Asks:
    """What requests ask: lengths and shared beginnings, by the key of the request."""

    def __init__(self, workload: Workload, streams: Streams) -> None:
        self._prompt = _quantile(workload.prompt, AZURE_2023_PROMPT, DEFAULT_TOKENS["prompt"])
        self._output = _quantile(workload.output, AZURE_2023_OUTPUT, DEFAULT_TOKENS["output"])
        self._prompts, self._outputs = streams["workload/prompt"], streams["workload/output"]
        self._shared, self._prefixes = workload.prefix, streams["workload/prefix"]
        self._clients = streams["workload/client"]

    def of(self, time: float, *key: Key) -> Arrival:
        """The request of that key, which comes at `time`."""
        prompt, output = self._prompt(self._prompts.uniform(*key)), self._output(self._outputs.uniform(*key))
        return Arrival(time, prompt, output, self._prefix(prompt, key), self._clients.integer(0, CLIENTS - 1, *key))

    def _prefix(self, prompt: int, key: tuple[Key, ...]) -> Prefix:
        shared = self._shared
        if shared is None or self._prefixes.uniform(*key, "share") >= shared.share:
            return ()
        group = self._prefixes.integer(1, shared.groups, *key)
        return ((f"system {group}", min(shared.tokens, prompt)),)


def arrivals(workload: Workload, streams: Streams) -> Iterator[Arrival]:
    """The requests of a workload in the order of arrival; endless unless it is a trace, none for a closed loop."""
    if workload.trace is not None:
        yield from read_trace(Path(workload.trace))
        return
    if workload.arrivals is None or workload.arrivals.concurrency is not None:
        return
    asks = Asks(workload, streams)
    mix = workload.arrivals.mix
    if mix is not None:
        for number, (time, client) in enumerate(_mix(mix.rate, mix.clients, streams["workload/gap"])):
            yield replace(asks.of(time, number), client=client)
        return
    for number, time in enumerate(times(workload.arrivals, streams)):
        yield asks.of(time, number)


def times(form: Arrivals, streams: Streams) -> Iterator[float]:
    """The arrival times of an open workload, in order; endless unless a profile ends at rate 0."""
    gaps = streams["workload/gap"]
    if form.constant is not None:
        return _constant(1.0 / form.constant)
    if form.poisson is not None:
        return _poisson(1.0 / form.poisson, gaps)
    if form.gamma is not None:
        return _renewal(Gamma.of(1.0 / form.gamma.rate, form.gamma.cv), gaps)
    if form.weibull is not None:
        return _renewal(Weibull.of(1.0 / form.weibull.rate, form.weibull.cv), gaps)
    if form.mix is not None:
        return (time for time, _ in _mix(form.mix.rate, form.mix.clients, gaps))
    profile = _profile(form)
    return iter(()) if profile is None else _rescaled(profile, gaps)


def nominal_rate(workload: Workload) -> Callable[[float], float] | None:
    """Requests a second that a workload means to send at a time; of a trace, its mean.

    None where only a run can tell: in a closed loop.
    """
    if workload.trace is not None:
        count, last = 0, 0.0
        for arrival in read_trace(Path(workload.trace)):
            count, last = count + 1, arrival.time
        return _always(count / last if last > 0 else 0.0)
    form = workload.arrivals
    if form is None or form.concurrency is not None:
        return None
    profile = _profile(form)
    if profile is not None:
        return profile.rate
    renewal = form.gamma or form.weibull or form.mix
    return _always((renewal.rate if renewal else form.constant or form.poisson) or 0.0)


def _always(rate: float) -> Callable[[float], float]:
    return lambda _: rate


def _profile(form: Arrivals) -> RateProfile | None:
    if form.profile is not None:
        return RateProfile([(point.at, point.rate) for point in form.profile])
    return diurnal(form.diurnal.rate, form.diurnal.start / 3600.0) if form.diurnal is not None else None


def _constant(gap: float) -> Iterator[float]:
    time = 0.0
    while True:
        time += gap
        yield time


def _poisson(mean: float, gaps: Stream) -> Iterator[float]:
    time, number = 0.0, 0
    while True:
        time += gaps.exponential(mean, number)
        yield time
        number += 1


def _renewal(gap: Gamma | Weibull, gaps: Stream, *key: Key) -> Iterator[float]:
    """A stationary renewal process: the first gap is what is left of one that began before."""
    time = gap.residual(partial(gaps.uniform, *key, "first"))
    for number in count(1):
        yield time
        time += gap.sample(partial(gaps.uniform, *key, number))


def _rescaled(profile: RateProfile, gaps: Stream) -> Iterator[float]:
    expected = 0.0
    for unit in _poisson(1.0, gaps):
        expected = profile.reached(unit)
        if math.isinf(expected):
            return
        yield expected


def _mix(rate: float, clients: int, gaps: Stream) -> Iterator[tuple[float, int]]:
    """The merged arrivals of independent clients: (time, client)."""
    sources = []
    for i, client in enumerate(client_mix(clients)):
        family = Weibull if client.weibull else Gamma
        renewal = _renewal(family.of(1.0 / (rate * client.share), client.cv), gaps, "client", i)
        sources.append(zip(renewal, repeat(i)))
    return heapq.merge(*sources)


def _quantile(length: int | str | Lengths | None, grid: tuple[int, ...], default: int) -> Quantile:
    if isinstance(length, str):
        return lambda uniform: llm_workload.quantile(uniform, grid)
    if not isinstance(length, Lengths):
        return llm_workload.fixed(length or default)
    if length.mixture is not None:
        return llm_workload.mixture([(part.weight, _part(part)) for part in length.mixture])
    return _part(length)


def _part(part: Lengths | LengthPart) -> Quantile:
    if part.between is not None:
        return llm_workload.between(*part.between)
    if part.lognormal is not None:
        return llm_workload.lognormal(part.lognormal.median, part.lognormal.sigma)
    assert isinstance(part, LengthPart) and part.tokens is not None
    return llm_workload.fixed(part.tokens)


def read_trace(path: Path) -> Iterator[Arrival]:
    """Requests of a trace in the order of arrival; ``.gz`` is read as it is.

    CSV: columns arrival_s, prompt_tokens, output_tokens; with prefix_group and prefix_tokens, requests of one group
    begin with the same that many tokens (empty: none). ``.jsonl``: Mooncake's fields timestamp (ms), input_length,
    output_length and hash_ids, one for each 512 tokens of the prompt and all before them.
    Raises ScenarioError with file and line for a missing column, a bad number, or a time before the last one.
    """
    where = ("spec", "workload", "trace")
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        raw = opened(path, "rt", encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"cannot read the trace {path}: {error.strerror}", where) from None
    mooncake = ".jsonl" in path.suffixes[-2:]
    with raw as file:
        last = 0.0
        for line, arrival in _mooncake(path, file) if mooncake else _csv(path, file):
            at = f"{path}:{line}"
            if not arrival.time >= last:
                raise ScenarioError(f"{at}: arrival_s {arrival.time} is before {last} of the row above", where)
            if arrival.prompt < 1 or arrival.output < 1:
                raise ScenarioError(f"{at}: prompt_tokens and output_tokens must be at least 1", where)
            last = arrival.time
            yield arrival


def _csv(path: Path, file: Iterable[str]) -> Iterator[tuple[int, Arrival]]:
    where = ("spec", "workload", "trace")
    reader = csv.DictReader(file)
    columns = reader.fieldnames or ()
    wanted = TRACE_COLUMNS + (PREFIX_COLUMNS if any(c in columns for c in PREFIX_COLUMNS) else ())
    missing = [c for c in wanted if c not in columns]
    if missing:
        raise ScenarioError(f"{path}:1: the trace has no column {', '.join(missing)}", where)
    for row in reader:
        try:
            prompt = int(row["prompt_tokens"])
            prefix: Prefix = ()
            if row.get("prefix_group"):
                prefix = ((f"system {row['prefix_group']}", min(prompt, int(row["prefix_tokens"]))),)
            arrival = Arrival(float(row["arrival_s"]), prompt, int(row["output_tokens"]), prefix)
        except (TypeError, ValueError):
            raise ScenarioError(f"{path}:{reader.line_num}: not a number in {dict(row)}", where) from None
        yield reader.line_num, arrival


def _mooncake(path: Path, file: Iterable[str]) -> Iterator[tuple[int, Arrival]]:
    for number, line in enumerate(file, 1):
        try:
            row = json.loads(line)
            prompt = int(row["input_length"])
            ends = (min(prompt, (i + 1) * MOONCAKE_BLOCK) for i in range(len(row["hash_ids"])))
            prefix = tuple((f"block {key}", end) for key, end in zip(row["hash_ids"], ends, strict=True))
            arrival = Arrival(float(row["timestamp"]) / 1000.0, prompt, int(row["output_length"]), prefix)
        except (KeyError, TypeError, ValueError) as error:
            problem = f"no field {error}" if isinstance(error, KeyError) else "not a request"
            raise ScenarioError(
                f"{path}:{number}: {problem} in {line.strip()[:80]}", ("spec", "workload", "trace")
            ) from None
        yield number, arrival
