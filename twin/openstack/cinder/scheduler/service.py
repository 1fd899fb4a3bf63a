"""cinder-scheduler: the component."""

from __future__ import annotations

from typing import Any

from twin.components import Component
from twin.mechanics import cinder as facts
from twin.openstack.cinder.scheduler.manager import SchedulerManager
from twin.openstack.cinder.scheduler.rpcapi import TOPIC
from twin.openstack.cinder.service import CinderService, Heart
from twin.openstack.oslo.context import admin_context
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.service import Steps
from twin.openstack.site import Site


class CinderScheduler(CinderService):
    """Chooses backends. It knows them from their reports only: after a start it asks for them."""

    kind = "cinder-scheduler"
    program = "cinder-scheduler"
    topic = TOPIC

    def __init__(self, site: Site, name: str, place: Component, workers: int = 1) -> None:
        super().__init__(site, name, place, workers)
        self.heart = Heart(self)
        self.manager = manager = SchedulerManager(self)
        self._procedures: dict[str, Procedure] = {
            "create_volume": lambda context, **arguments: manager.create_volume(context, **arguments),
            "create_snapshot": lambda context, **arguments: manager.create_snapshot(context, **arguments),
            "extend_volume": lambda context, **arguments: manager.extend_volume(context, **arguments),
            "update_service_capabilities": (
                lambda context, **arguments: manager.update_service_capabilities(context, **arguments)
            ),
        }

    @property
    def procedures(self) -> dict[str, Procedure]:
        return self._procedures

    def on_running(self) -> None:
        self.manager.driver.host_manager.forget()
        super().on_running()
        self.manager.startup_delay = True
        self.spawn(self._ask_for_reports())

    def _ask_for_reports(self) -> Steps:
        context = admin_context(self.world, self.name, self.pid, "capabilities")
        for row in list(self.site.volumes.services.values()):
            if row.binary == "cinder-volume":
                yield from self.cast(context, f"cinder-volume.{row.host}", "publish_service_capabilities")
        yield self.clock.timeout(facts.PERIODIC_INTERVAL)
        self.manager.startup_delay = False

    def pool(self) -> dict[str, Any]:
        """The first pool that it knows, as `get_pools` gives it; empty where it knows none."""
        return next(iter(self.manager.driver.host_manager.service_states.values()), {})
