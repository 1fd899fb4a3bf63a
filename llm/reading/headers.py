"""Headers of log lines, one expression a dialect.

The formats are those of the programs' own documentation: oslo.log's default context format, with its exception lines
and without date and process where a collector dropped them, vLLM's and uvicorn's, Ray core's (Python and C++) and Ray
Serve's loggers, nginx's error and combined access log, Kubernetes' klog, the kernel ring buffer as syslog keeps it
(rsyslog's old and new file format), the error logs of MySQL 8 and MariaDB, RabbitMQ's, HAProxy's under syslog,
libvirt's. A line that none of them reads is kept whole, as a message without a header.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_LINE = 4096
"""Characters of a line that are looked at."""

_ISO = r"\d{4}-\d\d-\d\d[ T][\d:]{8}"
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)"
SYSLOG_TIME = rf"(?:\w{{3}} [ \d]\d [\d:]{{8}}|{_ISO}(?:\.\d{{1,9}})?{_ZONE})"
"""rsyslog's traditional and its RFC 3339 file format."""
_VLLM_PROCESS = r"(?:\([\w.:-]{1,80}(?: [\w=.:-]{1,40})? pid=(?P<pid>\d{1,10})(?:, ip=[\w.:]{1,45})?\) )?"
"""What vLLM and Ray put before the lines of a subprocess: its name, at times a rank, its process id."""

HEADERS: dict[str, re.Pattern[str]] = {
    name: re.compile(expression, re.DOTALL | re.ASCII)
    for name, expression in {
        "nginx-access": r"(?P<source>[0-9a-fA-F.:]{2,45}) - \S+ "
        r"\[(?P<time>\d\d/\w{3}/\d{4}:[\d:]{8} [+-]\d{4})\] (?P<message>.*)",
        "vllm": _VLLM_PROCESS + r"(?P<level>[A-Z]{4,8}) (?P<time>\d\d-\d\d [\d:]{8}(?:\.\d{3})?) "
        r"\[(?P<source>[^\]\s]{1,80})\](?: (?P<message>.*)|$)",
        "serve": r"(?P<level>[A-Z]{4,8}) (?P<time>\d{4}-\d\d-\d\d [\d:]{8},\d{3}) (?P<source>\w{1,40}) "
        r"(?P<context>[^\r\n]{0,200}?) ?-- (?P<message>.*)",
        "ray": r"(?P<time>\d{4}-\d\d-\d\d [\d:]{8},\d{3})\t(?P<level>[A-Z]{4,8}) (?P<source>\S{1,80}) -- "
        r"(?P<message>.*)",
        "oslo": r"(?:(?P<file>[^\s/]{1,80}\.log\S{0,80}) )?"
        r"(?:(?P<time>\d{4}-\d\d-\d\d [\d:]{8}\.\d{3}) (?=\d)"
        r"|(?=(?:\d{1,10} )?[A-Z]{4,8} [\w.-]{1,120} \[)|(?=ERROR \w{1,80}\.\w))(?:(?P<pid>\d{1,10}) )?"
        r"(?P<level>[A-Z]{4,8}) (?P<source>[\w.-]{1,120}) "
        r"(?:\[(?!instance: )(?P<context>[^\]]{0,400})\] )?(?:\[instance: (?P<instance>[0-9a-f-]{1,40})\] ?)?"
        r"(?P<message>.*)",
        "nginx-error": r"(?P<time>\d{4}/\d\d/\d\d [\d:]{8}) \[(?P<level>[a-z]{4,6})\] (?P<pid>\d{1,10})#\d+: "
        r"(?:\*\d+ )?(?P<message>.*)",
        "klog": r"(?P<level>[IWEF])(?P<time>\d{4} [\d:]{8}\.\d{6}) +(?P<pid>\d{1,10}) (?P<source>[\w.-]{1,80}:\d+)\] "
        r"(?P<message>.*)",
        "kernel": rf"(?:(?P<time>{SYSLOG_TIME}) (?P<host>\S{{1,255}}) (?P<source>kernel): (?:\[ *\d+\.\d{{6}}\] ?)?"
        r"|\[ *\d+\.\d{6}\] )(?P<message>.*)",
        "mysql": r"(?P<time>\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}(?:Z|[+-][\d:]{5})) \d+ \[(?P<level>[A-Z]\w{3,8})\] "
        r"(?:\[MY-\d+\] )?(?:\[(?P<source>\w{1,40})\] )?(?P<message>.*)",
        "mariadb": r"(?P<time>\d{4}-\d\d-\d\d +\d{1,2}:\d\d:\d\d) \d+ \[(?P<level>[A-Z]\w{3,8})\] (?P<message>.*)",
        "rabbitmq": r"(?P<time>\d{4}-\d\d-\d\d [\d:]{8}\.\d{3,6}(?:[+-][\d:]{5})?) \[(?P<level>[a-z]{4,9})\] "
        r"(?P<source><[\d.]+>) ?(?P<message>.*)",
        "haproxy": rf"(?P<time>{SYSLOG_TIME}) (?P<host>\S{{1,255}}) (?P<source>haproxy)\[(?P<pid>\d{{1,10}})\]: "
        r"(?P<message>.*)",
        "libvirt": r"(?P<time>\d{4}-\d\d-\d\d [\d:]{8}\.\d{3}[+-]\d{4}): "
        r"(?:(?P<pid>\d{1,10}): (?P<level>[a-z]{4,8}) : (?:(?P<source>\w{1,80}:\d+) : )?)?(?P<message>.*)",
        "ray-core": r"(?:\([\w.:-]{1,80}\) )?\[(?P<time>\d{4}-\d\d-\d\d [\d:]{8},\d{3}) (?P<level>[DIWECF]) "
        r"(?P<pid>\d{1,10}) \d{1,20}\] (?:\(\w{1,40}\) )?(?P<source>[\w.-]{1,80}:\d+): (?P<message>.*)",
        "uvicorn": _VLLM_PROCESS + r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):  {0,7}(?P<message>\S.*)",
    }.items()
}
"""Dialect -> its header. Every one has a message; level, source (logger or file), time, pid, host, context (oslo.log's
request), instance and file (where a collector put its name before the line) where the format has them."""

