"""A case is read as RCAEval lays it out, and never tells its answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm.ranking.case import CaseError, read_case
from tests.llm.ranking.conftest import INJECTED, START, TIMES, WriteCase, steady


def test_a_case_has_metrics_logs_spans_and_a_graph(write_case: WriteCase) -> None:
    place = write_case(
        {"head_cpu": steady("head")},
        logs=[(START + 7, "engine-1", "late"), (START + 1.5, "engine-0", "early, with a comma")],
        spans=[
            ("b", "a", "head", START * 10**6 + 250_000, 1_500_000, 200),
            ("a", "", "gateway", START * 10**6, 2_000_000, 502),
        ],
    )
    case = read_case(place)
    assert case.inject_time == INJECTED
    assert case.columns == ("head_cpu",)
    assert case.values.shape == (len(TIMES), 1)
    assert [(line.time - START, line.service, line.text) for line in case.logs] == [
        (1.5, "engine-0", "early, with a comma"),
        (7.0, "engine-1", "late"),
    ]
    assert [case.spans.services[i] for i in case.spans.service] == ["head", "gateway"]
    assert case.spans.parent.tolist() == [1, -1]
    assert case.spans.duration.tolist() == [1.5, 2.0]
    assert case.spans.failed.tolist() == [False, True]
    assert ("engine-0", "host-0") in case.edges


def test_every_service_with_telemetry_is_a_candidate_and_no_host(write_case: WriteCase) -> None:
    case = read_case(
        write_case(
            {"head_cpu": steady("head")}, [(START, "engine-2", "x")], [("a", "", "gateway", START * 10**6, 1, 200)]
        )
    )
    assert case.components == ("engine-2", "gateway", "head")


def test_what_is_absent_is_not_a_number_and_text_is_no_metric(write_case: WriteCase) -> None:
    values: list[object] = [1.0] * len(TIMES)
    values[3], values[4] = "", "inf"
    case = read_case(write_case({"head_cpu": values, "head_pod_name": ["head-x7"] * len(TIMES)}))
    assert case.columns == ("head_cpu",)
    assert np.flatnonzero(np.isnan(case.values[:, 0])).tolist() == [3, 4]


def test_rows_are_put_into_the_order_of_time(write_case: WriteCase) -> None:
    place = write_case({"head_cpu": np.arange(len(TIMES))})
    head, *rows = (place / "data.csv").read_text().splitlines()
    (place / "data.csv").write_text("\n".join([head, *reversed(rows)]) + "\n")
    case = read_case(place)
    assert case.times.tolist() == TIMES.tolist()
    assert case.values[:, 0].tolist() == list(range(len(TIMES)))


def test_logs_traces_and_graph_may_be_missing(write_case: WriteCase) -> None:
    place = write_case()
    for name in ("logs.csv", "traces.csv", "mpg.csv"):
        (place / name).unlink()
    case = read_case(place)
    assert (case.logs, len(case.spans), case.edges) == ((), 0, ())


def test_the_answer_is_never_read(write_case: WriteCase, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write_case(folder="engine-1_cpu/1")
    (place / "truth.json").write_text('{"services": ["engine-1"]}')
    opened: list[str] = []
    really = Path.open

    def watched(path: Path, *args: object, **options: object) -> object:
        opened.append(path.name)
        return really(path, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", watched)
    assert "engine-1" not in read_case(place).components
    assert opened
    assert "truth.json" not in opened


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("data.csv", None, "holds no data.csv"),
        ("data.csv", "", "expected a table with a column 'time'"),
        ("data.csv", "time,a_cpu\n", "expected a table with a column 'time'"),
        ("data.csv", "time,a_cpu,a_cpu\n1,2,3\n", "two columns have one name"),
        ("data.csv", "time,a_cpu\n1,2\n2,3,4\n", r"data.csv:3: 3 cells under 2 names"),
        ("data.csv", "time,a_cpu\n1,2\n2,x\n", r"data.csv:3: a_cpu 'x' is no number"),
        ("data.csv", "time,a_cpu\nsoon,2\n", r"data.csv:2: its time is no number"),
        ("data.csv", "time,a_cpu\n1,2\n2,3\n", "do not lie around the injection"),
        ("inject_time.txt", None, "cannot read .*inject_time.txt: No such file"),
        ("inject_time.txt", "noon", "'noon' is no Unix time"),
        ("logs.csv", "time,container_name,message\n", "logs.csv:1: has no column 'timestamp'"),
        ("logs.csv", "timestamp,container_name,message\nx,a,b\n", "logs.csv:2: timestamp 'x' is no number"),
        ("mpg.csv", "source,destination\na\n", "mpg.csv:2: 1 cells under 2 names"),
    ],
)
def test_a_broken_case_says_where(write_case: WriteCase, file: str, text: str | None, said: str) -> None:
    place = write_case()
    if text is None:
        (place / file).unlink()
    else:
        (place / file).write_text(text)
    with pytest.raises(CaseError, match=said):
        read_case(place)


def test_bytes_that_are_no_text_are_an_error_of_the_case(write_case: WriteCase) -> None:
    place = write_case()
    (place / "data.csv").write_bytes(b"\xff\xfe\x00time\x00\x00\n\x00\x01")
    with pytest.raises(CaseError, match=r"data\.csv"):
        read_case(place)
