"""Loki, OTLP, Parquet and text: everything that was recorded is there once, in the shape that the tools read."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.export import FORMATS, loki, otlp
from twin.telemetry.export.text import file_of
from twin.telemetry.folder import FolderError, TelemetryFolder
from twin.world import World


@pytest.fixture(scope="module", params=["replica-crash-loop", "libvirt-hang"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TelemetryFolder:
    path = tmp_path_factory.mktemp("run")
    world = World(Scenario.load(request.param), seed=0)
    world.run(until=130.0)
    folder.write(world, path)
    return folder.read(path)


def written(run: TelemetryFolder, name: str, out: Path) -> Path:
    FORMATS[name](run, out / name)
    return out / name


def nanoseconds(run: TelemetryFolder, time: float) -> int:
    return round(run.manifest["epoch"]) * 10**9 + round(time * 1e9)


def requests(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_loki_gets_every_line_with_few_labels_and_in_order(run: TelemetryFolder, tmp_path: Path) -> None:
    found: Counter[tuple[str, str, int, str]] = Counter()
    for body in requests(written(run, "loki", tmp_path) / loki.FILE):
        assert sum(len(stream["values"]) for stream in body["streams"]) <= loki.BATCH
        for stream in body["streams"]:
            labels = stream["stream"]
            assert set(labels) == {"service_name", "job", "host", "level"} and all(labels.values())
            for when, line in stream["values"]:
                found[labels["service_name"], labels["level"], int(when), line] += 1
    expected = Counter(
        (line.component, line.level.lower(), nanoseconds(run, line.time), line.text) for line in run.each_line()
    )
    assert found == expected


def as_protobuf(value: Any) -> Any:
    """OTLP/JSON as protobuf's own JSON: ids in base64."""
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(inner)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else as_protobuf(inner)
            for key, inner in value.items()
        }
    return [as_protobuf(inner) for inner in value] if isinstance(value, list) else value


