"""A small site under random requests while services and machines die at random: it lives, and its books are right."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from twin import Action, World
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.openstack.oslo.context import new_context
from twin.openstack.oslo.service import Steps
from twin.process import Process

MakeWorld = Callable[..., World]

MOVES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("resize", {"flavor": "m1.small"}),
    ("migrate", {}),
    ("os-migrateLive", {"host": None}),
    ("evacuate", {"host": None}),
)
SERVER_ACTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    *MOVES,
    ("os-stop", {}),
    ("os-start", {}),
    ("reboot", {"type": "SOFT"}),
    ("reboot", {"type": "HARD"}),
    ("confirmResize", {}),
    ("revertResize", {}),
    ("os-resetState", {"state": "error"}),
    ("os-resetState", {"state": "active"}),
    ("createImage", {"name": "i"}),
)
ORDERS = ("migrate", "live-migrate", "cold-migrate", "evacuate", "rebuild", "hard-reboot", "uncordon")
NOBODY = "0" * 32


class Chaos:
    """Somebody who asks for anything and pulls any plug."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.site: Any = world.cluster.site  # type: ignore[attr-defined]
        self.luck = random.Random(seed)
        self.imposed: list[tuple[Any, Condition]] = []
        self.sent = self.answered = 0

    def ask(self, service: str, operation: str, **arguments: Any) -> None:
        self.sent += 1
        context = new_context(self.world, "u" * 32, "p" * 32, "chaos", self.sent)
        answer = self.site.endpoint(service).serve(context, operation, "POST", "/x", **arguments)

        def count(_: Any) -> None:
            self.answered += 1

        answer.callbacks.append(count)

    def any_of(self, rows: Any) -> str:
        return str(self.luck.choice([*rows, NOBODY][:8]))

    def request(self) -> None:
        site, luck = self.site, self.luck
        server, volume = self.any_of(site.tables.servers), self.any_of(site.volumes.volumes)
        kind = luck.randrange(11)
        if kind < 3:
            arguments = {"volume": volume} if luck.random() < 0.2 else {"image": site.image}
            networks, count = (site.network,), luck.choice((1, 1, 1, 3))
            self.ask(
                "nova-api",
                "servers.create",
                name="s",
                flavor="m1.tiny",
                networks=networks,
                min_count=count,
                **arguments,
            )
        elif kind == 3:
            self.ask("nova-api", "servers.delete", server_id=server)
        elif kind < 6:
            action, parameters = luck.choice((*SERVER_ACTIONS, ("rebuild", {"image": site.image})))
            self.ask("nova-api", "servers.action", server_id=server, action=action, **parameters)
        elif kind == 6:
            verb = luck.choice(("create", "create", "delete"))
            self.ask("nova-api", f"volume_attachments.{verb}", server_id=server, volume_id=volume)
        elif kind == 7:
            self.ask("cinder-api", "volumes.create", size=1, name="v", image_id=luck.choice((None, site.image)))
        elif kind == 8:
            operation = luck.choice(("volumes.delete", "volumes.force_detach", "snapshots.create"))
            named = {"name": "s"} if operation == "snapshots.create" else {}
            self.ask("cinder-api", operation, volume_id=volume, **named)
        elif kind == 9:
            self.ask("neutron-server", "ports.delete", port_id=self.any_of(site.neutron.tables.ports))
        else:
            self.world.clock.process(self.move_with_a_volume(server, volume))

    def move_with_a_volume(self, server: str, volume: str) -> Steps:
        """A volume is attached, its server goes elsewhere, and sooner or later the volume is detached."""
        luck, pair = self.luck, {"server_id": server, "volume_id": volume}
        self.ask("nova-api", "volume_attachments.create", **pair)
        yield self.world.clock.timeout(luck.uniform(1.0, 30.0))
        action, parameters = luck.choice(MOVES)
        self.ask("nova-api", "servers.action", server_id=server, action=action, **parameters)
        yield self.world.clock.timeout(luck.uniform(1.0, 60.0))
        if action in ("migrate", "resize"):
            ending = luck.choice(("confirmResize", "revertResize"))
            self.ask("nova-api", "servers.action", server_id=server, action=ending)
            yield self.world.clock.timeout(luck.uniform(1.0, 30.0))
        self.ask("nova-api", "volume_attachments.delete", **pair)

    def pull_a_plug(self) -> None:
        processes = [c for c in self.world.components.values() if isinstance(c, Process)]
        nodes = [*self.site.hosts.values(), *self.site.controllers]
        if self.luck.random() < 0.75:
            component, condition = self.luck.choice(processes), Condition(Layer.PROCESS, "killed", 1.0, "chaos")
        else:
            component, condition = self.luck.choice(nodes), Condition(Layer.BOARD, "power_lost", 1.0, "chaos")
        component.impose(condition)
        self.imposed.append((component, condition))

    def order(self) -> None:
        """An operator moves servers about."""
        category, world = self.luck.choice(ORDERS), self.world
        legal = [name for name, component in world.components.items() if world.legal(category, component)]
        if legal:
            world.apply(Action(category, self.luck.choice(legal), self.luck.choice(("gentle", "immediate"))))

    def heal(self) -> None:
        while self.imposed:
            component, condition = self.imposed.pop()
            component.lift(condition)

    def live(self, steps: int) -> None:
        for _ in range(steps):
            choice = self.luck.random()
            if choice < 0.75:
                self.request()
            elif choice < 0.8:
                self.order()
            elif choice < 0.93:
                self.pull_a_plug()
            else:
                self.heal()
            self.world.run(until=self.world.now + self.luck.expovariate(1 / 8.0))
        self.heal()
        self.world.run(until=self.world.now + 300.0)  # machines boot
        for component in self.world.components.values():
            if isinstance(component, Process) and not component.up:
                component.start()
        self.world.run(until=self.world.now + 2400.0)


def endure(make_world: MakeWorld, seed: int, steps: int) -> None:
    world = make_world(rate="0.0001/s", seed=seed, horizon="9000s", control={"warmup": "0s"})
    chaos = Chaos(world, seed)
    world.run(until=30.0)
    chaos.live(steps)

    assert chaos.answered == chaos.sent, "every request is answered, by somebody"
    tables = chaos.site.tables
    for host, provider in tables.providers.items():
        held = [tables.allocations[consumer][host] for consumer in tables.consumers(host)]
        assert provider.used_vcpus == sum(flavor.vcpus for flavor in held), f"placement's sums of {host}"
    assert all(ticket.finished is not None for ticket in world.tickets if ticket.legal), "no order lasts for ever"
    for id, row in chaos.site.volumes.volumes.items():
        servers = [server for server in tables.servers.values() if id in server.connections]
        if row.status == "in-use" and servers and servers[0].task_state is None:
            users = set(chaos.site.storage.stored[id].users)
            assert users <= {server.host for server in servers}, f"volume {id} is connected where its server is"
    guests = {uuid for libvirt in chaos.site.libvirts.values() for uuid in libvirt.domains}
    assert guests <= tables.servers.keys(), "nova-compute reaps the guests of deleted servers within half an hour"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_cloud_outlives_random_requests_and_deaths(openstack_world: MakeWorld, seed: int) -> None:
    endure(openstack_world, seed, 50)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 50))
def test_a_cloud_outlives_many_random_lives(openstack_world: MakeWorld, seed: int) -> None:
    endure(openstack_world, seed, 80)
