"""nova.virt.fake: the driver that only pretends, with which control planes are tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.openstack.nova.compute.events import InstanceEvents
from twin.openstack.nova.image import ImageAPI
from twin.openstack.nova.network import NetworkInfo
from twin.openstack.nova.virt import logs
from twin.openstack.nova.virt.moves import MovingDriver
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server

if TYPE_CHECKING:
    from twin.openstack.nova.compute.service import NovaCompute


def _shown(servers: set[str]) -> str:
    """Python's text of the driver's dictionary."""
    inside = (f"'{uuid}': <nova.virt.fake.FakeInstance object at 0x7f{int(uuid[:8], 16):08x}d0>" for uuid in servers)
    return "{" + ", ".join(sorted(inside)) + "}"


class FakeDriver(MovingDriver):
    """Servers that are names in a dictionary: no image, no interface, no guest, and no event of any.

    It waits for nothing of neutron's. What it pretends to is lost with the process.
    """

    chapter_of = "FakeDriver"
    real = "fake.FakeDriver"

    def __init__(self, service: NovaCompute, events: InstanceEvents, images: ImageAPI) -> None:
        super().__init__(service, events, images)
        self._process = 0
        self._servers: set[str] = set()

    def spawn(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """Remember the server."""
        self._known().add(instance.uuid)
        yield from ()

    def destroy(
        self, context: Context, instance: Server, network_info: NetworkInfo, destroy_disks: bool = True
    ) -> Steps:
        """Forget the server."""
        known = self._known()
        if instance.uuid not in known:
            self.say(logs.FAKE_UNKNOWN, None, instance.uuid, _shown(known), instance=instance.uuid)
        known.discard(instance.uuid)
        yield from ()

    def cleanup(
        self, context: Context, instance: Server, network_info: NetworkInfo, destroy_disks: bool = True
    ) -> Steps:
        """Nothing is left of it."""
        yield from ()

    def list_instance_uuids(self, context: Context) -> Steps:
        """The servers it pretends to run."""
        yield from ()
        return sorted(self._known())

    def init_host(self) -> None:
        """There is nothing to connect to."""

    def _handle_conn_event(self, context: Context, enabled: bool, reason: str | None) -> Steps:
        """There is no connection to lose."""
        yield from ()

    def _set_host_enabled(self, context: Context, enabled: bool, disable_reason: str | None) -> Steps:
        """It never takes its host out."""
        yield from ()

    def is_running(self, instance: Server) -> bool:
        """Whether it has ever heard of the server."""
        return instance.uuid in self._known()

    def resume_state_on_host_boot(self, context: Context, instance: Server, network_info: NetworkInfo) -> Steps:
        """What it pretended to is gone."""
        yield from ()

    def _known(self) -> set[str]:
        if self._process != self.service.pid:
            self._process, self._servers = self.service.pid, set()
        return self._servers
