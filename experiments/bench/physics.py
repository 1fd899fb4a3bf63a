"""Step times against what others measured: kernel tables, all-reduce, other simulators' profiles, a real server's run.

A GPU's two efficiencies are fitted on Llama-3.1-8B tables and judged on the 70B's; the replayed run has no part in any
constant.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

from experiments.bench.kernel_tables import KERNELS, TABLES, Cell, RtxTables, SxmTables, has_tables
from experiments.bench.replay import Replay, read_run, replay, settings_of
from experiments.bench.rows import Row, at_most, skipped
from twin.mechanics.engine_step import StepCost, step_cost
from twin.mechanics.hardware import Gpu
from twin.mechanics.interconnect import all_reduce
from twin.scenario import hardware

BAR = 8.0
"""Per cent of mean error of decode steps and of prefills."""
RUN = Path("vllm_runs") / "rtxpro6000_llama-3.1-8b"
FITTED, JUDGED = ("llama-3.1-8b", 1), ("llama-3.1-70b", 4)
"""Model and GPUs it is spread over."""
SHARES = tuple(share / 100.0 for share in range(50, 101))
"""Efficiencies that a fit tries."""


def rows(data: Path) -> Iterator[Row]:
    """All rows; what a folder lacks is skipped, and says so."""
    if has_tables(data):
        yield from table_rows(data)
    else:
        yield skipped("physics: kernel tables", f"{data} has no gpu_perf/aic_* and lss_*")
    profiles = (
        (all_reduce_rows, "vidur_allreduce_a100_dgx"),
        (vidur_rows, "vidur_ops_h100_llama-2-7b-hf"),
        (splitwise_rows, "splitwise_llama2-70b_a100"),
    )
    for row_of, file in profiles:
        if (data / "gpu_perf" / f"{file}.csv.gz").is_file():
            yield from row_of(data)
    yield from experts_rows()
    if (data / RUN).is_dir():
        yield from replay_rows(data / RUN)
    else:
        yield skipped("physics: replay of a vLLM server", f"{data} has no {RUN}")


# --- kernel tables ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judgement:
    """How far a GPU's step times are from a set of cells."""

    what: str
    error: float
    """Mean of the absolute relative errors, per cent."""
    bias: float
    """Mean of the relative errors, per cent."""
    worst: tuple[tuple[float, Cell], ...]
    """The five worst cells: relative error in per cent, and the cell."""


def judge(what: str, cells: Iterable[Cell], seconds: Callable[[Cell], float]) -> Judgement:
    """Compare a function of cells with the cells."""
    errors = [(100.0 * (seconds(cell) / cell.seconds - 1.0), cell) for cell in cells]
    worst = sorted(errors, key=lambda e: -abs(e[0]))[:5]
    return Judgement(what, fmean(abs(e) for e, _ in errors), fmean(e for e, _ in errors), tuple(worst))


def kernels_only(cost: StepCost) -> Callable[[Cell], float]:
    """Seconds of the kernels that the tables of SXM parts hold."""
    return lambda cell: sum(cost.breakdown(*cell.load)[name] for name in KERNELS)


def whole_step(cost: StepCost) -> Callable[[Cell], float]:
    """Seconds of all kernels."""
    return lambda cell: cost.gpu_seconds(*cell.load)


def judgements(data: Path) -> Iterator[tuple[str, Judgement, bool]]:
    """(GPU, judgement, whether it is of the model that the efficiencies were not fitted on)."""
    for name in TABLES:
        tables, gpu = SxmTables(data, name), hardware.gpu(name)
        for model_name, tp in (FITTED, JUDGED):
            model = hardware.model(model_name)
            seconds = kernels_only(step_cost(gpu, model, tp))
            of = f"{model_name}, {tp} GPU{'s' if tp > 1 else ''}"
            judged = model_name == JUDGED[0]
            yield name, judge(f"{of}, decode", tables.decode(model, tp), seconds), judged
            yield name, judge(f"{of}, prefill", tables.prefill(model, tp), seconds), judged
    rtx = RtxTables(data)
    cost = step_cost(hardware.gpu("rtx-pro-6000"), hardware.model("llama-3.1-8b"))
    yield "rtx-pro-6000", judge("llama-3.1-8b, decode", rtx.decode(), whole_step(cost)), False
    yield "rtx-pro-6000", judge("llama-3.1-8b, prefill", rtx.prefill(), whole_step(cost)), False
    errors = []
    for decodes, chunk, measured in rtx.mixed():
        load = [a + b for a, b in zip(decodes.load, chunk.load, strict=True)]
        predicted = cost.breakdown(int(load[0]), decodes.batch, load[2], load[3])["attention"]
        errors.append((100.0 * (predicted / measured - 1.0), replace(decodes, seconds=measured, cached=chunk.context)))
    worst = sorted(errors, key=lambda e: -abs(e[0]))[:5]
    error, bias = fmean(abs(e) for e, _ in errors), fmean(e for e, _ in errors)
    yield "rtx-pro-6000", Judgement("llama-3.1-8b, attention of mixed steps", error, bias, tuple(worst)), False


