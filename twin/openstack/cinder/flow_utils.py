"""taskflow as cinder uses it: tasks one after the other, reverted backwards when one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from twin.openstack.cinder import exception
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps
from twin.telemetry.records import LogTemplate

NO_TRACE = (exception.InvalidInput, exception.QuotaError)
"""Errors of which `DynamicLogListener` shows no trace."""


class Task(Flow):
    """A step: `execute` takes what it `requires` out of the store and gives back what it `provides`."""

    requires: ClassVar[tuple[str, ...]] = ()
    provides: ClassVar[str] = ""
    """Under which name its value is stored; empty where it gives a dict to be merged into the store."""
    addons: ClassVar[str] = "volume:create"

    @property
    def name(self) -> str:
        """The task's name as taskflow prints it."""
        return f"{self.source}.{type(self).__name__};{self.addons}"

    execute: Callable[..., Steps]
    """Do it: a generator method (context, **required)."""

    def revert(self, context: Context, result: Any, error: Exception, store: dict[str, Any]) -> Steps:
        """Undo it; `result` is what `execute` gave, None where it failed itself. The value is printed."""
        return None
        yield


class Statements(NamedTuple):
    """What `DynamicLogListener` prints with the logger of who runs the flow."""

    task_failed: LogTemplate
    task_reverted: LogTemplate
    flow_reverted: LogTemplate


class Engine:
    """One run of a linear flow."""

    def __init__(self, service: Service, name: str, tasks: Sequence[Task], statements: Statements) -> None:
        self.service = service
        self.name = name
        self.tasks = tasks
        self.statements = statements
        self.reverted: dict[type[Task], Any] = {}
        """What the reverts gave back, by task."""

    def run(self, context: Context, store: dict[str, Any]) -> Steps:
        """Run all tasks; the store with all they provided. Raises what a task raised, after the reverts."""
        done: list[tuple[Task, Any]] = []
        for task in self.tasks:
            result = yield from self._attempt(context, task, done, store)
            if task.provides:
                store[task.provides] = result
            elif result is not None:
                store.update(result)
            done.append((task, result))
        return store

    def _attempt(self, context: Context, task: Task, done: list[tuple[Task, Any]], store: dict[str, Any]) -> Steps:
        """Run a task; where it fails, revert what was done before."""
        try:
            return (yield from self._execute_task(context, task, store))
        except Exception as error:
            self.service.unexpected(error)
            yield from self._revert(context, task, done, error, store)
            raise

    def _execute_task(self, context: Context, task: Task, store: dict[str, Any]) -> Steps:
        return (yield from task.execute(context, **{name: store[name] for name in task.requires}))

    def _revert(
        self, context: Context, failed: Task, done: list[tuple[Task, Any]], error: Exception, store: dict[str, Any]
    ) -> Steps:
        said, service = self.statements, self.service
        if isinstance(error, NO_TRACE):
            service.say(said.task_failed, context, failed.name, self._id(context, failed.name), error)
        else:
            service.exception(said.task_failed, context, error, failed.name, self._id(context, failed.name))
        for task, result in ((failed, None), *reversed(done)):
            back = yield from task.revert(context, result, error, store)
            self.reverted[type(task)] = back
            service.say(said.task_reverted, context, task.name, self._id(context, task.name), back)
        service.say(said.flow_reverted, context, self.name, self._id(context, self.name))

    def _id(self, context: Context, name: str) -> str:
        return self.service.world.streams["cinder/task"].uuid(context.trace.key, name, context.trace.draws)
