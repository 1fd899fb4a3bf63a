"""A small site with a few servers and volumes, and somebody who orders actions on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from twin import Action, World
from twin.actions import Ticket
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack import damage
from twin.openstack.oslo.context import new_context
from twin.openstack.oslo.wsgi import Response
from twin.scenario import ResolvedScenario


class Cloud:
    """A world, a tenant in it, and an operator."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.site = world.cluster.site
        self.sent = 0

    # --- a tenant ----------------------------------------------------------------------------------------------

    def ask(self, service: str, operation: str, **arguments: Any) -> Response:
        """Send a request and run until it is answered."""
        self.sent += 1
        context = new_context(self.world, "u" * 32, "p" * 32, "test", self.sent)
        answer = self.site.endpoint(service).serve(context, operation, "POST", "/x", **arguments)
        while not answer.processed:
            self.world.clock.step()
        return answer.value

    def server(self, wait: float = 60.0, **arguments: Any) -> str:
        """Have a server built; its uuid."""
        fields = {"name": "s", "flavor": "m1.tiny", "image": self.site.image, "networks": (self.site.network,)}
        response = self.ask("nova-api", "servers.create", **fields | arguments)
        assert response.status == 202, response
        self.wait(wait)
        return str(response.body["id"])

    def volume(self, wait: float = 20.0) -> str:
        """Have a volume made; its id."""
        response = self.ask("cinder-api", "volumes.create", size=1, name="v")
        assert response.status == 202, response
        self.wait(wait)
        return str(response.body["id"])

    def attached(self) -> tuple[str, str]:
        """A server with a volume."""
        server, volume = self.server(), self.volume()
        response = self.ask("nova-api", "volume_attachments.create", server_id=server, volume_id=volume)
        assert response.status == 200, response
        self.wait(30.0)
        assert self.site.volumes.volumes[volume].status == "in-use"
        return server, volume

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run(until=self.world.now + seconds)

    # --- what goes wrong ---------------------------------------------------------------------------------------

    def impose(self, component: str, layer: str, parameter: str, value: float = 1.0, code: str = "") -> Condition:
        """Put a condition on a component."""
        condition = Condition(Layer(layer), parameter, value, "test", code=code)
        self.world.components[component].impose(condition)
        return condition

    def lift(self, component: str, condition: Condition) -> None:
        """Take it away again."""
        self.world.components[component].lift(condition)

    def damage(self) -> Counter[str]:
        """What is broken now, by kind."""
        return Counter(one.kind for one in damage.find(self.site))

    def where(self, kind: str) -> set[str]:
        """What is broken in this way."""
        return {one.item for one in damage.find(self.site) if one.kind == kind}

    # --- an operator -------------------------------------------------------------------------------------------

    def order(self, category: str, target: str, parameter: str = "immediate", wait: float = 700.0) -> Ticket:
        """Order an action and wait until it is done."""
        ticket = self.world.apply(Action(category, target, parameter))
        assert ticket.legal, ticket.refusal
        deadline = self.world.now + wait
        while ticket.finished is None and self.world.now < deadline:
            self.wait(1.0)
        assert ticket.finished is not None, f"{category} {target} has not ended"
        return ticket


@pytest.fixture(scope="session")
def cloud_of() -> Callable[..., Cloud]:
    """`cloud_of(rate="0.0001/s", **spec)`: a small site, a minute after its start."""

    def make(rate: str = "0.0001/s", **spec: Any) -> Cloud:
        body = {
            "cluster": {"kind": "openstack", "preset": "small"},
            "workload": {"arrivals": {"poisson": rate}, "lifetime": "3000s"},
            "horizon": "6000s",
            **spec,
        }
        document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": body}
        world = World(ResolvedScenario.model_validate(document), seed=3)
        world.run(until=70.0)
        return Cloud(world)

    return make


@pytest.fixture
def cloud(cloud_of: Callable[..., Cloud]) -> Cloud:
    """A quiet one."""
    return cloud_of()
