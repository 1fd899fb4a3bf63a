"""The process nova-conductor."""

from __future__ import annotations

from collections.abc import Mapping

from twin.components import Component
from twin.openstack.nova import logs
from twin.openstack.nova.conductor.manager import ComputeTaskManager, ConductorManager
from twin.openstack.nova.exception import NovaException
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.reporting import ReportingService
from twin.openstack.site import Site


class NovaConductor(ReportingService):
    """nova-conductor. Errors of object calls go back to the host that made them, and into no log of its own."""

    kind = "nova-conductor"
    program = "nova-conductor"
    topic = "conductor"
    reaches_cells = True
    expected: Mapping[str, tuple[type[Exception], ...]] = {
        "object_action": (Exception,),
        "service_update": (Exception,),
        "migrate_server": (NovaException,),
    }

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.tasks = tasks = ComputeTaskManager(self)
        self.manager = manager = ConductorManager(self)
        self._procedures: dict[str, Procedure] = {
            "schedule_and_build_instances": tasks.schedule_and_build_instances,
            "build_instances": tasks.build_instances,
            "migrate_server": tasks.migrate_server,
            "rebuild_instance": tasks.rebuild_instance,
            "object_action": manager.object_action,
            "service_update": manager.service_update,
            "ping": manager.ping,
        }

    @property
    def procedures(self) -> Mapping[str, Procedure]:
        return self._procedures

    def on_running(self) -> None:
        super().on_running()
        if self.world.now > 0:
            self.say(logs.STARTING, None, "conductor")
