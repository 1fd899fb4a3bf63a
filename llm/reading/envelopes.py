r"""What a collector puts around a line: its own time, and who printed it.

Kubernetes' container runtimes (CRI: `TIME stdout F line`), `kubectl logs --timestamps`, docker compose
(`container  | line`), syslog and journalctl (`TIME host program[pid]: line`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from llm.reading.headers import SYSLOG_TIME

_RFC3339 = r"\d{4}-\d\d-\d\dT[\d:]{8}(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
ENVELOPES: dict[str, re.Pattern[str]] = {
    name: re.compile(expression, re.ASCII)
    for name, expression in {
        "cri": rf"(?P<time>{_RFC3339}) std(?:out|err) (?P<part>[FP]) ",
        "syslog": rf"(?P<time>{SYSLOG_TIME}) (?P<host>\S{{1,255}}) (?P<program>[\w./@-]{{1,80}})"
        r"(?:\[(?P<pid>\d{1,10})\])?: ",
        "kubectl": rf"(?P<time>{_RFC3339}) ",
        "compose": r"(?P<program>[\w.-]{1,80}) {1,40}\| ",
    }.items()
}
"""Name -> what it puts before the line."""


class Envelope(NamedTuple):
    """What was around a line. `time`, `program`, `host` and `pid` are empty where it does not say."""

    kind: str
    length: int
    time: str
    program: str
    host: str
    pid: str
    partial: bool
    """Whether the line goes on in the next one."""


def opened(text: str, first: str = "") -> Envelope | None:
    """The envelope of a line; None where it has none. `first` is tried before the others."""
    for kind in (first, *ENVELOPES) if first else ENVELOPES:
        found = ENVELOPES[kind].match(text)
        if found is not None:
            fields = found.groupdict("")
            return Envelope(
                kind,
                found.end(),
                fields.get("time", ""),
                fields.get("program", ""),
                fields.get("host", ""),
                fields.get("pid", ""),
                fields.get("part") == "P",
            )
    return None
