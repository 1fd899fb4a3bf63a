"""The deployment load: everything that a server needs, a server, a volume on it, logins before and after a reboot.

The order of commands and checks is that of the studies' script (OpenStack-Fault-Injection-Environment,
`start_workload.sh`).
"""

from __future__ import annotations

from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.parts import EXTERNAL_NETWORK, Network, floating_ip, network, prerequisites, routed
from twin.openstack.tenants.tester import Tester

VOLUME_GB = 1


def deployment(tester: Tester) -> Steps:
    """Image, key pair, security group, network, router, server, floating IP, volume, reboot."""
    commands, step = tester.commands, tester.step
    own = yield from prerequisites(tester)
    net: Network = yield from network(tester, 1)
    yield from routed(tester, [net], EXTERNAL_NETWORK)

    server, volume = tester.named("server"), tester.named("volume")
    created = yield from step(
        "server create",
        commands.server_create(
            server, tester.flavor, image=own.image, networks=(net.name,), key_name=own.key, security_groups=(own.group,)
        ),
        lambda: tester.delete_server(server),
    )
    yield from tester.check_status("instance active", "server", server, "ACTIVE")
    yield from floating_ip(tester, server, EXTERNAL_NETWORK)
    yield from step("server list", commands.list("server"))

    yield from step("volume create", commands.volume_create(volume, VOLUME_GB, image=own.image))
    tester.undo("volume create", lambda: tester.delete_volume(volume), after="server create")
    yield from tester.check_status("volume created", "volume", volume, "available")
    yield from step("volume list", commands.list("volume"))
    yield from step("server add volume", commands.server_add_volume(server, volume))
    yield from tester.check_status("volume attached", "volume", volume, "in-use")
    yield from step("volume list", commands.list("volume"))

    yield from tester.check_ssh(created["id"])
    yield from step("server reboot", commands.server_action(server, "reboot", type="HARD"))
    yield from tester.check_status("instance active", "server", server, "ACTIVE")
    yield from tester.check_ssh(created["id"])
