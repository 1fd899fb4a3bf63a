"""cinder-volume: the component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simpy.exceptions import Interrupt

from twin.components import Component
from twin.mechanics import cinder as facts
from twin.openstack.cinder import logs
from twin.openstack.cinder.service import CinderService, Heart
from twin.openstack.cinder.tables import Volume
from twin.openstack.cinder.volume.drivers.lvm import VERSION
from twin.openstack.cinder.volume.manager import VolumeManager
from twin.openstack.infrastructure.volumes import VolumeBackend
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site


class CinderVolume(CinderService):
    """Works on one backend. What a process was doing when it died is cleaned up by the next (cinder's `workers`)."""

    kind = "cinder-volume"
    program = "cinder-volume"

    def __init__(self, site: Site, name: str, place: Component, backend: VolumeBackend, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.backend = backend
        self.topic = f"cinder-volume.{self.host}"
        self.heart = Heart(self)
        self.manager = manager = VolumeManager(self, backend)
        self._procedures: dict[str, Procedure] = {
            "create_volume": self._worker(lambda: manager.create_volume),
            "delete_volume": self._worker(lambda: manager.delete_volume),
            "extend_volume": lambda context, **arguments: manager.extend_volume(context, **arguments),
            "create_snapshot": lambda context, **arguments: manager.create_snapshot(context, **arguments),
            "delete_snapshot": lambda context, **arguments: manager.delete_snapshot(context, **arguments),
            "attachment_update": lambda context, **arguments: manager.attachment_update(context, **arguments),
            "attachment_delete": lambda context, **arguments: manager.attachment_delete(context, **arguments),
            "detach_volume": lambda context, **arguments: manager.detach_volume(context, **arguments),
            "publish_service_capabilities": (
                lambda context, **arguments: manager.publish_service_capabilities(context, **arguments)
            ),
        }

    @property
    def host(self) -> str:
        return f"{self.node.name}@{facts.BACKEND}"

    @property
    def working(self) -> bool:
        return self.manager.driver.initialized

    @property
    def procedures(self) -> dict[str, Procedure]:
        return self._procedures

    def _worker(self, method: Callable[[], Procedure]) -> Procedure:
        """A procedure that notes its volume in the table of workers for as long as it takes."""
        workers = self.site.volumes.workers

        def run(context: Context, volume: Volume, **arguments: Any) -> Steps:
            key = getattr(volume, "id", None)
            workers[key] = self.name
            try:
                result = yield from method()(context, volume=volume, **arguments)
            except Interrupt:
                raise
            except BaseException:
                workers.pop(key, None)
                raise
            workers.pop(key, None)
            return result

        return run

    def consume(self) -> None:
        if self._listens:
            super().consume()

    _listens = False
    """Whether its RPC server has started: it does once the driver has been set up, or could not be."""

    def on_running(self) -> None:
        self._listens = self.manager.driver.initialized = self.world.now == 0
        self.manager.allocated_capacity_gb = 0
        super().on_running()
        self.spawn(self._begin())

    def _begin(self) -> Steps:
        if self.world.now > 0:
            volumes, workers = self.site.volumes.volumes, self.site.volumes.workers
            mine = [key for key, owner in workers.items() if owner == self.name]
            for key in mine:
                del workers[key]
            context = admin_context(self.world, self.name, self.pid, "init")
            unfinished = [volumes[key] for key in mine if key in volumes]
            yield from self.manager.init_host(context, self.host, unfinished)
            self._listens = True
            self.consume()
            if self.working:
                self.say(logs.DRIVER_RPC_STARTING, context, "LVMVolumeDriver", VERSION)
                self.say(logs.DRIVER_RPC_READY, context)
        yield from self.every(facts.PERIODIC_INTERVAL, self._report, "report")

    def _report(self, context: Context) -> Steps:
        yield from self.manager.publish_service_capabilities(context)
