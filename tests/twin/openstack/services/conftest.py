"""A small site without load, and a client that asks its APIs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twin import World
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.mutation.operators import mutation
from twin.openstack.oslo.context import new_context
from twin.openstack.oslo.wsgi import Response
from twin.scenario import ResolvedScenario

WORLD_OF_NOBODY = {"poisson": "0.0001/s"}


class Client:
    """One user of a world."""

    connector = {"initiator": "iqn.1993-08.org.debian:01:compute-0", "host": "compute-0", "ip": "10.0.0.11"}  # noqa: RUF012

    def __init__(self, world: World, user: str = "u" * 32, project: str = "p" * 32) -> None:
        self.world = world
        self.user, self.project = user, project
        self.sent = 0
        self.token = ""

    def ask(self, service: str, operation: str, method: str = "GET", uri: str = "/x", **arguments: Any) -> Response:
        """Send a request and run until it is answered."""
        self.sent += 1
        context = new_context(self.world, self.user, self.project, "test", self.user, self.sent, token=self.token)
        answer = self.world.cluster.site.endpoint(service).serve(context, operation, method, uri, **arguments)
        while not answer.processed:
            self.world.clock.step()
        return answer.value

    def cinder(self, operation: str, **arguments: Any) -> Any:
        """A request to cinder-api that succeeds; its body."""
        response = self.ask("cinder-api", operation, "POST", "/v3/volumes", **arguments)
        assert response.status < 300, response
        return response.body

    def volume(self, size: int = 1, wait: float = 30.0, **arguments: Any) -> dict[str, Any]:
        """Create a volume and wait."""
        body = self.cinder("volumes.create", size=size, name="v", **arguments)
        self.world.run(until=self.world.now + wait)
        return self.cinder("volumes.show", volume_id=body["id"])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run(until=self.world.now + seconds)

    def said(self, *components: str, levels: str = "INFO WARNING ERROR") -> list[str]:
        """The messages of components, without the lines of traces."""
        return [
            record.template.text.format(*record.args[3:])
            for record in self.world.recorder.logs
            if record.component in components
            and record.template.level.value in levels.split()
            and not record.template.id.endswith(".trace")
        ]

    def other(self, user: str, project: str) -> Client:
        """Another user of the same world."""
        return Client(self.world, user, project)

    # --- what goes wrong -----------------------------------------------------------------------------------------

    def impose(self, component: str, layer: str, parameter: str, value: float = 1.0) -> Condition:
        """Put a condition on a component."""
        condition = Condition(Layer(layer), parameter, value, "test")
        self.world.components[component].impose(condition)
        return condition

    def mutate(self, component: str, site: str, operator: str, argument: str | None = None) -> None:
        """Let one call of a component's program be wrong."""
        text = mutation(site, operator, argument).text
        condition = Condition(Layer.CONFIGURATION, "mutation", 1.0, "test", code=text)
        self.world.components[component].impose(condition)


@pytest.fixture(scope="session")
def quiet_world() -> Callable[..., World]:
    """`quiet_world(*faults, **spec)`: a small site that nobody uses, a minute after its start."""

    def make(*faults: dict[str, Any], after: float = 70.0, seed: int = 3, **spec: Any) -> World:
        body = {
            "cluster": {"kind": "openstack", "preset": "small"},
            "workload": {"arrivals": WORLD_OF_NOBODY},
            "horizon": "4000s",
            "faults": list(faults),
            **spec,
        }
        document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": body}
        world = World(ResolvedScenario.model_validate(document), seed=seed)
        world.run(until=after)
        return world

    return make


@pytest.fixture
def client(quiet_world: Callable[..., World]) -> Client:
    """A user of a quiet site."""
    return Client(quiet_world())


@pytest.fixture
def lonely(quiet_world: Callable[..., World]) -> Client:
    """A user of a site with one controller and no load balancer."""
    return Client(quiet_world(cluster={"kind": "openstack", "preset": "cloudlab"}))


@pytest.fixture(scope="session")
def user_of() -> Callable[[World], Client]:
    """`user_of(world)`: a client of it."""
    return Client
