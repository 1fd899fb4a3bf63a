"""What the worker makes of a case and of what methods rank, without the published packages."""

from __future__ import annotations

import io
import json

import pytest

pytest.importorskip("pandas")

import numpy as np
import pandas as pd

from experiments.bench.rca.published import ABSENT, PUBLISHED, adapted
from experiments.bench.rca.published.worker.__main__ import serve
from experiments.bench.rca.published.worker.inputs import Inputs, read, shuffled, with_one_underscore
from experiments.bench.rca.published.worker.methods import (
    METHODS,
    STEP,
    is_degenerate,
    noisy,
    resampled,
    significant_links,
)
from tests.experiments.bench.rca.published.conftest import INJECTED, WriteCase

STUDY = 24


def test_every_method_of_the_study_is_there_or_said_to_be_absent() -> None:
    assert list(METHODS) == list(PUBLISHED)
    assert sum(method.studied for method in PUBLISHED.values()) + len(ABSENT) == STUDY
    assert PUBLISHED["rcd"].version == f"sfr-pyrca 1.0.1 {adapted()}"


def test_metrics_are_what_the_studys_main_hands_over(case: WriteCase) -> None:
    inputs = read(case(), 0)
    columns = set(inputs.data.columns)
    assert {"time", "engine-1_ctn-cpu", "engine-1_latency"} <= columns
    assert not [name for name in columns if "node" in name or "latency-" in name]
    assert inputs.columns == 25, "with those of nodes, which are dropped later"
    assert inputs.inject_time == INJECTED


def test_what_is_absent_is_the_last_value_and_zero_before_the_first(case: WriteCase) -> None:
    folder = case()
    table = pd.read_csv(folder / "data.csv")
    table.loc[:1, "router_ctn_cpu"] = np.nan
    table.loc[5, "router_ctn_cpu"] = np.inf
    table.to_csv(folder / "data.csv", index=False)
    cpu = read(folder, 0).data["router_ctn-cpu"]
    assert list(cpu[:2]) == [0, 0]
    assert cpu[5] == cpu[4] != 0


def test_columns_are_in_an_order_drawn_from_the_seed() -> None:
    table = pd.DataFrame({"a": [1], "time": [0], "b": [2], "c": [3], "d": [4]})
    assert list(shuffled(table, 1)) == list(shuffled(table, 1))
    assert len({tuple(shuffled(table, seed)) for seed in range(20)}) > 5
    assert all(next(iter(shuffled(table, seed))) == "time" for seed in range(5))


def test_the_service_level_is_the_gateways_latency_and_never_the_culprits(case: WriteCase) -> None:
    assert read(case(culprit="engine-0"), 3).service_level == "gateway_latency"


def test_a_case_without_latencies_or_spans_has_no_service_level(case: WriteCase) -> None:
    folder = case()
    (folder / "traces.csv").unlink()
    assert read(folder, 0).service_level is None


@pytest.fixture
def inputs(case: WriteCase) -> Inputs:
    return read(case(), 0)


def test_services_are_what_stands_before_the_first_underscore_once_each(inputs: Inputs) -> None:
    ranks = ["engine-1_ctn_cpu", "router_route", "engine-1_latency", "gateway"]
    assert inputs.services(ranks) == ["engine-1", "router", "gateway"]


def test_a_services_database_is_the_service_where_there_is_such_a_service(inputs: Inputs) -> None:
    assert inputs.services(["router-db_cpu", "router_cpu", "stand-alone-db_cpu"]) == ["router", "stand-alone-db"]


def test_the_truth_is_never_opened(case: WriteCase) -> None:
    folder = case()
    (folder / "truth.json").unlink()
    assert read(folder, 0).services_named == {"gateway", "router", "engine-0", "engine-1", "engine-2"}


@pytest.mark.parametrize(("metrics", "counts", "kept"), [(1, 15, 15), (5, 5, 1), (5, 15, 3)])
def test_every_fifteenth_row_is_a_metric_at_the_interval_of_the_counts(metrics: int, counts: int, kept: int) -> None:
    table = pd.DataFrame({"time": np.arange(0, 300, metrics)})
    every = resampled(table, pd.DataFrame({"time": np.arange(0, 300, counts)})).iloc[::STEP]
    assert list(every["time"]) == list(table["time"][::kept])


def test_noise_moves_what_varies_and_nothing_else() -> None:
    table = pd.DataFrame({"time": range(100), "still": 1.0, "same": np.arange(100.0), "again": np.arange(100.0)})
    moved = noisy(table, 0)
    assert (moved[["time", "still"]] == table[["time", "still"]]).all(axis=None)
    assert np.linalg.matrix_rank(moved[["same", "again"]].corr()) == 2
    assert np.abs(moved["same"] - table["same"]).max() < 0.5
    assert is_degenerate(np.linalg.LinAlgError()) and not is_degenerate(KeyError("x"))


def test_significant_links_are_lagged_causes_below_the_level() -> None:
    p = np.ones((2, 2, 3))
    p[1, 0, 2], p[0, 1, 0] = 0.01, 0.0
    assert significant_links(None, p, None, 0.05, False) == {"link_dict": {0: [(1, -2)], 1: []}}
    assert significant_links(None, p, None, 0.05, True)["link_dict"][1] == [(0, 0)]


def test_a_columns_name_keeps_one_underscore() -> None:
    names = ["time", "ray-head_ctn_cpu", "ray-head_latency"]
    assert list(map(with_one_underscore, names)) == ["time", "ray-head_ctn-cpu", "ray-head_latency"]


def test_whatever_goes_wrong_is_an_answer(case: WriteCase) -> None:
    questions = [
        {"method": "none-such", "case": str(case()), "seed": 0},
        {"method": "none-such", "case": "/none-such", "seed": 0},
    ]
    answers = io.StringIO()
    serve(io.StringIO("".join(json.dumps(question) + "\n" for question in questions)), answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert (first["ranks"], first["error"]) == ([], "KeyError: 'none-such'")
    assert second["error"]