def test_otlp_is_what_the_protocol_defines(run: TelemetryFolder, tmp_path: Path) -> None:
    logs = pytest.importorskip("opentelemetry.proto.logs.v1.logs_pb2")
    traces = pytest.importorskip("opentelemetry.proto.trace.v1.trace_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    out = written(run, "otlp", tmp_path)
    spans, lines = [], []
    for line in requests(out / otlp.TRACES):
        for one in json_format.ParseDict(as_protobuf(line), traces.TracesData()).resource_spans:
            service = one.resource.attributes[0].value.string_value
            spans += [(service, span) for scope in one.scope_spans for span in scope.spans]
    for line in requests(out / otlp.LOGS):
        for one in json_format.ParseDict(line, logs.LogsData()).resource_logs:
            assert [attribute.key for attribute in one.resource.attributes] == ["service.name", "host.name"]
            service = one.resource.attributes[0].value.string_value
            lines += [(service, record) for scope in one.scope_logs for record in scope.log_records]
    assert Counter((s, o.trace_id.hex(), o.span_id.hex(), o.parent_span_id.hex(), o.name) for s, o in spans) == Counter(
        (s.component, s.trace, s.span, s.parent, s.operation) for s in run.each_span()
    )
    assert Counter((s, o.time_unix_nano, o.severity_text, o.body.string_value) for s, o in lines) == Counter(
        (line.component, nanoseconds(run, line.time), line.level, line.text) for line in run.each_line()
    )
    assert all(record.severity_number for _, record in lines)
    recorded = {span.span: span for span in run.spans}
    for _, span in spans:
        own = recorded[span.span_id.hex()]
        assert span.start_time_unix_nano == nanoseconds(run, own.start)
        assert span.end_time_unix_nano - span.start_time_unix_nano == round(own.duration * 1e9)
        assert span.attributes[0].value.int_value == own.status
        assert (span.status.code == traces.Status.STATUS_CODE_ERROR) == (own.status >= 500)


def test_parquet_tables_hold_everything_with_their_types(run: TelemetryFolder, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    out = written(run, "parquet", tmp_path)
    rows = {path.stem: pq.read_table(path).to_pylist() for path in out.iterdir()}
    assert set(rows) == {"logs", "traces", "metrics", "alarms", "truth"}
    assert [row["message"] for row in rows["logs"]] == [line.text for line in run.each_line()]
    assert [(row["span"], row["status"]) for row in rows["traces"]] == [(s.span, s.status) for s in run.each_span()]
    scrapes = list(run.each_scrape())
    assert len(rows["metrics"]) == sum(len(shown) for scrape in scrapes for shown in scrape.values.values())
    first = rows["metrics"][0]
    assert scrapes[0].values[first["component"]][first["series"]] == first["value"]
    epoch = datetime.fromtimestamp(run.manifest["epoch"], UTC)
    assert first["time"].to_pydatetime() == epoch + timedelta(seconds=scrapes[0].time)
    assert [row["rule"] for row in rows["alarms"]] == [alarm.rule for alarm in run.alarms]
    (fault,) = rows["truth"]
    assert fault["targets"] and fault["kind"] and fault["family"]


def test_files_are_where_services_leave_them(run: TelemetryFolder, tmp_path: Path) -> None:
    out = written(run, "text", tmp_path)
    files = {str(path.relative_to(out)): path.read_text(encoding="utf-8") for path in out.rglob("*.log")}
    usual = {"node-head/nginx/access.log", "node-0/ray/ray-replicas-0/vllm.log"}
    if run.topology.cluster == "openstack":
        usual = {"controller-0/nova/nova-api.log", "controller-0/keystone/keystone.log", "compute-1/kern.log"}
    assert usual <= set(files)
    assert Counter("".join(files.values()).splitlines()) == Counter(
        part for line in run.each_line() for part in line.text.splitlines()
    )


@pytest.mark.parametrize(
    ("kind", "line", "file"),
    [
        ("nova-compute", "2026-01-01 00:00:01.042 13342 INFO nova.compute.claims [-] x", "nova/nova-compute.log"),
        ("placement", "2026-01-01 00:00:01.042 1 INFO placement.requestlog [-] x", "placement/placement-api.log"),
        ("nginx", "2026/01/01 00:00:01 [error] 29#29: x", "nginx/error.log"),
        ("nginx", '10.0.0.1 - - [01/Jan/2026:00:00:11 +0000] "POST /v1 HTTP/1.1" 200 1', "nginx/access.log"),
        ("node", "Jan  1 00:00:00 node-1 kernel: [86400.0] NVRM: Xid", "kern.log"),
        ("node", 'I0101 00:00:00.000000 1 kubelet.go:1] "x"', "kubelet.log"),
        ("rabbitmq", "2026-01-01 00:00:00.000000+00:00 [info] <0.1.0> x", "rabbitmq/rabbit@h.log"),
        ("vllm", "INFO 2026-01-01 00:00:11,683 replica x", "ray/c/serve/replica_llm_VLLMDeployment.log"),
        ("vllm", "INFO 01-01 00:00:10 [loggers.py:335] Engine 000: x", "ray/c/vllm.log"),
        ("libvirt", "2026-01-01 00:00:08.543+0000: 1234: error : x", "libvirt/libvirtd.log"),
        ("libvirt", "2026-01-01 00:00:08.543+0000: shutting down, reason=destroyed", "libvirt/qemu/instances.log"),
    ],
)  # fmt: skip
def test_a_line_has_its_file(kind: str, line: str, file: str) -> None:
    assert str(file_of(kind, "c", "h", line)) == file


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_broken_folder_is_named(run: TelemetryFolder, name: str, tmp_path: Path) -> None:
    broken = TelemetryFolder(tmp_path / "none", run.manifest, run.topology)
    with pytest.raises(FolderError, match="none"):
        FORMATS[name](broken, tmp_path / "out")
