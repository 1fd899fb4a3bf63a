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


SUMMARY = ": {!s}"
"""What a text ends in where oslo.log appends the summary of the exception that is being handled."""


class Logger(NamedTuple):
    """A logger of a service, by the name that its lines carry: ``LOG.info("build.took", "Took {:.2f} seconds")``.

    Loggers named ``_VM`` make the statements whose lines carry ``[instance: …]``. A warning or an error whose text ends
    in `SUMMARY` is printed while an exception is handled, and oslo.log appends its summary: the last field, empty for
    the few kinds of exception that it leaves out.
    """

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
    context, args = record.args[1], record.args[3:]
    template = record.template
    if context is None:
        bracket = "[-] "
    elif context is EXCEPTION_LINE:
        bracket = ""
    else:
        domain = "default" if context.user != "-" else "-"
        who = f"{context.global_request} {context.request} {context.user} {context.project}"
        bracket = f"[{who} - - {domain} {domain}] "
    text = template.text
    if text.endswith(SUMMARY) and not args[-1]:
        text = text.removesuffix(SUMMARY)
    return _line(record, epoch, bracket, text.format(*args))


def line_2017(record: LogRecord, epoch: float) -> str:
    """The line as the releases of 2016 print it: no global request id, no summary, the API's version 2 with projects.

    2017-05-16 00:00:00.008 25746 INFO nova.osapi_compute.wsgi.server [req-… USER PROJECT - - -] text
    """
    context, instance, *args = record.args[1:]
    template = record.template
    message = template.text.removesuffix(SUMMARY).format(*args, instance=instance)
    if context is None:
        bracket = "[-] "
    elif context is EXCEPTION_LINE:
        bracket = ""
    else:
        bracket = f"[{context.request} {context.user} {context.project} - - -] "
        if template.origin == "nova.osapi_compute.wsgi.server":
            message = message.replace("/v2.1/", f"/v2/{context.project}/", 1)
    return _line(record, epoch, bracket, message)


def _line(record: LogRecord, epoch: float, bracket: str, message: str) -> str:
    pid, _, instance = record.args[:3]
    subject = f"[instance: {instance}] " if instance is not None else ""
    when = moment(epoch, record.time + record.skew).isoformat(" ", "milliseconds")[:23]
    return f"{when} {pid} {record.template.level.value} {record.template.origin} {bracket}{subject}{message}"
