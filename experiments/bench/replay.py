"""A real vLLM server's run, lived through again: its arrivals and lengths into our engine, its timings beside ours."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TextIO

from experiments.errors import UserError
from twin.clock import Clock
from twin.inference.engine import Engine
from twin.inference.request import Request
from twin.mechanics.engine_step import kv_blocks
from twin.mechanics.hardware import Gpu, Model


@dataclass(frozen=True, slots=True)
class Served:
    """One request of a run. Seconds from the first arrival."""

    arrived: float
    prompt: int
    output: int
    first_token: float
    last_token: float
    scheduled: float


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server was started, as far as it matters here."""

    tensor_parallel: int = 1
    max_num_seqs: int = 128
    max_num_batched_tokens: int = 2048
    gpu_memory_utilization: float = 0.92
    prefix_caching: bool = False
    """Off: a run's file has lengths and no texts, so that nothing could be found again."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of the run, measured and simulated."""

    name: str
    measured: float
    simulated: float
    unit: str

    @property
    def error(self) -> float:
        """Relative; of the measured."""
        return self.simulated / self.measured - 1.0 if self.measured else float(self.simulated != 0)


@dataclass(frozen=True, slots=True)
class Replay:
    """A run and its replay."""

    comparisons: tuple[Comparison, ...]
    running_error: float
    """RMSE of the number of running requests, second by second, over its measured mean while any ran."""
    running_error_of_limit: float
    """The same over `max_num_seqs`."""
    running: tuple[tuple[float, float, float], ...]
    """(second, measured, simulated)."""

    def of(self, name: str) -> Comparison:
        """A comparison by its name."""
        return next(c for c in self.comparisons if c.name == name)


class Still:
    """A GPU at full clock, as the engine sees it: nothing throttles it and nothing is broken."""

    bandwidth_share = link_share = 1.0

    def __init__(self, model: Gpu) -> None:
        self.model = model
        self.busy = 0.0

    def clock(self, activity: float) -> float:
        """Full, whatever the work."""
        return 1.0

    def ran(self, seconds: float, activity: float) -> None:
        """A kernel was resident for that long."""
        self.busy += seconds


class _Heard:
    """What clients hear from the engine."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.first: dict[int, float] = {}
        self.last: dict[int, float] = {}

    def on_first_token(self, request: Request) -> None:
        """A request's first token is out."""
        self.first[request.id] = self._clock.now

    def on_finished(self, request: Request) -> None:
        """A request has all its tokens."""
        self.last[request.id] = self._clock.now


def read_run(folder: Path) -> list[Served]:
    """The requests of `requests.csv` (or `.csv.gz`) in a folder.

    Columns: prompt_tokens, output_tokens, arrival_s, first_token_s, last_token_s, and optionally scheduled_s.
    Raises UserError.
    """
    file = next((f for name in ("requests.csv.gz", "requests.csv") if (f := folder / name).is_file()), None)
    if file is None:
        raise UserError(f"{folder}: no requests.csv or requests.csv.gz in it")
    with _opened(file) as stream:
        rows = csv.DictReader(stream)
        needed = ("prompt_tokens", "output_tokens", "arrival_s", "first_token_s", "last_token_s")
        missing = [c for c in needed if c not in (rows.fieldnames or ())]
        if missing:
            raise UserError(f"{file}: no column {', '.join(missing)}; found {', '.join(rows.fieldnames or ())}")
        try:
            served = [
                Served(
                    arrived=float(row["arrival_s"]),
                    prompt=int(float(row["prompt_tokens"])),
                    output=int(float(row["output_tokens"])),
                    first_token=float(row["first_token_s"]),
                    last_token=float(row["last_token_s"]),
                    scheduled=float(row.get("scheduled_s") or row["arrival_s"]),
                )
                for row in rows
            ]
        except ValueError as error:
            raise UserError(f"{file}, line {rows.line_num}: {error}") from None
    served = [s for s in served if s.prompt > 0 and s.output > 0]
    if not served:
        raise UserError(f"{file}: no request with a prompt and an answer")
    return sorted(served, key=lambda s: s.arrived)


def settings_of(folder: Path) -> Settings:
    """What `meta.json` of a run says about the server; vLLM's defaults where it says nothing. Raises UserError."""
    file = folder / "meta.json"
    if not file.is_file():
        return Settings()
    try:
        told = json.loads(file.read_text(encoding="utf-8")).get("engine_kwargs", {})
    except (json.JSONDecodeError, AttributeError) as error:
        raise UserError(f"{file}: expected a JSON object with engine_kwargs: {error}") from None
    default = Settings()
    return Settings(
        tensor_parallel=int(told.get("tensor_parallel_size") or default.tensor_parallel),
        max_num_seqs=int(told.get("max_num_seqs") or default.max_num_seqs),
        max_num_batched_tokens=int(told.get("max_num_batched_tokens") or default.max_num_batched_tokens),
        gpu_memory_utilization=float(told.get("gpu_memory_utilization") or default.gpu_memory_utilization),
    )


