"""Log records: lines with their headers read, and the lines without one that belong to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import NamedTuple

from llm.reading.components import kind_by, most_voted, named, unit
from llm.reading.envelopes import Envelope, opened
from llm.reading.headers import LEVELS, LONGEST_LINE, find, is_trace
from llm.reading.report import FileReport
from llm.reading.severity import implied
from llm.reading.stamps import Clock

LONGEST_RECORD = 16_384
"""Characters that are kept of a record of several lines."""
SYSLOG = "syslog"
"""The dialect of a line that only syslog's own header is known of."""
GENERIC = frozenset({"syslog", "messages", "kern", "kernel", "dmesg", "journal", "user", "daemon", "error"})
"""Names of files that hold the lines of many programs."""

_CONTINUES = re.compile(
    r"\s|Traceback \(most recent call last\)|During handling of the above exception"
    r"|The above exception was the direct cause"
    r"|(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{0,60}(?:Error|Exception|Warning|Timeout|Exit|Interrupt|Failure|Conflict|Remote"
    r"|NotFound|Invalid|Refused|Failed)\b(?::|$)"
    r"|<class '|\[SQL: |\[parameters: |\(Background on this error at: |\['Traceback|\[u?'|Command: |Exit code: "
    r"|Std(?:out|err): |RPC RemoteError|Version: '|at [\w.$]{1,120}\(|Caused by: |\.\.\. \d{1,5} more|[\])}>]"
    r"|</?\w{1,40}[ >/]"
)
"""How lines begin that go on with the record before: stack traces, what oslo.db and oslo.concurrency say over several
lines, XML, closing brackets."""


_WHOLE = frozenset({"oslo", "mysql", "mariadb", "rabbitmq", "libvirt", "klog"})
"""Dialects whose programs print nothing without a header: any line without one is the rest of the record before."""


class LogEntry(NamedTuple):
    """One record of a log."""

    time: float | None
    """Unix seconds; that of the record before where it prints none, None where none of its file has come before."""
    component: str
    level: str
    """A name of `twin.telemetry.records.Level`; where the format prints none, what the message implies."""
    logger: str
    """The logger or the source file that the line names."""
    request: str
    """The request's own id, empty where the line has none."""
    global_request: str
    """The id that the caller gave it."""
    instance: str
    """The server's UUID."""
    dialect: str
    """A key of `headers.HEADERS`, `SYSLOG`, or empty for a line of no known format."""
    file: str
    number: int
    """Of its first line, from 1."""
    pid: str
    trace: bool
    """Whether it is a line of a stack trace with a header of its own."""
    text: str
    """The whole record as it was printed, without what a collector put around it."""
    start: int
    """Where its message begins."""

    @property
    def message(self) -> str:
        """What follows the header."""
        return self.text[self.start :]


