"""oslo.log's file format, as deployed since Yoga: both request ids, user and project, then the instance.

2026-01-01 00:00:03.595 4783 INFO nova.compute.claims [None req-… USER PROJECT - - default default] [instance: …] text
"""

from __future__ import annotations

from typing import NamedTuple

from twin.telemetry.lines.timestamps import moment
from twin.telemetry.records import Level, LogRecord, LogTemplate


class RequestContext(NamedTuple):
    """What oslo.context prints: the global request id (set by the calling service), the own one, who asks."""

    global_request: str
    request: str
    user: str
    project: str


EXCEPTION_LINE = RequestContext("", "", "", "")
"""In place of a context: a line of a traceback, which oslo.log prints without brackets (`logging_exception_prefix`)."""


def statement(id: str, level: Level, logger: str, text: str) -> LogTemplate:
    """A statement of a service that logs through oslo.log."""
    return LogTemplate(id, "oslo", level, logger, text)


class Logger(NamedTuple):
    """A logger of a service, by the name that its lines carry: ``LOG.info("build.took", "Took {:.2f} seconds")``."""

    name: str

    def debug(self, id: str, text: str) -> LogTemplate:
        """A statement of level DEBUG."""
        return LogTemplate(id, "oslo", Level.DEBUG, self.name, text)

    def info(self, id: str, text: str) -> LogTemplate:
        """A statement of level INFO."""
        return LogTemplate(id, "oslo", Level.INFO, self.name, text)

    def warning(self, id: str, text: str) -> LogTemplate:
        """A statement of level WARNING."""
        return LogTemplate(id, "oslo", Level.WARNING, self.name, text)

    def error(self, id: str, text: str) -> LogTemplate:
        """A statement of level ERROR."""
        return LogTemplate(id, "oslo", Level.ERROR, self.name, text)

    def critical(self, id: str, text: str) -> LogTemplate:
        """A statement of level CRITICAL."""
        return LogTemplate(id, "oslo", Level.CRITICAL, self.name, text)


def line(record: LogRecord, epoch: float) -> str:
    """The line of a record with args (process id, RequestContext or None, instance uuid or None, *message args)."""
    pid, context, instance, *args = record.args
    template = record.template
    if context is None:
        bracket = "[-] "
    elif context is EXCEPTION_LINE:
        bracket = ""
    else:
        domain = "default" if context.user != "-" else "-"
        who = f"{context.global_request} {context.request} {context.user} {context.project}"
        bracket = f"[{who} - - {domain} {domain}] "
    subject = f"[instance: {instance}] " if instance is not None else ""
    when = moment(epoch, record.time + record.skew).isoformat(" ", "milliseconds")[:23]
    return f"{when} {pid} {template.level.value} {template.origin} {bracket}{subject}{template.text.format(*args)}"