def place(cell: Cell) -> str:
    """A cell in words."""
    return f"batch {cell.batch} x {cell.context}" if cell.batch else f"prompt {cell.context}"


def table_rows(data: Path) -> Iterator[Row]:
    """The rows of the kernel tables: with a bar where the model is not the one that was fitted."""
    for gpu, found, judged in judgements(data):
        name = f"{gpu}: {found.what}"
        error, cell = found.worst[0]
        anchor = f"kernel tables; bias {found.bias:+.1f} %, worst {error:+.0f} % at {place(cell)}"
        if judged:
            yield at_most(name, found.error, "% mean error", BAR, anchor)
        else:
            yield Row(name, found.error, "% mean error", anchor=f"{anchor}; fitted on it")


@dataclass(frozen=True, slots=True)
class Fit:
    """The two efficiencies of a GPU that suit its tables of Llama-3.1-8B best, and those that ship."""

    gpu: str
    memory: float
    compute: float
    shipped_memory: float
    shipped_compute: float
    decode_error: float
    prefill_error: float


def fits(data: Path) -> Iterator[Fit]:
    """Fit each GPU that has tables: memory on the decode steps, compute on the prefills, in steps of 0.01."""
    model = hardware.model(FITTED[0])
    for name in TABLES:
        tables = SxmTables(data, name)
        yield fit(hardware.gpu(name), list(tables.decode(model, 1)), list(tables.prefill(model, 1)), kernels_only)
    rtx = RtxTables(data)
    yield fit(hardware.gpu("rtx-pro-6000"), list(rtx.decode()), list(rtx.prefill()), whole_step)


def fit(
    gpu: Gpu, decode: list[Cell], prefill: list[Cell], seconds: Callable[[StepCost], Callable[[Cell], float]]
) -> Fit:
    """The efficiencies that suit cells of Llama-3.1-8B best; from the middle, so that what ships does not matter."""
    model = hardware.model(FITTED[0])

    def error(memory: float, compute: float, cells: list[Cell]) -> float:
        tried = replace(gpu, memory_efficiency=memory, compute_efficiency=compute)
        return judge("", cells, seconds(step_cost(tried, model))).error

    memory = compute = 0.75
    for _ in range(2):  # each hardly depends on the other
        memory = min(SHARES, key=lambda share: error(share, compute, decode))
        compute = min(SHARES, key=lambda share: error(memory, share, prefill))
    return Fit(
        gpu.name,
        memory,
        compute,
        gpu.memory_efficiency,
        gpu.compute_efficiency,
        error(memory, compute, decode),
        error(memory, compute, prefill),
    )


# --- other profiles --------------------------------------------------------------------------------------------------


def all_reduce_rows(data: Path) -> Iterator[Row]:
    """All-reduce of 2, 4 and 8 A100 (microsoft/vidur, MIT), messages from 8 MB on: those of prefills."""
    link = hardware.gpu("a100-sxm-80gb").link
    measured: dict[int, dict[int, list[float]]] = {}
    for row in _rows(data, "vidur_allreduce_a100_dgx"):
        gpus, size = int(row["num_workers"]), int(row["size"])
        if gpus <= 8 and row["devices_per_node"] == row["num_workers"] and size >= 8e6:
            times = measured.setdefault(gpus, {}).setdefault(size, [])
            times.append(float(row["time_stats.all_reduce.median"]) / 1e3)
    for gpus, sizes in sorted(measured.items()):
        start, per_byte = all_reduce(link, gpus)
        error = fmean(abs((start + per_byte * size) / median(times) - 1.0) for size, times in sizes.items())
        yield Row(f"a100-sxm-80gb: all-reduce of {gpus}", 100.0 * error, "% mean error", anchor="vidur's profile")


VIDUR = {
    "a100_llama-2-7b-hf": ("a100-sxm-80gb", "llama-2-7b"),
    "a100_meta-llama-3-8b": ("a100-sxm-80gb", "llama-3.1-8b"),
    "h100_llama-2-7b-hf": ("h100-sxm", "llama-2-7b"),
}
"""Profiles of operators by GPU and model; Llama 3 and 3.1 have one shape."""
OPERATORS = {
    "qkv": "attn_pre_proj_ms",
    "o": "attn_post_proj_ms",
    "gate_up": "mlp_up_proj_ms",
    "down": "mlp_down_proj_ms",
}


