"""The process nova-scheduler."""

from __future__ import annotations

from collections.abc import Mapping

from twin.components import Component
from twin.openstack.nova import logs
from twin.openstack.nova.exception import NoValidHost
from twin.openstack.nova.scheduler.manager import SchedulerManager
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.reporting import ReportingService
from twin.openstack.site import Site


class NovaScheduler(ReportingService):
    """nova-scheduler."""

    kind = "nova-scheduler"
    program = "nova-scheduler"
    topic = "scheduler"
    expected: Mapping[str, tuple[type[Exception], ...]] = {"select_destinations": (NoValidHost,)}

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.manager = SchedulerManager(self)
        self._procedures: dict[str, Procedure] = {
            "select_destinations": self.manager.select_destinations,
            "update_instance_info": self.manager.update_instance_info,
            "delete_instance_info": self.manager.delete_instance_info,
            "sync_instance_info": self.manager.sync_instance_info,
        }

    @property
    def procedures(self) -> Mapping[str, Procedure]:
        return self._procedures

    def on_running(self) -> None:
        super().on_running()
        self.manager.host_manager.forget()
        if self.world.now > 0:
            self.say(logs.STARTING, None, "scheduler")
