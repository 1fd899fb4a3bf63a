"""Headers of log lines, one expression a dialect.

The formats are those of the programs' own documentation: oslo.log's default context format, with its exception lines
and without date and process where a collector dropped them, vLLM's, Ray core's and Ray Serve's loggers, nginx's error
and combined access log, Kubernetes' klog, the kernel ring buffer as syslog keeps it, the error logs of MySQL 8 and
MariaDB, RabbitMQ's, HAProxy's under syslog, libvirt's. A line that none of them reads is kept whole, as a message
without a header.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_LINE = 4096
"""Characters of a line that are looked at."""

HEADERS: dict[str, re.Pattern[str]] = {
    name: re.compile(expression, re.DOTALL | re.ASCII)
    for name, expression in {
        "nginx-access": r"(?P<source>[0-9a-fA-F.:]{2,45}) - \S+ "
        r"\[\d\d/\w{3}/\d{4}:[\d:]{8} [+-]\d{4}\] (?P<message>.*)",
        "vllm": r"(?:\((?P<process>\w+) pid=\d+\) )?"
        r"(?P<level>[A-Z]{4,8}) \d\d-\d\d [\d:]{8} \[(?P<source>[^\]\s]{1,80})\] (?P<message>.*)",
        "serve": r"(?P<level>[A-Z]{4,8}) \d{4}-\d\d-\d\d [\d:]{8},\d{3} (?P<source>\w{1,40}) "
        r"(?P<context>[^\r\n]{0,200}?) ?-- (?P<message>.*)",
        "ray": r"\d{4}-\d\d-\d\d [\d:]{8},\d{3}\t(?P<level>[A-Z]{4,8}) (?P<source>\S{1,80}) -- (?P<message>.*)",
        "oslo": r"(?:\S+\.log\S* )?"
        r"(?:\d{4}-\d\d-\d\d [\d:]{8}\.\d{3} \d+ |(?=[A-Z]{4,8} [\w.-]{1,120} \[)|(?=ERROR \w+\.\w))"
        r"(?P<level>[A-Z]{4,8}) (?P<source>[\w.-]{1,120}) "
        r"(?:\[(?!instance: )(?P<context>[^\]]{0,400})\] )?(?:\[instance: [0-9a-f-]{1,40}\] ?)?(?P<message>.*)",
        "nginx-error": r"\d{4}/\d\d/\d\d [\d:]{8} \[(?P<level>[a-z]{4,6})\] \d+#\d+: (?:\*\d+ )?(?P<message>.*)",
        "klog": r"(?P<level>[IWEF])\d{4} [\d:]{8}\.\d{6} +\d+ (?P<source>[\w.-]{1,80}:\d+)\] (?P<message>.*)",
        "kernel": r"(?:\w{3} [ \d]\d [\d:]{8} \S+ (?P<source>kernel): )?\[ *\d+\.\d{6}\] (?P<message>.*)",
        "mysql": r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}(?:Z|[+-][\d:]{5}) \d+ \[(?P<level>[A-Z]\w{3,8})\] (?:\[MY-\d+\] )?"
        r"(?:\[(?P<source>\w{1,40})\] )?(?P<message>.*)",
        "mariadb": r"\d{4}-\d\d-\d\d +\d{1,2}:\d\d:\d\d \d+ \[(?P<level>[A-Z]\w{3,8})\] (?P<message>.*)",
        "rabbitmq": r"\d{4}-\d\d-\d\d [\d:]{8}\.\d{3,6}(?:[+-][\d:]{5})? \[(?P<level>[a-z]{4,9})\] "
        r"(?P<source><[\d.]+>) (?P<message>.*)",
        "haproxy": r"\w{3} [ \d]\d [\d:]{8} \S+ (?P<source>haproxy)\[\d+\]: (?P<message>.*)",
        "libvirt": r"\d{4}-\d\d-\d\d [\d:]{8}\.\d{3}[+-]\d{4}: "
        r"(?:\d+: (?P<level>[a-z]{4,8}) : (?:(?P<source>\w{1,80}:\d+) : )?)?(?P<message>.*)",
    }.items()
}
"""Dialect -> its header. Groups: level, source (logger or file) and message; the others are passed over."""

LEVELS: dict[str, str] = {
    "DEBUG": "DEBUG", "TRACE": "DEBUG", "INFO": "INFO", "AUDIT": "INFO", "WARNING": "WARNING", "WARN": "WARNING",
    "ERROR": "ERROR", "CRITICAL": "CRITICAL", "FATAL": "CRITICAL",
    "I": "INFO", "W": "WARNING", "E": "ERROR", "F": "CRITICAL",
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


def read(text: str) -> Reading:
    """Part a line into header and message; a line of no known dialect is all message."""
    text = text[:LONGEST_LINE]
    for dialect, header in HEADERS.items():
        found = header.match(text)
        if found is not None:
            fields = found.groupdict("")
            level = LEVELS.get(fields.get("level", ""), "")
            trace = dialect == "oslo" and found["context"] is None
            return Reading(dialect, level, fields.get("source", ""), fields["message"], trace)
    return Reading("", "", "", text)
