"""The network load: networks, subnets, a router, ports and a server with two interfaces that can be reached.

What it makes follows from the events of the studies' fault-free runs (Failure-Dataset-OpenStack, NET): two networks
with a subnet each, one router, 13 things made through neutron, one server, one interface attached later.
"""

from __future__ import annotations

from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.parts import EXTERNAL_NETWORK, floating_ip, network, prerequisites, routed
from twin.openstack.tenants.tester import Tester


def network_load(tester: Tester) -> Steps:
    """Two networks behind a router, a port, a server on one of them, an interface in the other, a login."""
    commands, step = tester.commands, tester.step
    own = yield from prerequisites(tester)
    first = yield from network(tester, 1)
    second = yield from network(tester, 2)
    yield from routed(tester, [first, second], EXTERNAL_NETWORK)

    port = yield from step("port create", commands.port_create(second.name))
    port_id = port["id"]
    tester.undo("port create", lambda: commands.port_delete(port_id))
    yield from step("port list", commands.list("port"))

    server = tester.named("server")
    created = yield from step(
        "server create",
        commands.server_create(
            server,
            tester.flavor,
            image=own.image,
            networks=(first.name,),
            key_name=own.key,
            security_groups=(own.group,),
        ),
        lambda: tester.delete_server(server),
    )
    server_id = created["id"]
    yield from tester.check_status("instance active", "server", server, "ACTIVE")
    yield from step("server add network", commands.server_add_network(server, second.name))

    def addresses() -> Steps:
        listed = yield from commands.list("port", device_id=server_id)
        return len(listed)

    yield from tester.check("interface attached", addresses, lambda interfaces: bool(interfaces == 2))
    yield from floating_ip(tester, server, EXTERNAL_NETWORK)
    yield from tester.check_ssh(server_id)