def entries(lines: Iterable[str], file: PurePath, own: str, clock: Clock, report: FileReport) -> Iterator[LogEntry]:
    """The records of one file; `report` is filled on the way.

    `own` is the component that writes it, as far as its name says; lines that name another one are that one's. Empty
    where neither says anything (`attributed`).
    """
    path = str(file)
    open_entry: LogEntry | None = None
    more: list[str] = []
    length = 0
    dialect = wrapped = carried = ""
    time: float | None = None

    for number, line in enumerate(lines, 1):
        report.lines += 1
        text = line[:LONGEST_LINE]
        envelope: Envelope | None = None
        known = find(text, dialect) if not wrapped else None
        if known is None and text[:1].isalnum():
            envelope = opened(text, wrapped)
            if envelope is not None:
                inner = (carried + text[envelope.length :])[:LONGEST_LINE]
                carried = inner if envelope.partial else ""
                if envelope.partial:
                    report.lines -= 1
                    continue
                known = find(inner, dialect)
                if known is not None or envelope.kind in ("cri", SYSLOG):
                    text, wrapped = inner, envelope.kind
                else:
                    envelope = None
            elif wrapped:
                known, wrapped = find(text, dialect), ""
        if known is None and not text.strip():
            report.blank += 1
            continue
        if known is None and open_entry is not None:
            goes_on = _CONTINUES.match(text) is not None
            if goes_on or (envelope is None and open_entry.dialect in _WHOLE):
                if goes_on:
                    report.continued += 1
                else:
                    report.miss(text)
                if length < LONGEST_RECORD:
                    more.append(text)
                    length += len(text) + 1
                continue
        if open_entry is not None:
            yield _closed(open_entry, more)
            more, length = [], 0
        stamp = ""
        if known is not None:
            dialect, found = known
            fields = found.groupdict("")
            stamp = fields.get("time", "") or (envelope.time if envelope is not None else "")
            start = found.start("message") if found.start("message") >= 0 else len(text)
            message = fields["message"]
            level = LEVELS.get(fields.get("level", ""), "") or implied(dialect, message)
            own_id, global_id = request_ids(fields["context"]) if dialect == "oslo" else ("", "")
            component = own
            if fields.get("file"):
                component = named(PurePath(fields["file"]))[0]
            elif not own and fields.get("host"):
                component = _on_host(fields["source"], fields["host"])
            elif not own and envelope is not None and envelope.program:
                component = _on_host(envelope.program, envelope.host)
            pid = fields.get("pid", "") or (envelope.pid if envelope is not None else "")
            report.headed += 1
            report.dialects[dialect] += 1
            entry_dialect, logger, instance = dialect, fields.get("source", ""), fields.get("instance", "")
            trace = is_trace(dialect, found)
        else:
            entry_dialect = logger = own_id = global_id = instance = pid = ""
            level, start, trace, component = "INFO", 0, False, own
            if envelope is not None:
                stamp, pid, logger = envelope.time, envelope.pid, envelope.program
                if not own and envelope.program:
                    component = _on_host(envelope.program, envelope.host)
            if envelope is not None and envelope.kind == SYSLOG:
                entry_dialect = SYSLOG
                report.headed += 1
                report.dialects[SYSLOG] += 1
            else:
                report.miss(text)
        if stamp:
            moment = clock.seconds(stamp)
            if moment is not None:
                time = moment
                report.dated(moment)
        if time is None:
            report.undated += 1
        open_entry = LogEntry(
            time, component, level, logger, own_id, global_id, instance, entry_dialect, path, number, pid, trace, text,
            start,
        )  # fmt: skip
        length = len(text)
    if open_entry is not None:
        yield _closed(open_entry, more)
    report.local = clock.local > clock.zoned


def _closed(entry: LogEntry, more: list[str]) -> LogEntry:
    return entry._replace(text="\n".join((entry.text, *more))[:LONGEST_RECORD]) if more else entry


def _on_host(program: str, host: str) -> str:
    if program == "kernel":
        return host
    return f"{unit(program)}@{host}" if host else unit(program)


def request_ids(context: str) -> tuple[str, str]:
    """The own and the global request id of oslo.log's context, as it is printed since Yoga and as it was before.

    `None req-OWN user …`, `req-GLOBAL req-OWN user …`, `req-OWN user …`, `-`.
    """
    if "req-" not in context:
        return "", ""
    found = [word for word in context.split(" ", 3)[:3] if word.startswith(("req-", "greq-"))]
    if len(found) > 1:
        first, second = found[:2]
        return (first, second[1:]) if second.startswith("g") else (second, first)
    return (found[0], "") if found else ("", "")


def attributed(found: list[LogEntry], name: str) -> list[LogEntry]:
    """The records of a file, those without a component given to one; `name` is the file's.

    Where neither the file's name nor a line says whose it is, the lines of one process are those of the service that
    most of their loggers belong to. A file with one service in it gives that its name.
    """
    if all(entry.component for entry in found):
        return found
    votes: dict[str, Counter[str]] = {}
    for entry in found:
        kind = kind_by(entry.dialect, entry.logger) if not entry.component else ""
        if kind:
            votes.setdefault(entry.pid, Counter())[kind] += 1
    kinds = {pid: most_voted(count) for pid, count in votes.items()}
    if len(set(kinds.values())) <= 1 and name.lower() not in GENERIC:
        kinds = dict.fromkeys(kinds, name)
    rest = most_voted(Counter(kinds.values())) or name
    return [e if e.component else e._replace(component=kinds.get(e.pid, rest)) for e in found]


def own_name(name: str, kind: str) -> str:
    """The component whose file has this name, as far as it says; empty for a file of many programs."""
    return name if kind and name.lower() not in GENERIC else ""
