"""The storage load: a volume from an image, a server that boots from it and is rebuilt, and a data volume's life.

The studies' fault-free runs (Failure-Dataset-OpenStack, STO) show the first part: one volume, one server that boots
from it, one rebuild with its detachment and attachment. The second part (snapshot, extend, attach, detach) is what
else an operator tries of a block storage.
"""

from __future__ import annotations

from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.parts import network, prerequisites
from twin.openstack.tenants.tester import Tester

ROOT_GB, DATA_GB, LARGER_GB = 1, 1, 2


def storage(tester: Tester) -> Steps:
    """Volumes from an image and empty, boot from volume, rebuild, snapshot, extend, attach, detach."""
    commands, step = tester.commands, tester.step
    own = yield from prerequisites(tester)
    net = yield from network(tester, 1)

    root, server, data = tester.named("root"), tester.named("server"), tester.named("data")
    yield from step(
        "volume create", commands.volume_create(root, ROOT_GB, image=own.image), lambda: tester.delete_volume(root)
    )
    yield from tester.check_status("volume created", "volume", root, "available")
    yield from step(
        "server create",
        commands.server_create(
            server, tester.flavor, volume=root, networks=(net.name,), key_name=own.key, security_groups=(own.group,)
        ),
        lambda: tester.delete_server(server),
    )
    yield from tester.check_status("instance active", "server", server, "ACTIVE")
    yield from tester.check_status("volume attached", "volume", root, "in-use")

    yield from step("volume create", commands.volume_create(data, DATA_GB))
    tester.undo("data volume create", lambda: tester.delete_volume(data), after="server create")
    yield from tester.check_status("volume created", "volume", data, "available")
    snapshot = yield from step("volume snapshot create", commands.snapshot_create(data, tester.named("snapshot")))
    snapshot_id = snapshot["id"]
    tester.undo("volume snapshot create", lambda: tester.delete_snapshot(snapshot_id))
    yield from tester.check_status("snapshot created", "snapshot", snapshot_id, "available")
    yield from step("volume set", commands.volume_extend(data, LARGER_GB))
    yield from tester.check_status("volume extended", "volume", data, "available")
    yield from step("server add volume", commands.server_add_volume(server, data))
    yield from tester.check_status("volume attached", "volume", data, "in-use")
    yield from step("server remove volume", commands.server_remove_volume(server, data))
    yield from tester.check_status("volume detached", "volume", data, "available")
    yield from step("volume list", commands.list("volume"))

    yield from step("server rebuild", commands.server_rebuild(server, own.image))
    yield from tester.check_status("instance active", "server", server, "ACTIVE")
