"""What each ranker looks at, and what none of them may depend on."""

from __future__ import annotations

import numpy as np
import pytest

from llm.ranking import RANKERS
from llm.ranking.case import read_case
from tests.llm.ranking.conftest import AFTER, INJECTED, START, WriteCase, steady

ENGINES = ("engine-0", "engine-1", "engine-2")


@pytest.mark.parametrize("ranker", ["two-sided-baro", "two-sided-nsigma"])
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_metric_that_leaves_its_range_is_seen_whichever_way(
    write_case: WriteCase, ranker: str, direction: float
) -> None:
    columns = {f"{name}_power": steady(name, 200.0) for name in ENGINES}
    columns["engine-1_power"] = np.where(AFTER, 200.0 + direction * 90.0, columns["engine-1_power"])
    columns["engine-1_power"][-1] += 1.0  # it still varies
    assert RANKERS[ranker](read_case(write_case(columns)))[0] == "engine-1"


@pytest.mark.parametrize("ranker", ["two-sided-baro", "two-sided-nsigma"])
def test_metrics_of_machines_and_pods_are_left_out(write_case: WriteCase, ranker: str) -> None:
    columns = {f"{name}_ctn_cpu": steady(name) for name in ENGINES}
    columns["engine-0_node_cpu"] = steady("node") + 1000.0 * AFTER
    columns["engine-2_ctn_cpu"] = columns["engine-2_ctn_cpu"] + 20.0 * AFTER
    assert RANKERS[ranker](read_case(write_case(columns)))[0] == "engine-2"


def test_the_first_new_error_names_the_service(write_case: WriteCase) -> None:
    access = '10.0.0.9 - - [01/Jan/2026:00:04:{:02d} +0000] "POST /v1 HTTP/1.1" {} 12 "-" "x" "-" 1.0'
    usual = [(START + i, "gateway", access.format(i % 60, 200)) for i in range(0, 240, 3)]
    after = [
        (INJECTED + 9.0, "gateway", access.format(9, 502)),
        (INJECTED + 4.0, "engine-2", "ERROR 01-01 00:04:04 [core.py:291] EngineCore encountered a fatal error."),
    ]
    ranks = RANKERS["first-error"](read_case(write_case(logs=usual + after)))
    assert ranks[:2] == ["engine-2", "gateway"]


def test_lines_that_do_not_come_name_the_service(write_case: WriteCase) -> None:
    line = "INFO 01-01 00:00:10 [loggers.py:335] Engine 000: Running: 12 reqs, Waiting: 0 reqs"
    logs = [(START + i, name, line) for name in ENGINES for i in range(0, 300, 2)]
    logs = [row for row in logs if row[1] != "engine-0" or row[0] < INJECTED]
    assert RANKERS["lost-info"](read_case(write_case(logs=logs)))[0] == "engine-0"


@pytest.mark.parametrize("ranker", RANKERS)
def test_the_order_of_the_columns_does_not_matter(write_case: WriteCase, ranker: str) -> None:
    columns = {f"{name}_{metric}": steady(name + metric) for name in ENGINES for metric in ("cpu", "power")}
    columns["engine-1_cpu"] = columns["engine-1_cpu"] + 8.0 * AFTER
    columns |= {f"{name}_idle": np.zeros(len(AFTER)) for name in ("gateway", "head")}
    case = read_case(write_case(columns))
    ranks = RANKERS[ranker](case)
    assert sorted(ranks) == sorted(case.components)
    assert all(RANKERS[ranker](case.shuffled(seed)) == ranks for seed in range(5))


@pytest.mark.parametrize("ranker", RANKERS)
def test_a_case_on_which_nothing_happens_prefers_no_name(write_case: WriteCase, ranker: str) -> None:
    first = set()
    for level in range(20):
        columns = {f"{name}_cpu": np.full(len(AFTER), level) for name in ENGINES}
        first.add(RANKERS[ranker](read_case(write_case(columns)))[0])
    assert first == set(ENGINES)