def vidur_rows(data: Path) -> Iterator[Row]:
    """Matrix products of a layer (microsoft/vidur, MIT; libraries of 2024), 1 to 4,096 tokens, on 1, 2 and 4 GPUs."""
    for stem, (gpu, name) in VIDUR.items():
        model = hardware.model(name)
        costs: dict[int, StepCost] = {}
        errors: dict[int, list[float]] = {}
        for row in _rows(data, f"vidur_ops_{stem}"):
            tp, tokens = int(row["num_tensor_parallel_workers"]), int(row["num_tokens"])
            if tokens > 4096 or tokens & (tokens - 1) or not all(row[column] for column in OPERATORS.values()):
                continue
            cost = costs.setdefault(tp, step_cost(hardware.gpu(gpu), model, tp))
            ours = sum(cost.products[ours].seconds(tokens) for ours in OPERATORS) / model.layers
            theirs = sum(float(row[column]) for column in OPERATORS.values()) / 1e3
            errors.setdefault(tp, []).append(ours / theirs - 1.0)
        by_gpus = ", ".join(f"{tp}: {100.0 * fmean(map(abs, found)):.0f} %" for tp, found in sorted(errors.items()))
        together = [error for found in errors.values() for error in found]
        anchor = f"vidur's profile; bias {100.0 * fmean(together):+.0f} %; by GPUs {by_gpus}"
        error = 100.0 * fmean(map(abs, together))
        yield Row(f"{gpu}: {name}, matrix products", error, "% mean error", anchor=anchor)


def splitwise_rows(data: Path) -> Iterator[Row]:
    """Llama-2-70B on 2, 4 and 8 A100 (splitwise-sim, MIT): a software stack of 2023, whose host time we do not have."""
    measured: dict[int, list[tuple[float, float]]] = {}
    for row in _rows(data, "splitwise_llama2-70b_a100"):
        tp, batch = int(row["tensor_parallel"]), int(row["batch_size"])
        if row["hardware"] == "a100-80gb" and not (tp == 2 and batch == 64):
            cost = step_cost(hardware.gpu("a100-sxm-80gb"), hardware.model("llama-2-70b"), tp)
            context = int(row["prompt_size"]) + int(row["token_size"]) / 2
            ours = cost.gpu_seconds(batch, batch, batch * context, 0.0) * 1e3
            measured.setdefault(tp, []).append((ours, float(row["token_time"])))
    for tp, pairs in sorted(measured.items()):
        gap = median(theirs - ours for ours, theirs in pairs)
        yield Row(
            f"a100-sxm-80gb: llama-2-70b, {tp} GPUs, decode", gap, "ms less", anchor="splitwise, whole stack of 2023"
        )


EXPERTS = {
    ("a100-sxm-40gb", "qwen3-30b-a3b", 1): {
        1: 109.21,
        2: 159.81,
        4: 268.89,
        8: 403.13,
        16: 611.19,
        32: 808.53,
        64: 917.45,
    },
    ("h100-sxm", "mixtral-8x7b", 2): {
        1: 144.0,
        4: 351.1,
        8: 435.0,
        32: 487.4,
        128: 491.4,
        256: 536.8,
        512: 662.3,
        1024: 833.7,
    },
}
"""Microseconds of one layer of experts by tokens: vLLM's benchmark_moe, as its pull requests 19049 and 24700 print it
(the first on the PCIe card, whose memory is the SXM's)."""


def experts_rows() -> Iterator[Row]:
    """Layers of experts against published timings; two constants were fitted on them."""
    for (gpu, name, tp), measured in EXPERTS.items():
        model = hardware.model(name)
        layer = step_cost(hardware.gpu(gpu), model, tp).experts
        assert layer is not None
        errors = [layer.seconds(tokens) * 1e6 / model.layers / us - 1.0 for tokens, us in measured.items()]
        anchor = f"vLLM's benchmark_moe; bias {100.0 * fmean(errors):+.0f} %; fitted on it"
        yield Row(f"{gpu}: {name}, experts of a layer", 100.0 * fmean(map(abs, errors)), "% mean error", anchor=anchor)


# --- a real server ---------------------------------------------------------------------------------------------------


def replay_rows(folder: Path) -> Iterator[Row]:
    """The run in a folder, replayed from its arrivals and lengths."""
    run, series = read_run(folder), folder / "timeseries.csv"
    found = replay(
        run,
        hardware.gpu("rtx-pro-6000"),
        hardware.model("llama-3.1-8b"),
        settings_of(folder),
        series if series.is_file() else None,
    )
    yield from _replayed(found)


def _replayed(found: Replay) -> Iterator[Row]:
    name = "replay of vLLM 0.19, Llama-3.1-8B on RTX PRO 6000"
    for what, bar in (("makespan", 7.0), ("TPOT p50", 7.0), ("TTFT p50", 20.0)):
        figure = found.of(what)
        anchor = f"measured {figure.measured:.4g} {figure.unit}, simulated {figure.simulated:.4g}"
        yield at_most(f"{name}: {what}", abs(100.0 * figure.error), "% off", bar, anchor)
    anchor = f"{100 * found.running_error_of_limit:.1f} % of max_num_seqs"
    yield at_most(f"{name}: running(t)", 100.0 * found.running_error, "% RMSE of its mean", 10.0, anchor)


def _rows(data: Path, stem: str) -> Iterator[dict[str, str]]:
    with gzip.open(data / "gpu_perf" / f"{stem}.csv.gz", "rt", encoding="utf-8") as stream:
        yield from csv.DictReader(stream)
