"""The published methods by the study's names: each is looked up when it is first asked for, then called as published.

`METHODS[name]()` imports the method; what it returns takes a case and gives what it ranks: metrics
(`<service>_<metric>`), operations (`<service>_<operation>`) or services.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import os
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .inputs import IDENTIFIERS, Inputs

E2E = "RCAEval.e2e"
Run = Callable[[Inputs], Iterable[str]]

DATASET = "re2-ob"
"""The data set of RCAEval's that methods are told theirs is: one whose constant columns are dropped, with traces."""
STEP = 15
"""RCAEval's own metrics are a second apart and its counts of lines and spans 15 s: multi-source methods take every
fifteenth row of the metrics."""
NOISE = 1e-3
"""Of a column's standard deviation."""


def _function(module: str, name: str) -> Callable[..., dict[str, Any]]:
    """A method of RCAEval. Without the wrapper that gives the order of the columns for a ranking where one fails."""
    found = getattr(import_module(module), name)
    inner: Callable[..., dict[str, Any]] = inspect.getclosurevars(found).nonlocals.get("func", found)
    return inner


def _ranks(function: Callable[..., dict[str, Any]], case: Inputs, data: object, inject_time: int) -> Iterable[str]:
    """What a method of RCAEval ranks, called as its main.py does."""
    said = function(
        data,
        inject_time,
        dataset=DATASET,
        anomalies=None,
        dk_select_useful=False,
        sli=case.service_level,
        verbose=False,
        n_iter=case.columns,
        args=Namespace(root_path=str(case.folder), data_path=str(case.folder / "data.csv")),
    )
    ranks: Iterable[str] = said["ranks"]
    return ranks


def metric(module: str, name: str) -> Callable[[], Run]:
    """A method of RCAEval on metrics.

    Where it stops because columns are equal or stand still, which measured ones never quite are, it is asked again with
    noise.
    """

    def load() -> Run:
        function = _function(module, name)

        def run(case: Inputs) -> Iterable[str]:
            try:
                return _ranks(function, case, case.data.copy(), case.inject_time)
            except Exception as error:
                if not is_degenerate(error):
                    raise
                case.notes.append(f"with noise of {NOISE:g} standard deviations: {error}")
                return _ranks(function, case, noisy(case.data, case.seed), case.inject_time)

        return run

    return load


def is_degenerate(error: Exception) -> bool:
    """Whether a method says that its statistics cannot be computed from such columns."""
    return type(error).__name__ in ("LinAlgError", "InfeasibleTestError") or "singular" in str(error)


