"""nova-conductor: takes a build from the API to a host, and writes to the database for the compute hosts."""

from __future__ import annotations

from typing import Any

from twin.mechanics import openstack as facts
from twin.openstack.nova import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import DBError, MessagingTimeout, RemoteError
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.reporting import ReportingService
from twin.openstack.oslo.service import Steps
from twin.openstack.tables import Server


class NovaConductor(ReportingService):
    """The conductor. A build that no host can take ends in ERROR."""

    kind = "nova-conductor"
    program = "nova-conductor"
    topic = "conductor"

    @property
    def procedures(self) -> dict[str, Procedure]:
        return {
            "schedule_and_build_instances": self._schedule_and_build,
            "build_instances": self._build_again,
            "object_action": self._object_action,
            "service_update": self._service_update,
            "ping": self._ping,
        }

    def on_running(self) -> None:
        super().on_running()
        if self.world.now > 0:
            self.say(logs.STARTING, None, "conductor")

    def _schedule_and_build(self, context: Context, server: Server) -> Steps:
        yield from self.work(context, facts.RPC["schedule_and_build_instances"])
        yield from self._place(context, server, ())

    def _build_again(self, context: Context, server: Server, tried: tuple[str, ...], reason: str) -> Steps:
        """A host gave the build back: try another, at most `MAX_ATTEMPTS` in all."""
        yield from self.work(context, facts.RPC["build_instances"])
        if server.attempts >= facts.MAX_ATTEMPTS:
            yield from self._give_up(context, server, logs.MAX_RETRIES.format(server.uuid))
            return
        yield from self._place(context, server, tried)

    def _place(self, context: Context, server: Server, tried: tuple[str, ...]) -> Steps:
        try:
            host = yield from self.call(context, "scheduler", "select_destinations", server=server, tried=tried)
        except (MessagingTimeout, RemoteError) as error:
            self.exception(logs.SCHEDULE_FAILED, context, error)
            yield from self._give_up(context, server, f"{error}")
            return
        if host is None:
            reason = logs.NO_VALID_HOST.format(logs.NO_HOSTS_AVAILABLE)
            self.say(logs.BUILD_FAILED, context, reason, instance=server.uuid)
            yield from self._give_up(context, server, reason)
            return
        if server.uuid not in self.site.tables.servers:
            return  # deleted while it was scheduled
        server.attempts += 1
        compute = self.site.computes[host]
        yield from self.cast(context, compute.topic, "build_and_run_instance", server=server, tried=(*tried, host))

    def _give_up(self, context: Context, server: Server, reason: str) -> Steps:
        self.say(logs.SET_ERROR, context, reason, instance=server.uuid)
        try:
            yield from self.sql(context, facts.RPC["object_action"].statements)
        except DBError:
            return  # nobody can write it: the server stays in BUILD
        self.site.became_error(server)
        yield self.site.placement.serve(context, "release", "DELETE", f"/allocations/{server.uuid}", server=server)

    def _object_action(self, context: Context, change: Any = None) -> Steps:
        """Save an object for a compute host; `change` is what is then true."""
        yield from self.work(context, facts.RPC["object_action"])
        if change is not None:
            change()

    def _service_update(self, context: Context, service: str) -> Steps:
        yield from self.work(context, facts.RPC["service_update"])
        self.site.tables.services[service].last_seen = self.world.now

    def _ping(self, context: Context) -> Steps:
        yield from self.think(context, facts.RPC["object_action"].python)
