"""External events on a compute host: who waits for which, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simpy.events import Event

from twin.mechanics import openstack as facts
from twin.openstack.nova.compute import event_logs as logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import CloudError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps
from twin.openstack.tables import Server


class Timeout(CloudError):  # noqa: N818 - eventlet's name
    """Nobody sent the event in time."""

    module = "eventlet.timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:g} seconds")


@dataclass(slots=True)
class Expected:
    """Events that a server's build waits for, by (name, tag)."""

    events: dict[tuple[str, str], Event] = field(default_factory=dict)


class InstanceEvents(Flow):
    """nova.compute.manager.InstanceEvents and ComputeVirtAPI.wait_for_instance_event."""

    source = "nova.compute.manager"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._events: dict[str, Expected] = {}
        """By server."""

    def prepare_for_instance_event(self, context: Context, instance: Server, name: str, tag: str) -> Event:
        """From now on, an event that comes is kept for who waits for it."""
        self.say(logs.PREPARING_FOR_EVENT, context, name, tag, instance=instance.uuid)
        expected = self._events.setdefault(instance.uuid, Expected())
        event = expected.events[name, tag] = self.clock.event()
        return event

    def wait(
        self,
        context: Context,
        instance: Server,
        events: Sequence[tuple[str, str]],
        deadline: float = facts.VIF_PLUGGING_TIMEOUT,
    ) -> Steps:
        """Wait for prepared events. Raises Timeout."""
        began = self.world.now
        waiting = self._events.get(instance.uuid, Expected()).events
        try:
            for key in events:
                event = waiting.get(key)
                if event is None:
                    continue
                self.clock.at(began + deadline, _give_up(event))
                if not (yield event):
                    states = ", ".join(f"{name}-{tag}: timed out" for name, tag in events)
                    error = Timeout(deadline)
                    self.say(
                        logs.EVENT_TIMED_OUT,
                        context,
                        list(events),
                        instance.vm_state,
                        instance.task_state,
                        states,
                        f"eventlet.timeout.Timeout: {error}",
                        instance=instance.uuid,
                    )
                    raise error
        finally:
            self._events.pop(instance.uuid, None)
        self.say(
            logs.EVENT_WAIT_DONE, context, int(self.world.now - began), "network-vif-plugged", instance=instance.uuid
        )

    def pop_instance_event(self, context: Context, instance: Server, event: dict[str, Any]) -> None:
        """An event came: wake who waits for it; nobody is no error, only a WARNING while the server is not busy."""
        key = (event["name"], event.get("tag", ""))
        expected = self._events.get(instance.uuid)
        self.say(logs.EVENT_RECEIVED, context, "-".join(key), instance=instance.uuid)
        waiting = expected.events.get(key) if expected is not None else None
        if waiting is None:
            self.say(logs.NO_WAITING_EVENTS, context, "-".join(key), instance=instance.uuid)
            if instance.task_state is None:
                self.say(
                    logs.EVENT_UNEXPECTED,
                    context,
                    "-".join(key),
                    instance.vm_state,
                    instance.task_state,
                    instance=instance.uuid,
                )
        elif not waiting.triggered:
            waiting.succeed(True)

    def clear_events_for_instance(self, instance: Server) -> None:
        """The server is being deleted: who waits for an event waits no longer."""
        for event in self._events.pop(instance.uuid, Expected()).events.values():
            if not event.triggered:
                event.succeed(True)

    def clear(self) -> None:
        """The process is gone."""
        self._events.clear()


def _give_up(event: Event) -> Any:
    def expire(_: Event) -> None:
        if not event.triggered:
            event.succeed(False)

    return expire
