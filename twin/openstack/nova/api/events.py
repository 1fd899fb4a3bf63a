"""Events that neutron and cinder send to nova."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from twin.mechanics import openstack as facts
from twin.openstack.nova import logs
from twin.openstack.nova.compute.api import API
from twin.openstack.nova.exception import InstanceNotFound
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HTTPFault
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service
from twin.openstack.oslo.wsgi import Response


class ServerExternalEventsController(Flow):
    """nova.api.openstack.compute.server_external_events.ServerExternalEventsController."""

    source = "nova.api.openstack.compute.server_external_events"

    def __init__(self, service: Service, compute_api: API) -> None:
        super().__init__(service)
        self.compute_api = compute_api

    def create(self, context: Context, events: Sequence[dict[str, Any]]) -> Generator[Any, Any, Response]:
        """POST os-server-external-events. 404 where none of the servers is there, 207 where some are not."""
        work = facts.API["servers.events"]
        yield from self.think(context, work.python)
        yield from self.sql(context, work.statements)
        accepted, instances = [], {}
        for event in events:
            try:
                instance = yield from self.compute_api.get(context, event["server_uuid"])
            except InstanceNotFound:
                self.say(logs.EVENT_OF_UNKNOWN_INSTANCE, context, event["name"], event.get("tag"), event["server_uuid"])
                continue
            if instance.host is None:
                self.say(logs.EVENT_WITHOUT_HOST, context, instance.uuid, event["name"])
                continue
            self.say(logs.NOVA_EVENT, context, event["name"], event.get("tag"), instance.uuid, instance.host)
            accepted.append(event)
            instances[instance.uuid] = instance
        if not accepted:
            raise HTTPFault(404, "No instances found for any event")
        yield from self.compute_api.external_instance_event(context, list(instances.values()), accepted)
        answers = [event | {"code": 200 if event in accepted else 422} for event in events]
        return Response(200 if len(accepted) == len(events) else 207, answers, 380)
