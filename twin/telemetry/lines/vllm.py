"""vLLM's log format: ``(EngineCore pid=212) INFO 11-21 10:02:11 [core.py:112] message`` (vLLM 0.33).

A template's origin is ``process/file.py:line``. No year, no fraction of a second, no time zone, as the original.
"""

from __future__ import annotations

import re

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import LogRecord


def line(record: LogRecord, epoch: float) -> str:
    """One line; args are (pid, *fields)."""
    pid = record.args[0]
    process, source = record.template.origin.split("/")
    return f"({process} pid={pid}) {_rest(record, epoch, source, _message(record))}"


_TO_085 = (
    (re.compile(r"^Initializing a V1 LLM engine \(v[\d.]+\)"), "Initializing a V1 LLM engine (v0.8.5)"),
    # The concurrency was a line of its own; only the first of the two is printed here.
    (re.compile(r"^(GPU KV cache size: [\d,]+ tokens), .*$"), r"\1"),
    (re.compile(r"^(init engine .* took [\d.]+) s \(compilation: .*$"), r"\1 seconds"),
    (re.compile(r"(?<=reqs, )(?:Deferred|KV fetch|Preemptions): [^,]*, "), ""),
    # Printed whether or not anybody hit anything.
    (re.compile(r"(GPU KV cache usage: [\d.]+%)$"), r"\1, Prefix cache hit rate: 0.0%"),
)


def line_085(record: LogRecord, epoch: float) -> str:
    """The line of vLLM 0.8.5: ``INFO 12-20 00:44:58 [api_server.py:651] message``, in that version's wording."""
    message = _message(record)
    for pattern, replacement in _TO_085:
        message = pattern.sub(replacement, message)
    return _rest(record, epoch, record.template.origin.split("/")[1], message)


def _message(record: LogRecord) -> str:
    return record.template.text.format(*record.args[1:])


def _rest(record: LogRecord, epoch: float, source: str, message: str) -> str:
    stamp = f"{moment(epoch, record.time + record.skew):%m-%d %H:%M:%S}"
    return f"{record.template.level} {stamp} [{source}] {message}"
