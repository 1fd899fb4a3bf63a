"""A rig: the infrastructure under OpenStack with an API and a few workers that do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

import twin.world
from twin import World
from twin.node import Node
from twin.openstack.infrastructure import control_plane
from twin.openstack.oslo import logs
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.messaging import AmqpService, Procedure
from twin.openstack.oslo.service import Service
from twin.openstack.oslo.wsgi import ApiService, Operation, Response
from twin.openstack.site import Site
from twin.scenario import ResolvedScenario


class Api(ApiService):
    """Answers `ping` after some SQL, `slow` after a minute and a half."""

    kind = "placement"
    port = 8778
    wsgi_logger = ""
    unexpected_error = logs.RPC_FAILED

    @property
    def operations(self) -> dict[str, Operation]:
        return {"ping": self._ping, "slow": self._slow}

    def _ping(self, context: Context) -> Generator[Any, Any, Response]:
        yield from self.sql(context, 4)
        return Response(200, "pong", 4)

    def _slow(self, context: Context) -> Generator[Any, Any, Response]:
        yield self.clock.timeout(90.0)
        return Response(200)


class Worker(AmqpService):
    """Notes which jobs it has done, and when."""

    kind = "nova-conductor"
    fanouts = ("news",)

    def __init__(self, site: Site, name: str, place: Node, topic: str = "", workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.topic = topic
        self.job_seconds = 0.01
        self.done: list[tuple[float, Any]] = []

    @property
    def procedures(self) -> dict[str, Procedure]:
        return {"job": self._job}

    def _job(self, context: Context, number: Any = 0) -> Generator[Any, Any, Any]:
        yield self.clock.timeout(self.job_seconds)
        self.done.append((self.world.now, number))
        return number


class Rig:
    """A world of controllers, `api`, `worker` (topic `work`) and `caller`s, each on a host of its own."""

    def __init__(self, world: World, controllers: int, callers: int) -> None:
        self.world = world
        self.site = site = Site(world)
        site.controllers += [Node(world, f"controller-{i}", 64e9, 16) for i in range(controllers)]
        world.network.monitor = site.controllers[0]
        control_plane.build(site, site.controllers)
        for name in ("client", "worker", *(f"caller-{i}" for i in range(callers))):
            site.hosts[name] = Node(world, f"{name}-host", 64e9, 16)
            site.hosts[f"{name}-host"] = site.hosts.pop(name)
        self.api = Api(site, "placement", site.hosts["client-host"], 4)
        self.worker = Worker(site, "worker", site.hosts["worker-host"], "work", 4)
        self.callers = [Worker(site, f"caller-{i}", site.hosts[f"caller-{i}-host"]) for i in range(callers)]
        control_plane.balance(site)
        self.operations: dict[str, Any] = {}
        self._requests = 0

    def start(self) -> None:
        for component in self.world.components.values():
            if isinstance(component, Service):
                component.boot()

    def objectives(self) -> list[Any]:
        return []

    # --- what tests do -------------------------------------------------------------------------------------------

    def context(self) -> Context:
        self._requests += 1
        return admin_context(self.world, "test", self._requests)

    def run(self, until: float) -> None:
        self.world.run(until=until)

    def at(self, time: float, act: Callable[[], Any]) -> None:
        self.world.clock.at(time, lambda _: act())

    def cast(self, number: int, caller: int = 0) -> None:
        client = self.callers[caller]
        client.spawn(client.cast(self.context(), "work", "job", number=number))

    def fan_out(self, number: int, caller: int = 0) -> None:
        client = self.callers[caller]
        client.spawn(client.fanout_cast(self.context(), "news", "job", number=number))

    def call(self, number: int, outcomes: list[Any], caller: int = 0, timeout: float = 60.0) -> None:
        client = self.callers[caller]

        def steps() -> Generator[Any, Any, None]:
            try:
                outcome = yield from client.call(self.context(), "work", "job", timeout, number=number)
            except Exception as error:
                outcome = error
            outcomes.append((self.world.now, outcome))

        client.spawn(steps())

    def ping(self, outcomes: list[tuple[float, int]], operation: str = "ping") -> None:
        began = self.world.now
        answer = self.api.serve(self.context(), operation, "GET", "/ping")
        assert answer.callbacks is not None
        answer.callbacks.append(lambda event: outcomes.append((began, event.value.status)))

    def transaction(self, outcomes: list[Any], write: bool = True, service: Service | None = None) -> None:
        client = service or self.callers[0]
        began = self.world.now

        def steps() -> Generator[Any, Any, None]:
            try:
                yield from self.site.database.execute(client, 10, self.context(), write)
                outcome: Any = None
            except Exception as error:
                outcome = error
            outcomes.append((began, self.world.now, outcome))

        client.spawn(steps())

    def every(self, seconds: float, start: float, end: float, act: Callable[[int], Any]) -> None:
        for i in range(int((end - start) / seconds)):
            self.at(start + i * seconds, lambda i=i: act(i))  # type: ignore[misc]

    def lines(self, template: str, component: str = "") -> list[Any]:
        records = self.world.recorder.logs
        return [r for r in records if r.template.id == template and r.component.startswith(component)]

    @property
    def published(self) -> int:
        return self.site.broker.published


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rig]:
    """`rig(*faults, controllers=3, callers=6, seed=3)`."""

    def make(*faults: dict[str, Any], controllers: int = 3, callers: int = 6, seed: int = 3) -> Rig:
        monkeypatch.setitem(twin.world.CLUSTERS, "openstack", lambda world: Rig(world, controllers, callers))
        body = {
            "cluster": {"kind": "openstack", "preset": "small"},
            "workload": {"arrivals": {"poisson": "1/s"}},
            "horizon": "2000s",
            "faults": list(faults),
        }
        document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "rig"}, "spec": body}
        world = World(ResolvedScenario.model_validate(document), seed=seed)
        assert isinstance(world.cluster, Rig)
        return world.cluster

    return make


@pytest.fixture
def crash() -> Callable[..., dict[str, Any]]:
    """A process dies at a second: `crash("mysql-0", 100)`; ``layer="container"``: at every start, too."""

    def make(component: str, at: float, layer: str = "process") -> dict[str, Any]:
        selector = {"components": [component]}
        name = f"crash-{component}"
        return {
            "name": name,
            "kind": "ProcessChaos",
            "action": "crash",
            "at": f"{at}s",
            "layer": layer,
            "selector": selector,
        }

    return make


@pytest.fixture
def fault() -> Callable[..., dict[str, Any]]:
    """`fault("BrokerChaos", "partition", "rabbitmq-0", 100, duration=60)`."""

    def make(
        kind: str, action: str, target: str, at: float, duration: float | None = None, **fields: Any
    ) -> dict[str, Any]:
        field = "nodes" if "controller" in target or target.endswith("-host") else "components"
        lasting = {} if duration is None else {"duration": f"{duration}s"}
        selector = {field: [target]}
        return {
            "name": f"{action}-{target}".lower(),
            "kind": kind,
            "action": action,
            "at": f"{at}s",
            "selector": selector,
            **lasting,
            **fields,
        }

    return make
