"""Parts that the testers' loads share: image, key and group; networks with their subnet; a router; a floating IP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.tester import Tester

EXTERNAL_NETWORK = "public"
"""The network of floating IPs, which is there before the tenants."""


@dataclass(frozen=True, slots=True)
class Own:
    """Names of what every server of a tester uses."""

    image: str
    key: str
    group: str


@dataclass(frozen=True, slots=True)
class Network:
    """A network's name, and its subnet's id."""

    name: str
    subnet: str


def prerequisites(tester: Tester) -> Steps:
    """An image, a key pair and a security group that lets SSH in; their names as `Own`."""
    commands, step = tester.commands, tester.step
    own = Own(tester.named("image"), tester.named("keypair"), tester.named("group"))
    yield from step("image create", commands.image_create(own.image), lambda: tester.delete_image(own.image))
    yield from tester.check_status("image active", "image", own.image, "active")
    yield from step("keypair create", commands.keypair_create(own.key), lambda: commands.keypair_delete(own.key))
    yield from tester.check_listed("keypair", "key pair", own.key)
    yield from step(
        "security group create",
        commands.security_group_create(own.group),
        lambda: commands.security_group_delete(own.group),
    )
    yield from step("security group rule create", commands.rule_create(own.group, "tcp", 22))
    yield from tester.check_listed("security group", "security group", own.group)
    return own


def network(tester: Tester, number: int) -> Steps:
    """A network with a subnet of its own range, as `Network`."""
    commands, step, name = tester.commands, tester.step, tester.named(f"network-{number}")
    yield from step("network create", commands.network_create(name), lambda: tester.delete_network(name))
    yield from tester.check_status("network active", "network", name, "ACTIVE")
    cidr = f"10.{tester.number % 250}.{number}.0/24"
    made = yield from step("subnet create", commands.subnet_create(name, cidr))
    subnet = made["id"]

    def look() -> Steps:
        listed = yield from commands.list("subnet")
        return any(one["id"] == subnet for one in listed)

    yield from tester.check("subnet created", look, bool)
    return Network(name, subnet)


def routed(tester: Tester, networks: list[Network], external: str) -> Steps:
    """A router between networks and the outside."""
    commands, step, name = tester.commands, tester.step, tester.named("router")
    yield from step("router create", commands.router_create(name, external), lambda: tester.delete_router(name))
    yield from tester.check_status("router active", "router", name, "ACTIVE")
    for joined in networks:
        yield from step("router interface create", commands.router_add_subnet(name, joined.subnet))
        tester.undo("router interface create", partial(commands.router_remove_subnet, name, joined.subnet))


def floating_ip(tester: Tester, server: str, external: str) -> Steps:
    """A floating IP that leads to a server."""
    commands, step = tester.commands, tester.step
    made = yield from step("floating ip create", commands.floating_ip_create(external))
    address = made["id"]
    tester.undo("floating ip create", lambda: commands.floating_ip_delete(address))
    yield from step("server add floating ip", commands.server_add_floating_ip(server, address))
