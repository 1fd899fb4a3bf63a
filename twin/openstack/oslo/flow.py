"""Flows: the parts of a service's program, written call by call as the real ones are.

A flow has the name of the real class, its methods the names of the real methods, and `source` says in which module they
are. That is what makes software faults possible: every call in a flow is a place where the program may go wrong
(`twin.openstack.mutation`), and a stack trace is made of the flows' own frames (`twin.openstack.oslo.traceback`).
"""

from __future__ import annotations

from inspect import isfunction
from typing import TYPE_CHECKING, Any, ClassVar

from twin.openstack.oslo.context import Context
from twin.telemetry.records import LogTemplate

if TYPE_CHECKING:
    from twin.openstack.oslo.service import Service, Steps

MACHINERY = (
    *("say", "exception", "unexpected", "notify"),
    *("think", "sql", "sql_once", "compute", "transfer", "timeout", "event", "at"),
)
"""Methods of a flow that are the twin's, not the program's: time, SQL and log lines. No call site is among them."""


class Flow:
    """A class of a service's program.

    Its methods are generators where the real ones wait for something. They take and return what the real ones do, and
    use it natively: a missing argument is Python's TypeError, an attribute of nothing its AttributeError.
    """

    source: ClassVar[str]
    """The real module, such as ``nova.compute.manager``."""
    chapter_of: ClassVar[str] = ""
    """The real class, where several flows are the chapters of one (``ComputeManager``)."""

    def __init_subclass__(cls) -> None:
        """What Python says of a wrong call names the real class."""
        for function in vars(cls).values():
            if cls.chapter_of and isfunction(function):
                function.__qualname__ = f"{cls.chapter_of}.{function.__name__}"

    def __init__(self, service: Service) -> None:
        self.service = service
        self.site = service.site
        self.world = service.world
        self.clock = service.clock
        service.flows.append(self)

    # --- what the program says --------------------------------------------------------------------------------

    def say(self, template: LogTemplate, context: Context | None, *args: Any, instance: str | None = None) -> None:
        """Reach a log statement."""
        self.service.say(template, context, *args, instance=instance)

    def exception(
        self,
        template: LogTemplate,
        context: Context | None,
        error: BaseException,
        *args: Any,
        instance: str | None = None,
    ) -> None:
        """Log an error with its stack trace; the error's text is the statement's last field."""
        self.service.exception(template, context, error, *args, instance=instance)

    def unexpected(self, error: BaseException) -> None:
        """First statement of every broad ``except``: raise the error again where it is a bug of the twin."""
        self.service.unexpected(error)

    def notify(self, context: Context, event: str, **payload: Any) -> None:
        """Send a notification (`instance.create.end`)."""
        self.service.notify(context, event, **payload)

    # --- what it costs ----------------------------------------------------------------------------------------

    def think(self, context: Context, seconds: float) -> Steps:
        """Run Python for a median of `seconds`."""
        return self.service.think(context, seconds)

    def sql(self, context: Context, statements: int, write: bool = False) -> Steps:
        """Run SQL statements."""
        return self.service.sql(context, statements, write)

    def sql_once(self, context: Context, statements: int, write: bool = False) -> Steps:
        """Run SQL statements where the program does not try again."""
        return self.service.sql_once(context, statements, write)
