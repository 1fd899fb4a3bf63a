"""heat-engine: the component, with heat's API in front of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from twin.components import Component
from twin.mechanics import heat as facts
from twin.node import Node
from twin.openstack.heat import logs
from twin.openstack.heat.engine import WORKER_TOPIC, EngineService
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.exceptions import HTTPFault
from twin.openstack.oslo.messaging import AmqpService, Procedure
from twin.openstack.oslo.service import Steps, connect
from twin.openstack.oslo.wsgi import ApiService, Operation, Response
from twin.openstack.site import Site


class HeatEngine(ApiService, AmqpService):
    """Orchestration. Its workers take up resources from RabbitMQ."""

    kind = "heat-engine"
    program = "heat-engine"
    port = 8004
    wsgi_logger = "eventlet.wsgi.server"
    topic = WORKER_TOPIC
    unexpected_error = logs.API_FAILED

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.engine = engine = EngineService(self)
        self._operations: dict[str, Operation] = {
            "stacks.create": self._calls("stacks.create", lambda: engine.create_stack, 201),
            "stacks.show": self._calls("stacks.show", lambda: engine.show_stack, 200),
            "stacks.list": self._calls("stacks.list", lambda: engine.list_stacks, 200),
            "stacks.delete": self._calls("stacks.delete", lambda: engine.delete_stack, 204),
        }
        self._procedures: dict[str, Procedure] = {"check_resource": self._check_resource}

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._operations

    @property
    def procedures(self) -> dict[str, Procedure]:
        return self._procedures

    def _calls(self, work: str, method: Callable[[], Any], status: int) -> Operation:
        cost = facts.API[work]

        def answer(context: Context, **arguments: Any) -> Generator[Any, Any, Response]:
            yield from self.work(context, cost)
            body = yield from method()(context, **arguments)
            return Response(status, body, 0 if body is None else 1400)

        return answer

    def _check_resource(self, context: Context, **arguments: Any) -> Steps:
        yield from self.engine.worker.check(context, **arguments)

    def log_request(self, context: Context, method: str, uri: str) -> None:
        self.say(logs.PROCESSING, context, method, f"http://{self.site.address(self.node)}:{self.port}{uri}")

    def refuse(self, context: Context, error: Exception) -> Response:
        if isinstance(error, HTTPFault):
            return Response(error.code, length=210, message=str(error))
        return super().refuse(context, error)

    def on_running(self) -> None:
        super().on_running()
        if self.world.now > 0:
            context = admin_context(self.world, self.name, self.pid, "reset")
            self.spawn(self.engine.reset_stack_status(context))


def build(site: Site, controller: Node, workers: int) -> HeatEngine:
    """heat-engine on a controller."""
    heat = HeatEngine(site, "heat-engine", controller, workers)
    services = (site.neutron, site.api, site.world.components["cinder-api"])
    connect(heat, site.keystone, site.database.servers[0], site.broker.nodes[0], *services)
    return heat
