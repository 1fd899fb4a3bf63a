"""Headers of the dialects: level, source and message of each format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.reading.headers import HEADERS, Reading, read

LINES = {
    "(EngineCore pid=77) INFO 11-21 10:03:02 [kv_cache_utils.py:1147] GPU KV cache size: 9 tokens": Reading(
        "vllm", "INFO", "kv_cache_utils.py:1147", "GPU KV cache size: 9 tokens"
    ),
    "ERROR 12-20 00:44:58 [api_server.py:651] it broke": Reading("vllm", "ERROR", "api_server.py:651", "it broke"),
    "2026-11-21 10:02:11,123\tWARNING worker.py:20 -- The actor died": Reading(
        "ray", "WARNING", "worker.py:20", "The actor died"
    ),
    "INFO 2026-11-21 10:02:11,123 controller 42 -- Adding 1 replica": Reading(
        "serve", "INFO", "controller", "Adding 1 replica"
    ),
    "INFO 2026-11-21 10:02:11,123 replica default_LLM x1y2 9f3c-1 -- POST /v1/x 200 8.4ms": Reading(
        "serve", "INFO", "replica", "POST /v1/x 200 8.4ms"
    ),
    '10.0.0.7 - - [21/Nov/2026:10:02:11 +0000] "POST /v1/x HTTP/1.1" 502 11 "-" "curl" "-" 1.2': Reading(
        "nginx-access", "", "10.0.0.7", '"POST /v1/x HTTP/1.1" 502 11 "-" "curl" "-" 1.2'
    ),
    "2026/11/21 10:02:11 [error] 31#31: *7 no live upstreams while connecting to upstream": Reading(
        "nginx-error", "ERROR", "", "no live upstreams while connecting to upstream"
    ),
    "E1121 10:02:11.000001    2103 prober.go:107] \"Probe failed\" pod=\"ns/p\"": Reading(
        "klog", "ERROR", "prober.go:107", '"Probe failed" pod="ns/p"'
    ),
    "Nov  1 10:02:11 node-1 kernel: [ 1234.567890] NVRM: Xid (PCI:0000:05:00): 79, gone": Reading(
        "kernel", "", "kernel", "NVRM: Xid (PCI:0000:05:00): 79, gone"
    ),
    "2026-05-16 00:00:00.008 25 INFO nova.compute.manager [None req-1 u p - -] [instance: 6a1b-1] VM Started": Reading(
        "oslo", "INFO", "nova.compute.manager", "VM Started"
    ),
    "2026-05-16 00:00:00.008 25 WARNING nova.servicegroup [-] lost": Reading(
        "oslo", "WARNING", "nova.servicegroup", "lost"
    ),
    "2026-05-16 00:00:00.008 25 ERROR nova.manager [instance: 6a1b-1] Traceback (most recent call last):": Reading(
        "oslo", "ERROR", "nova.manager", "Traceback (most recent call last):", trace=True
    ),
    "2026-05-16 00:00:00.008 25 ERROR nova.context   File \"/usr/lib/x.py\", line 3, in f": Reading(
        "oslo", "ERROR", "nova.context", '  File "/usr/lib/x.py", line 3, in f', trace=True
    ),
    "nova-api.log.1.2017-05-16 2017-05-16 00:00:00.008 25 INFO nova.wsgi [req-1 u p - - -] 10.1.1.1 up": Reading(
        "oslo", "INFO", "nova.wsgi", "10.1.1.1 up"
    ),
    "INFO os_vif [req-1] Successfully plugged vif X": Reading("oslo", "INFO", "os_vif", "Successfully plugged vif X"),
    "ERROR nova.compute.manager     return f()": Reading(
        "oslo", "ERROR", "nova.compute.manager", "    return f()", trace=True
    ),
    "2026-11-21  0:16:54 0 [Note] InnoDB: Starting shutdown...": Reading(
        "mariadb", "INFO", "", "InnoDB: Starting shutdown..."
    ),
    "Jan  1 00:00:07 controller-0 haproxy[4783]: Server nova/controller-1 is DOWN": Reading(
        "haproxy", "", "haproxy", "Server nova/controller-1 is DOWN"
    ),
    "2026-01-01 00:00:03.595+0000: 1234: error : virNetSocketReadWire:1791 : End of file": Reading(
        "libvirt", "ERROR", "virNetSocketReadWire:1791", "End of file"
    ),
    "2026-01-01 00:00:03.595+0000: shutting down, reason=destroyed": Reading(
        "libvirt", "", "", "shutting down, reason=destroyed"
    ),
    "2026-01-01T00:00:37.667321Z 8 [Warning] [MY-010055] [Server] IP address": Reading(
        "mysql", "WARNING", "Server", "IP address"
    ),
    "[2026-11-21 10:02:11,123 E 395 395] (raylet) node_manager.cc:3049: 10 Workers killed": Reading(
        "ray-core", "ERROR", "node_manager.cc:3049", "10 Workers killed"
    ),
    '(APIServer pid=1) INFO:     10.0.0.7:4823 - "POST /v1/completions HTTP/1.1" 200 OK': Reading(
        "uvicorn", "INFO", "", '10.0.0.7:4823 - "POST /v1/completions HTTP/1.1" 200 OK'
    ),
    "(VllmWorker rank=1 pid=2061) INFO 08-06 03:26:00 [cuda.py:290] Using Flash Attention": Reading(
        "vllm", "INFO", "cuda.py:290", "Using Flash Attention"
    ),
    "(APIServer pid=1) INFO 03-10 15:49:42 [utils.py:302]": Reading("vllm", "INFO", "utils.py:302", ""),
    "2026-11-21T10:02:11.123456+01:00 node-1 kernel: NVRM: Xid (PCI:0000:05:00): 79, gone": Reading(
        "kernel", "", "kernel", "NVRM: Xid (PCI:0000:05:00): 79, gone"
    ),
    "7 INFO nova.compute.manager [req-1 g- usr u prj p] VM Started": Reading(
        "oslo", "INFO", "nova.compute.manager", "VM Started"
    ),
    "2026-01-01 00:14:34.906296+00:00 [warning] <0.4798.0> closed": Reading(
        "rabbitmq", "WARNING", "<0.4798.0>", "closed"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("line", "reading"), LINES.items())
def test_each_dialect_is_read(line: str, reading: Reading) -> None:
    assert read(line) == reading


def test_there_is_a_sample_of_every_dialect() -> None:
    assert {reading.dialect for reading in LINES.values()} == set(HEADERS)


def test_no_line_is_of_two_dialects() -> None:
    for line, reading in LINES.items():
        assert [dialect for dialect, header in HEADERS.items() if header.match(line)] == [reading.dialect]


def test_a_line_of_no_known_format_is_all_message() -> None:
    assert read("Traceback (most recent call last):") == Reading("", "", "", "Traceback (most recent call last):")


@given(st.text())
def test_nothing_that_may_be_printed_breaks_the_reader(text: str) -> None:
    assert read(text).message in text


def test_a_hostile_line_is_read_quickly() -> None:
    for start in ("INFO 2026-11-21 10:02:11,123 controller ", "2026-05-16 00:00:00.008 25 INFO nova [", "1." * 30):
        assert len(read(start + "-" * 1_000_000).message) <= 4096
