"""neutron.notifiers: what neutron tells nova, in batches."""

from __future__ import annotations

from typing import Any

from twin.mechanics import neutron as facts
from twin.openstack.neutron import callbacks, logs
from twin.openstack.neutron.callbacks import CallbacksManager
from twin.openstack.neutron.tables import NeutronTables, Row
from twin.openstack.oslo.context import Context, branch
from twin.openstack.oslo.exceptions import HttpError
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps

VIF_PLUGGED, VIF_UNPLUGGED, VIF_DELETED = "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"
STATUS_OF_EVENT = {"ACTIVE": "completed", "ERROR": "failed", "DOWN": "completed"}


class BatchNotifier(Flow):
    """Sends the first event at once, and what comes within the interval together."""

    source = "neutron.notifiers.batch_notifier"

    def __init__(self, service: Service, notifier: Notifier) -> None:
        super().__init__(service)
        self.notifier = notifier
        self.batch_interval = facts.SEND_EVENTS_INTERVAL
        self._pending_events: list[Row] = []
        self._busy_in: int | None = None

    def queue_event(self, context: Context, event: Row | None) -> None:
        """Have an event sent. Nothing for None."""
        if not event:
            return
        self._pending_events.append(event)
        if self._busy_in != self.service.pid:  # a thread of this process sends what comes
            self._busy_in = self.service.pid
            context = branch(context, "events")
            self.service.spawn(self._send(context))

    def _send(self, context: Context) -> Steps:
        try:
            while self._pending_events:
                batched, self._pending_events = self._pending_events, []
                yield from self.notifier.send_events(context, batched)
                yield self.clock.timeout(self.batch_interval)
        finally:
            self._busy_in = None


class Notifier(Flow):
    """Tells nova's API what became of its ports."""

    source = "neutron.notifiers.nova"

    def __init__(self, service: Service, tables: NeutronTables, registry: CallbacksManager) -> None:
        super().__init__(service)
        self.tables = tables
        self.clients = service.clients
        self.batch_notifier = BatchNotifier(service, self)
        registry.subscribe(self, "_send_nova_notification", "port", callbacks.BEFORE_RESPONSE)
        registry.subscribe(self, "_send_nova_notification", "floatingip", callbacks.BEFORE_RESPONSE)

    # --- changes of ports and floating IPs -----------------------------------------------------------------------

    def _send_nova_notification(
        self, context: Context, resource: str, event: str, action: str, original: Row, data: Row
    ) -> Steps:
        self.send_network_change(context, action, original, data)
        yield from ()

    def send_network_change(self, context: Context, action: str, original_obj: Row, returned_obj: Row) -> None:
        """A request has changed a port or floating IP."""
        event = self.create_port_changed_event(context, action, original_obj, returned_obj)
        self.batch_notifier.queue_event(context, event)

    def create_port_changed_event(
        self, context: Context, action: str, original_obj: Row, returned_obj: Row
    ) -> Row | None:
        """The event for nova; None where it is none of nova's business."""
        port = None
        if action in ("update_port", "delete_port"):
            port = returned_obj
        elif action in ("create_floatingip", "update_floatingip", "delete_floatingip"):
            port_id = returned_obj.get("port_id") or original_obj.get("port_id")
            row = self.tables.ports.get(port_id) if port_id else None
            port = row.show() if row is not None else None
        if port and self._is_compute_port(port):
            if action == "delete_port":
                return self._get_port_delete_event(port)
            return self._get_network_changed_event(port["device_id"])
        return None

    def _is_compute_port(self, port: Row) -> bool:
        return bool(port["device_id"]) and port["device_owner"].startswith("compute:")

    def _get_network_changed_event(self, device_id: str) -> Row:
        return {"name": "network-changed", "server_uuid": device_id}

    def _get_port_delete_event(self, port: Row) -> Row:
        return {"server_uuid": port["device_id"], "name": VIF_DELETED, "tag": port["id"]}

    # --- status --------------------------------------------------------------------------------------------------

    def _can_notify(self, port: Row) -> bool:
        return bool(port["id"]) and self._is_compute_port(port)

    def record_port_status_changed(self, port: Row, current_port_status: str, previous_port_status: str) -> Row | None:
        """The event for nova where a port was plugged or unplugged."""
        if not self._can_notify(port):
            return None
        if previous_port_status == "ACTIVE" and current_port_status == "DOWN":
            event_name = VIF_UNPLUGGED
        elif previous_port_status in ("DOWN", "BUILD") and current_port_status in ("ACTIVE", "ERROR"):
            event_name = VIF_PLUGGED
        else:
            return None
        return {
            "server_uuid": port["device_id"],
            "name": event_name,
            "status": STATUS_OF_EVENT.get(current_port_status),
            "tag": port["id"],
        }

    def send_port_status(self, context: Context, event: Row | None) -> None:
        """Have it sent."""
        self.batch_notifier.queue_event(context, event)

    def notify_port_active_direct(self, context: Context, port: Row) -> None:
        """A port was wired on a host that it is not bound to: the destination of a live migration."""
        if not self._can_notify(port):
            return
        event = {"server_uuid": port["device_id"], "name": VIF_PLUGGED, "status": "completed", "tag": port["id"]}
        self.send_port_status(context, event)

    # --- sending -------------------------------------------------------------------------------------------------

    def send_events(self, context: Context, batched_events: list[Row]) -> Steps:
        """Ask nova's API to take events. What fails is logged and lost."""
        try:
            response = yield from self.clients.request(
                context,
                "nova-api",
                "server_external_events.create",
                "POST",
                "/v2.1/os-server-external-events",
                events=batched_events,
            )
        except HttpError as error:
            if error.status == 404:
                self.service.debug(logs.NOVA_NOT_FOUND, context, batched_events)
            else:
                self.exception(logs.NOVA_NOTIFY_FAILED, context, error, batched_events)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.NOVA_NOTIFY_FAILED, context, error, batched_events)
        else:
            self._judge(context, response)

    def _judge(self, context: Context, response: Any) -> None:
        """What nova says of each event."""
        if not isinstance(response, list):
            self.say(logs.NOVA_ERROR_RESPONSE, context, response)
            return
        for event in response:
            if event.get("code") != 200:
                self.say(logs.NOVA_EVENT_FAILED, context, "Nova event", event)
            else:
                self.say(logs.NOVA_RESPONSE, context, "Nova event", event)