def replay(run: Sequence[Served], gpu: Gpu, model: Model, settings: Settings, series: Path | None = None) -> Replay:
    """The run's arrivals and lengths through one engine, and the comparison with what was measured.

    `series` is the server's own CSV of running requests (columns t, running), sampled at the ends of its intervals;
    without it they are counted from the requests' times. Raises UserError where the model does not fit.
    """
    simulated = _simulate(run, gpu, model, settings)
    measured_running = _series(series) if series is not None else [(t, _running(run, t)) for t in _seconds(run)]
    pairs = [(t, r, _running(simulated, t)) for t, r in measured_running]
    squares = fmean((a - b) ** 2 for _, a, b in pairs) ** 0.5
    busy = [a for _, a, _ in pairs if a > 0]
    return Replay(
        comparisons=tuple(_compare(run, simulated)),
        running_error=squares / fmean(busy) if busy else 0.0,
        running_error_of_limit=squares / settings.max_num_seqs,
        running=tuple(pairs),
    )


def _simulate(run: Sequence[Served], gpu: Gpu, model: Model, settings: Settings) -> list[Served]:
    tp = settings.tensor_parallel
    batch = settings.max_num_batched_tokens, settings.max_num_seqs
    if model.heads % tp:
        raise UserError(f"{model.name}'s {model.heads} attention heads cannot be shared evenly by {tp} GPUs")
    blocks = kv_blocks(gpu, model, settings.gpu_memory_utilization, *batch, tp)
    if blocks < max(s.prompt + s.output for s in run) / 16 + 1:
        raise UserError(f"{model.name} on {tp} x {gpu.name} leaves {max(0, blocks)} KV blocks: too few for this run")
    clock = Clock()
    heard = _Heard(clock)
    engine = Engine(
        clock,
        [Still(gpu) for _ in range(tp)],  # type: ignore[misc]  # stands in for the component
        model,
        blocks,
        settings.max_num_seqs,
        settings.max_num_batched_tokens,
        lambda: 1.0,
        heard,
        prefix_caching=settings.prefix_caching,
    )
    start = run[0].arrived
    requests = [Request(i, s.arrived - start, s.prompt, s.output) for i, s in enumerate(run)]
    for request in requests:
        clock.at(request.arrived, lambda _, request=request: engine.submit(request))  # type: ignore[misc]
    clock.run()
    return [
        Served(
            r.arrived + start,
            r.prompt,
            r.output,
            heard.first[r.id] + start,
            heard.last[r.id] + start,
            _scheduled(r) + start,
        )
        for r in requests
    ]


def _scheduled(request: Request) -> float:
    return request.arrived if request.scheduled is None else request.scheduled


def _compare(measured: Sequence[Served], simulated: Sequence[Served]) -> Iterator[Comparison]:
    runs = (measured, simulated)

    def both(name: str, unit: str, figures: Sequence[float]) -> Comparison:
        return Comparison(name, figures[0], figures[1], unit)

    yield both("makespan", "s", [max(s.last_token for s in r) - r[0].arrived for r in runs])
    tokens = sum(s.output for s in measured)
    spans = [max(s.last_token for s in r) - r[0].arrived for r in runs]
    yield both("throughput", "tokens/s", [tokens / span for span in spans])
    for quantile in (0.5, 0.9, 0.99):
        name = f"p{quantile * 100:.0f}"
        yield both(f"TTFT {name}", "s", [_quantile([s.first_token - s.arrived for s in r], quantile) for r in runs])
    for quantile in (0.5, 0.9):
        paces = [[(s.last_token - s.first_token) / (s.output - 1) for s in r if s.output > 1] for r in runs]
        yield both(f"TPOT p{quantile * 100:.0f}", "ms", [1e3 * _quantile(p, quantile) for p in paces])
    yield both("latency p50", "s", [median(s.last_token - s.arrived for s in r) for r in runs])


def _quantile(values: Sequence[float], quantile: float) -> float:
    ordered = sorted(values)
    place = quantile * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _seconds(run: Sequence[Served]) -> list[float]:
    return [float(t) for t in range(1, int(max(s.last_token for s in run)) + 2)]


def _running(run: Sequence[Served], time: float) -> float:
    return float(sum(s.scheduled <= time < s.last_token for s in run))


def _series(file: Path) -> list[tuple[float, float]]:
    with _opened(file) as stream:
        rows = csv.DictReader(stream)
        try:
            return [(float(row["t"]), float(row["running"])) for row in rows]
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{file}, line {rows.line_num}: expected numbers in columns t and running") from None


def _opened(file: Path) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8")
    return file.open(encoding="utf-8")
