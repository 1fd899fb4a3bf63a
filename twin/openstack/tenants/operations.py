"""The operations load: what tenants do with a server in the years after its creation, many servers at once, a stack.

The failure studies' workloads have none of it. The commands are those of the documentation for users; the order is an
assumption.
"""

from __future__ import annotations

from functools import partial

from twin.mechanics.openstack import FLAVORS, Flavor
from twin.openstack.oslo.service import Steps
from twin.openstack.tenants.parts import Own, network, prerequisites
from twin.openstack.tenants.stacks import stack_create, stack_delete
from twin.openstack.tenants.tester import Tester

MANY = 2
"""Servers of one `openstack server create --min`."""


def larger(flavor: Flavor) -> Flavor | None:
    """The next larger flavor, to which a server is resized: a disk never becomes smaller."""
    by_size = list(FLAVORS.values())
    behind = by_size[by_size.index(flavor) + 1 :]
    return behind[0] if behind else None


def operations(tester: Tester) -> Steps:
    """Stop, start, soft reboot, snapshot, resize (reverted, then confirmed); many servers at once; a stack."""
    own: Own = yield from prerequisites(tester)
    net = yield from network(tester, 1)
    server = tester.named("server")
    yield from _boot(tester, own, net.name, server)

    yield from _act(tester, server, "os-stop", "stopped", "SHUTOFF")
    yield from _act(tester, server, "os-start", "started", "ACTIVE")
    yield from _act(tester, server, "reboot", "rebooted", "ACTIVE", type="SOFT")
    yield from _snapshot(tester, server)
    yield from _resizes(tester, server)
    yield from _boot(tester, own, net.name, tester.named("many"), MANY)
    yield from _stack(tester)


def _boot(tester: Tester, own: Own, net: str, name: str, number: int = 1) -> Steps:
    """`openstack server create`, of several with `--min`; they are seen ACTIVE, and their ends are noted."""
    what = {"image": own.image, "networks": (net,), "key_name": own.key, "security_groups": (own.group,)}
    commands = tester.commands
    yield from tester.step("server create", commands.server_create(name, tester.flavor, min_count=number, **what))
    names = [name] if number == 1 else [f"{name}-{i + 1}" for i in range(number)]
    for one in names:
        tester.undo("server create", partial(tester.delete_server, one))
    for one in names:
        yield from tester.check_status("instance active", "server", one, "ACTIVE")


def _act(tester: Tester, server: str, action: str, check: str, status: str, **parameters: str) -> Steps:
    """One action on a server, and the state that it comes to."""
    yield from tester.step(f"server {action}", tester.commands.server_action(server, action, **parameters))
    yield from tester.check_status(f"instance {check}", "server", server, status)


def _resizes(tester: Tester, server: str) -> Steps:
    """To the next larger flavor and back again; once more, and it stays so."""
    size = larger(FLAVORS[tester.flavor])
    assert size is not None  # the scenario has been checked
    yield from _act(tester, server, "resize", "resized", "VERIFY_RESIZE", flavor=size.name)
    yield from _act(tester, server, "revertResize", "resize reverted", "ACTIVE")
    yield from _act(tester, server, "resize", "resized", "VERIFY_RESIZE", flavor=size.name)
    yield from _act(tester, server, "confirmResize", "resize confirmed", "ACTIVE")


def _snapshot(tester: Tester, server: str) -> Steps:
    """`openstack server image create`: the server's disk as an image."""
    commands, image = tester.commands, tester.named("snapshot")

    def body() -> Steps:
        server_id = yield from commands.find("server", server)
        uri, action = f"/v2.1/servers/{server_id}/action", {"action": "createImage", "name": image}
        yield from commands.session.ask("nova-api", "servers.action", "POST", uri, server_id=server_id, **action)

    yield from tester.step(
        "server image create", commands.run("server image create", body), lambda: tester.delete_image(image)
    )
    yield from tester.check_status("snapshot active", "image", image, "active")


def _stack(tester: Tester) -> Steps:
    """A stack with a network, a server and a volume on it, made and deleted. Its template names the cloud's image."""
    name = tester.named("stack")
    template = {"image": tester.site.image, "flavor": tester.flavor}
    tester.undo("stack create", lambda: stack_delete(tester.commands, name))  # one that failed is there, too
    yield from tester.step("stack create", stack_create(tester.commands, name, template))
