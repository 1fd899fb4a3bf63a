"""Notifications in the services' logs, where a scenario has them on."""

from __future__ import annotations

import json


def test_notifications_are_off_by_default(openstack_world):
    world = openstack_world()
    world.run(until=60)
    assert not any("oslo.messaging.notification" in line.text for line in world.log_lines(0, 60))


def test_a_server_is_announced_from_the_api_to_its_end(openstack_world):
    world = openstack_world(
        workload={"arrivals": {"constant": "0.02/s"}, "lifetime": "10s"}, telemetry={"notifications": "log"}
    )
    world.run(until=120)
    messages = [
        json.loads(line.text[line.text.index("{") :])
        for line in world.log_lines(0, 120)
        if "oslo.messaging.notification" in line.text
    ]
    first = messages[0]["payload"]["instance"]
    events = [m["event_type"] for m in messages if m["payload"].get("instance") == first]
    assert events[0] == "instance.create.start"
    assert events.index("instance.create.end") < events.index("instance.delete.start")
    assert events[-1] == "instance.delete.end"
    assert len({message["message_id"] for message in messages}) == len(messages)