LEVELS: dict[str, str] = {
    "DEBUG": "DEBUG", "TRACE": "DEBUG", "INFO": "INFO", "AUDIT": "INFO", "WARNING": "WARNING", "WARN": "WARNING",
    "ERROR": "ERROR", "CRITICAL": "CRITICAL", "FATAL": "CRITICAL",
    "D": "DEBUG", "I": "INFO", "W": "WARNING", "E": "ERROR", "C": "CRITICAL", "F": "CRITICAL",
    "debug": "DEBUG", "info": "INFO", "notice": "INFO", "warn": "WARNING", "warning": "WARNING", "error": "ERROR",
    "crit": "CRITICAL", "critical": "CRITICAL", "alert": "CRITICAL", "emerg": "CRITICAL",
    "System": "INFO", "Note": "INFO", "Warning": "WARNING", "Error": "ERROR",
}  # fmt: skip
"""What a header prints -> the level's common name."""


class Reading(NamedTuple):
    """One line, read. `dialect`, `level` and `source` are empty where the line does not say."""

    dialect: str
    level: str
    source: str
    message: str
    trace: bool = False
    """Whether it is a line of a stack trace: oslo.log prints those without a request in brackets."""


def find(text: str, first: str = "") -> tuple[str, re.Match[str]] | None:
    """The dialect of a line and the match of its header; None where no dialect knows it.

    `first` is tried before the others: the dialect of the line before, as a rule.
    """
    if not text or text[0].isspace():
        return None
    if first:
        found = HEADERS[first].match(text)
        if found is not None:
            return first, found
    for dialect, header in HEADERS.items():
        found = header.match(text)
        if found is not None:
            return dialect, found
    return None


def read(text: str) -> Reading:
    """Part a line into header and message; a line of no known dialect is all message."""
    text = text[:LONGEST_LINE]
    known = find(text)
    if known is None:
        return Reading("", "", "", text)
    dialect, found = known
    fields = found.groupdict("")
    level = LEVELS.get(fields.get("level", ""), "")
    return Reading(dialect, level, fields.get("source", ""), fields["message"], is_trace(dialect, found))


def is_trace(dialect: str, found: re.Match[str]) -> bool:
    """Whether a line is one of a stack trace, by its header."""
    return dialect == "oslo" and found["context"] is None