def noisy(metrics: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Metrics with a little normal noise on every column that varies."""
    draws = np.random.default_rng(seed)
    return metrics.assign(
        **{
            name: metrics[name] + draws.normal(0, NOISE * metrics[name].std(), len(metrics))
            for name in metrics.columns
            if name != "time" and metrics[name].nunique() > 1
        }
    )


def trace(module: str, name: str) -> Callable[[], Run]:
    """A method of RCAEval on spans, which has its times in microseconds.

    An operation first seen after the injection has no mean before it, at which the methods stop: it is left out.
    """

    def load() -> Run:
        function = _function(module, name)

        def run(case: Inputs) -> Iterable[str]:
            inject_time = case.inject_time * 1_000_000
            spans = case.traces
            operation = spans["serviceName"] + "_" + spans["methodName"]
            seen = operation[spans["startTime"] + spans["duration"] < inject_time]
            known = operation.isin(set(seen))
            if not known.all():
                case.notes.append(f"without {operation[~known].nunique()} operations first seen after the injection")
            return _ranks(function, case, spans[known].reset_index(drop=True), inject_time)

        return run

    return load


def multi_source(module: str, name: str) -> Callable[[], Run]:
    """A method of RCAEval on metrics, counts of lines and counts of spans."""

    def load() -> Run:
        function = _function(module, name)

        def run(case: Inputs) -> Iterable[str]:
            counts = {key: case.table(f"{key}.csv") for key in ("logts", "tracets_err", "tracets_lat")}
            return _ranks(function, case, {"metric": resampled(case.data, counts["logts"]), **counts}, case.inject_time)

        return run

    return load


def resampled(metrics: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Metrics of which every fifteenth row is a metric at the interval of the counts, whatever the two intervals are.

    Where they are a second and 15 s, as in RCAEval's data, these are the metrics as they were.
    """
    ratio = max(1, round(_interval(counts) / _interval(metrics)))
    if ratio == STEP:
        return metrics.copy()
    kept = metrics.iloc[::ratio]
    return kept.loc[kept.index.repeat(STEP)].reset_index(drop=True)


def _interval(table: pd.DataFrame) -> float:
    return float(table["time"].diff().median())


def rcd() -> Run:
    """PyRCA's RCD: RCAEval's needs a causal-learn 0.1.2.3 with files exchanged by hand. Data as RCAEval's `rcd` has it.

    With RCAEval's parameters (five bins, chunks of five, localized), where PyRCA's defaults differ; all nodes found are
    ranked, not three.
    """
    from pyrca.analyzers.rcd import RCD
    from RCAEval.io.time_series import convert_mem_mb, drop_constant, drop_time

    def run(case: Inputs) -> Iterable[str]:
        data = case.data
        before, after = data[data["time"] < case.inject_time], data[data["time"] >= case.inject_time]
        normal, abnormal = (drop_constant(convert_mem_mb(drop_time(part))) for part in (before, after))
        both = [name for name in normal.columns if name in abnormal.columns]
        config = RCD.config_class(start_alpha=0.001, bins=5, gamma=5, localized=True, k=len(both))
        found = RCD(config).find_root_causes(normal[both].copy(), abnormal[both].copy())
        return [str(name) for name, _ in found.root_cause_nodes]

    return run


def fci_randomwalk() -> Run:
    """RCAEval's, whose walk knows no circles of FCI's edges: they are heads, as the study has it (`np.sign`)."""
    module = import_module(f"{E2E}.pc_randomwalk")
    graph = import_module("RCAEval.graph_construction.fci").fci_default
    vars(module)["fci_default"] = lambda data: np.sign(graph(data)).astype(int)
    return metric(f"{E2E}.pc_randomwalk", "fci_randomwalk")()


def microcause() -> Run:
    """RCAEval's MicroCause asks tigramite 4's `return_significant_links`, of which tigramite 5 kept the name alone."""
    from tigramite.pcmci import PCMCI

    PCMCI.return_significant_links = significant_links
    return metric(f"{E2E}.microcause", "microcause")()


def significant_links(
    _: object, p_matrix: NDArray[np.float64], val_matrix: object, alpha_level: float, include_lagzero_links: bool
) -> dict[str, dict[int, list[tuple[int, int]]]]:
    """The links `(cause, -lag)` into each variable whose p-value [cause, effect, lag] is at most the level."""
    first = 0 if include_lagzero_links else 1
    there = p_matrix[:, :, first:] <= alpha_level
    return {
        "link_dict": {
            effect: [(int(cause), -int(lag) - first) for cause, lag in np.argwhere(there[:, effect])]
            for effect in range(there.shape[1])
        }
    }


def baro_bocpd() -> Run:
    """fse-baro's BARO from end to end: it finds the change itself, in the latencies, and is not told the injection."""
    from baro.anomaly_detection import bocpd
    from baro.root_cause_analysis import robust_scorer

    def run(case: Inputs) -> Iterable[str]:
        changes = [row for row in bocpd(case.data) if 0 < row < len(case.data)]  # it names the end where there is none
        if not changes:
            raise ValueError("found no change in the latencies")
        ranks: Iterable[str] = robust_scorer(case.data, anomalies=changes)["ranks"]
        return ranks

    return run


def pdiagnose() -> Run:
    """RCAEval's PDiagnose is a script: it reads a case at a path that is written in it, and prints what it ranks.

    It is run as it is, on a folder where that path leads to this case.
    """
    module = import_module("RCAEval.e2e.pdiagnose")

    def run(case: Inputs) -> Iterable[str]:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "data/mm-ob/checkoutservice_cpu/1"
            place.mkdir(parents=True)
            case.data.to_csv(place / "simple_metrics.csv", index=False)
            spans = case.traces
            for name in IDENTIFIERS:  # no numbers: the script's own reading would crash on some
                spans[name] = "id-" + spans[name]
            spans.to_csv(place / "traces.csv", index=False)
            for name in ("logs.csv", "logts.csv"):
                (place / name).symlink_to((case.folder / name).resolve())
            (place / "inject_time.txt").write_text(f"{case.inject_time}\n")
            said = io.StringIO()
            before = Path.cwd()
            try:
                os.chdir(folder)
                with contextlib.redirect_stdout(said):
                    module.main()
            finally:
                os.chdir(before)
        return [service for service, _ in ast.literal_eval(said.getvalue().strip().splitlines()[-1])]

    return run


METHODS: dict[str, Callable[[], Run]] = {
    "dummy": metric(E2E, "dummy"),
    "pc_pagerank": metric(f"{E2E}.pc_pagerank", "pc_pagerank"),
    "pc_randomwalk": metric(f"{E2E}.pc_randomwalk", "pc_randomwalk"),
    "fci_pagerank": metric(f"{E2E}.fci_pagerank", "fci_pagerank"),
    "fci_randomwalk": fci_randomwalk,
    "granger_pagerank": metric(f"{E2E}.granger_pagerank", "granger_pagerank"),
    "granger_randomwalk": metric(f"{E2E}.pc_randomwalk", "granger_randomwalk"),
    "lingam_pagerank": metric(f"{E2E}.lingam_pagerank", "lingam_pagerank"),
    "lingam_randomwalk": metric(f"{E2E}.pc_randomwalk", "lingam_randomwalk"),
    "causalrca": metric(f"{E2E}.causalrca", "causalrca"),
    "microcause": microcause,
    "e_diagnosis": metric(E2E, "e_diagnosis"),
    "baro": metric(f"{E2E}.baro", "baro"),
    "rcd": rcd,
    "circa": metric(f"{E2E}.circa", "circa"),
    "nsigma": metric(E2E, "nsigma"),
    "microrank": trace(f"{E2E}.microrank", "microrank"),
    "tracerca": trace(f"{E2E}.tracerca", "tracerca"),
    "mmbaro": multi_source(f"{E2E}.baro", "mmbaro"),
    "pdiagnose": pdiagnose,
    # Beyond the study:
    "baro_bocpd": baro_bocpd,
    "mmnsigma": multi_source(f"{E2E}.baro", "mmnsigma"),
    "micro_diag": metric(f"{E2E}.lingam_pagerank", "micro_diag"),
    "cloudranger": metric(f"{E2E}.cloudranger", "cloudranger"),
    "ht": metric(E2E, "ht"),
}
