"""The ranking from all sources: a mechanism a test, each a case in which something else is louder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from llm.ranking import RANKERS
from llm.ranking.calls import calls
from llm.ranking.case import Case, read_case
from llm.ranking.deviations import deviations
from llm.ranking.explaining import missing_from_callers, passed_down
from llm.ranking.peers import beyond, peers, scores_beyond
from tests.llm.ranking.conftest import AFTER, EDGES, END, INJECTED, START, TIMES, WriteCase, steady

ENGINES = ("engine-0", "engine-1", "engine-2")
rank = RANKERS["topology"]


def trip(
    number: int, engine: str, start: float, takes: float = 1.0, lead: float = 0.0, tail: float = 0.0, status: int = 200
) -> list[Sequence[object]]:
    """A request through gateway and head to an engine; `lead` and `tail` are lost between head and engine."""
    whole = lead + takes + tail
    rows = [("g", "", "gateway", 0.0, whole), ("h", "g", "head", 0.0, whole), ("e", "h", engine, lead, takes)]
    return [
        (
            f"{own}{number}",
            f"{above}{number}" if above else "",
            service,
            int((start + at) * 1e6),
            int(long * 1e6),
            status,
        )
        for own, above, service, at, long in rows
    ]


def traffic(change: dict[str, dict[str, float]], every: float = 1.0) -> list[Sequence[object]]:
    """Requests to all engines in turn, those since the injection changed as told for each."""
    noise = np.random.default_rng(0)
    rows: list[Sequence[object]] = []
    for i, start in enumerate(np.arange(START, END - 5, every)):
        engine = ENGINES[i % 3]
        told = change.get(engine, {}) if start >= INJECTED else {}
        rows += trip(i, engine, float(start), **{"takes": 1.0 + 0.1 * noise.random(), **told})  # type: ignore[arg-type]
    return rows


def resources() -> dict[str, np.ndarray]:
    return {f"{name}_ctn_cpu": steady(name) for name in ("gateway", "head", *ENGINES)}


def test_a_machine_that_deviates_explains_the_services_on_it(write_case: WriteCase) -> None:
    columns = {f"{name}_cpu": steady(name) for name in ("worker-a", "worker-b", "worker-c", "host-0", "host-1")}
    columns["host-0_cpu"] = columns["host-0_cpu"] + 60.0 * AFTER
    for name in ("worker-a", "worker-b"):
        columns[f"{name}_latency-90"] = steady(name) + 80.0 * AFTER
    edges = [("worker-a", "host-0:10250"), ("worker-b", "host-0:10250"), ("worker-c", "host-1:10250")]
    assert rank(read_case(write_case(columns, edges=edges)))[0] == "host-0"


def test_a_metric_of_a_shared_machine_says_less_than_one_of_a_service(write_case: WriteCase) -> None:
    columns = resources() | {f"{name}_node_cpu": steady("node") + 60.0 * AFTER for name in ("gateway", "head")}
    columns["engine-1_ctn_cpu"] = columns["engine-1_ctn_cpu"] + 45.0 * AFTER
    edges = [("gateway", "host:10250"), ("head", "host:10250"), ("engine-1", "other:10250")]
    assert rank(read_case(write_case(columns, edges=edges)))[0] == "engine-1"


def test_a_callee_explains_its_callers(write_case: WriteCase) -> None:
    columns = resources()
    for name, rise in (("gateway", 90.0), ("head", 80.0), ("engine-2", 70.0)):
        columns[f"{name}_latency-90"] = steady(name + "l") + rise * AFTER
    columns["engine-2_ctn_cpu"] = columns["engine-2_ctn_cpu"] + 10.0 * AFTER
    assert rank(read_case(write_case(columns)))[0] == "engine-2"


@pytest.mark.parametrize(("part", "guilty"), [("lead", "head"), ("tail", "engine-1")])
def test_the_part_of_a_call_that_is_late_names_caller_or_callee(write_case: WriteCase, part: str, guilty: str) -> None:
    case = read_case(write_case(resources(), spans=traffic({"engine-1": {part: 0.4}})))
    assert max(calls(case).late, key=calls(case).late.__getitem__) == guilty
    assert rank(case)[0] == guilty


def test_an_engine_slower_than_its_peers_is_named_though_a_neighbour_works_hard(write_case: WriteCase) -> None:
    columns = resources()
    columns["engine-0_ctn_cpu"] = columns["engine-0_ctn_cpu"] + 50.0 * AFTER
    assert rank(read_case(write_case(columns, spans=traffic({"engine-1": {"takes": 1.6}}))))[0] == "engine-1"


def test_what_befalls_all_peers_is_nobodys(write_case: WriteCase) -> None:
    columns = resources()
    for name in ENGINES:
        columns[f"{name}_ctn_cpu"] = columns[f"{name}_ctn_cpu"] + 200.0 * AFTER
    columns["head_ctn_cpu"] = columns["head_ctn_cpu"] + 20.0 * AFTER
    assert rank(read_case(write_case(columns)))[0] == "head"


def test_a_service_that_falls_silent_is_named(write_case: WriteCase) -> None:
    columns: dict[str, Sequence[object]] = dict(resources())
    columns["engine-2_ctn_cpu"] = [
        "" if late else value for value, late in zip(columns["engine-2_ctn_cpu"], AFTER, strict=True)
    ]
    columns["head_ctn_cpu"] = steady("head") + 15.0 * AFTER
    line = "INFO 01-01 00:00:10 [loggers.py:335] Engine 000: Running: 12 reqs, Waiting: 0 reqs"
    logs = [(START + i, name, line) for name in ENGINES for i in range(0, 300, 2)]
    logs = [row for row in logs if row[1] != "engine-2" or row[0] < INJECTED]
    spans = [row for row in traffic({}) if row[2] != "engine-2" or int(str(row[3])) < INJECTED * 1e6]
    assert rank(read_case(write_case(columns)))[0] == "engine-2"
    assert rank(read_case(write_case(resources(), logs=logs)))[0] == "engine-2"
    assert rank(read_case(write_case(resources(), spans=spans)))[0] == "engine-2"


def test_what_falls_counts_as_what_rises(write_case: WriteCase) -> None:
    found = []
    for direction in (1.0, -1.0):
        columns = resources()
        columns["engine-1_ctn_cpu"] = columns["engine-1_ctn_cpu"] + direction * 9.0 * AFTER
        found.append(rank(read_case(write_case(columns)))[0])
    assert found == ["engine-1", "engine-1"]


def test_the_callee_that_said_it_too_explains_an_error(write_case: WriteCase) -> None:
    error = "ERROR 01-01 00:04:04 [core.py:291] {}"
    logs = [(INJECTED + i, "head", error.format("A request failed.")) for i in range(5, 40)]
    logs += [(INJECTED + i, "engine-1", error.format("EngineCore died.")) for i in range(4, 30)]
    assert rank(read_case(write_case(resources(), logs=logs)))[0] == "engine-1"


def test_fewer_requests_from_users_are_no_fault(write_case: WriteCase) -> None:
    spans = [row for row in traffic({}) if int(str(row[3])) < INJECTED * 1e6 or int(str(row[0])[1:]) % 2]
    spent = read_case(write_case(resources(), spans=spans))
    called = calls(spent).fewer
    assert max(missing_from_callers(scores_beyond(called, peers(spent.components)), EDGES).values()) < 1.0


def hurt(write_case: WriteCase) -> Case:
    columns = resources() | {f"{name}_idle": np.zeros(len(TIMES)) for name in ("gateway", "head")}
    columns["engine-1_ctn_cpu"] = columns["engine-1_ctn_cpu"] + 8.0 * AFTER
    columns["engine-2_ctn_cpu"] = columns["engine-2_ctn_cpu"] - 5.0 * AFTER
    return read_case(write_case(columns, spans=traffic({"engine-0": {"takes": 1.2}})))


@pytest.mark.parametrize("seed", range(5))
def test_a_ranking_is_of_all_candidates_whatever_the_order_of_columns(write_case: WriteCase, seed: int) -> None:
    case = hurt(write_case)
    assert sorted(rank(case)) == sorted(case.components)
    assert rank(case.shuffled(seed)) == rank(case)


@pytest.mark.parametrize("unit", [1e-6, 1000.0])
def test_the_unit_of_a_metric_does_not_matter(write_case: WriteCase, unit: float) -> None:
    from dataclasses import replace

    case = hurt(write_case)
    scaled = replace(case, values=case.values * np.where(np.array(case.columns) == "engine-1_ctn_cpu", unit, 1.0))
    alike = replace(case, values=case.values * unit)
    for one, other in zip(deviations(case), deviations(alike), strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    assert rank(scaled)[0] == rank(case)[0] and rank(alike)[0] == rank(case)[0]


def test_peers_differ_in_their_last_number_only() -> None:
    found = peers(("engine-0", "engine-1", "agent@host-0", "agent@host-1", "gateway"))
    assert found == {
        "engine-0": ("engine-1",),
        "engine-1": ("engine-0",),
        "agent@host-0": ("agent@host-1",),
        "agent@host-1": ("agent@host-0",),
        "gateway": (),
    }


def test_what_is_left_beyond_peers_is_never_more_than_was_there() -> None:
    own = np.array([5.0, -5.0, 5.0, 1.0])
    others = np.array([[4.0, 4.0], [1.0, 1.0], [-3.0, -3.0], [2.0, 2.0]])
    assert beyond(own, others).tolist() == [1.0, -5.0, 5.0, 0.0]


def test_blame_is_handed_on_and_never_lost() -> None:
    edges = [("gateway", "head"), ("head", "engine"), ("engine", "head")]
    moving = {"gateway": 1.0, "head": 0.5}
    standing = passed_down(moving, {"head": 1.0, "engine": 4.0}, edges, half=0.5)
    assert sum(standing.values()) == pytest.approx(1.5)
    assert max(standing, key=standing.__getitem__) == "engine"
    assert passed_down(moving, {}, edges, half=0.5) == pytest.approx(moving)


def test_who_is_not_called_has_lost_nothing() -> None:
    losses = {"gateway": 2.0, "head": 9.0, "engine": 8.0}
    left = missing_from_callers(losses, [("gateway", "head"), ("head", "engine")])
    assert left == {"head": 7.0, "engine": 0.0}
