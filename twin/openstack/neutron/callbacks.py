"""neutron_lib.callbacks: who wants to hear what happens to a resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twin.openstack.neutron import logs
from twin.openstack.neutron.exceptions import CallbackFailure
from twin.openstack.neutron.tables import Row
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

BEFORE_CREATE, PRECOMMIT_CREATE, AFTER_CREATE = "before_create", "precommit_create", "after_create"
BEFORE_UPDATE, AFTER_UPDATE = "before_update", "after_update"
BEFORE_DELETE, PRECOMMIT_DELETE, AFTER_DELETE = "before_delete", "precommit_delete", "after_delete"
BEFORE_RESPONSE, PROVISIONING_COMPLETE = "before_response", "provisioning_complete"


class CallbacksManager(Flow):
    """Calls those who subscribed. Before a thing is done their errors prevent it; afterwards they are logged only."""

    source = "neutron_lib.callbacks.manager"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._callbacks: dict[tuple[str, str], list[tuple[Flow, str]]] = {}
        self._watchers: dict[tuple[str, str], list[Callable[[Row], None]]] = {}

    def subscribe(self, callback: Flow, name: str, resource: str, *events: str) -> None:
        """Have a flow's function called from now on: (context, resource, event, **payload), a generator."""
        for event in events:
            self._callbacks.setdefault((resource, event), []).append((callback, name))

    def watch(self, watcher: Callable[[Row], None], resource: str, *events: str) -> None:
        """Have the twin itself told of a resource's row; no part of the program."""
        for event in events:
            self._watchers.setdefault((resource, event), []).append(watcher)

    def publish(self, context: Context, resource: str, event: str, **payload: Any) -> Steps:
        """Call everybody. Raises CallbackFailure for an event that is yet to happen."""
        for watcher in self._watchers.get((resource, event), ()):
            watcher(payload[resource])
        errors = yield from self._notify_loop(context, resource, event, payload)
        if errors and event.startswith(("before_", "precommit_")) and event != BEFORE_RESPONSE:
            callback, error = errors[0]
            raise CallbackFailure(callback=callback, error=error) from error

    def _notify_loop(self, context: Context, resource: str, event: str, payload: dict[str, Any]) -> Steps:
        errors = []
        for callback, name in self._callbacks.get((resource, event), ()):
            try:
                yield from getattr(callback, name)(context, resource, event, **payload)
            except Exception as error:
                self.unexpected(error)
                who = f"{callback.source}.{type(callback).__name__}.{name}"
                if not event.startswith(("before_", "precommit_")):
                    self.exception(logs.CALLBACK_FAILED, context, error, who, resource, event)
                errors.append((who, error))
        return errors
