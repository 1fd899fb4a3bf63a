"""Notifications, as oslo.messaging's `log` driver leaves them: a JSON object in the service's own log.

They are off unless the scenario asks for them (`telemetry: {notifications: log}`), as `[oslo_messaging_notifications]
driver` is empty by default.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from twin.openstack.oslo.context import Context, aside
from twin.telemetry.lines.oslo import Logger
from twin.telemetry.records import LogTemplate

if TYPE_CHECKING:
    from twin.openstack.oslo.service import Service


@cache
def statement(event: str) -> LogTemplate:
    """The statement of the log driver: each type of event has a logger of its own."""
    return Logger(f"oslo.messaging.notification.{event}").info(f"notification.{event}", "{}")


def body(service: Service, context: Context, event: str, payload: dict[str, Any]) -> str:
    """The message as JSON: who says what happened, when, and what to."""
    world = service.world
    message = {
        "message_id": world.streams["oslo/notification"].uuid(*aside(context, event)),
        "publisher_id": f"{service.kind.replace('nova-', '').replace('cinder-', '')}.{service.node.name}",
        "event_type": event,
        "priority": "INFO",
        "payload": {key: str(value) for key, value in payload.items()},
        "timestamp": datetime.fromtimestamp(world.epoch + world.now + service.clock_offset, UTC).strftime(
            "%Y-%m-%d %H:%M:%S.%f"
        ),
    }
    return json.dumps(message)
