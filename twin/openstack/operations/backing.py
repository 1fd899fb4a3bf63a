"""Orders about what the services lean on: databases, the broker, disks, certificates, images."""

from __future__ import annotations

from twin.actions import Operation, Ticket
from twin.components import Component
from twin.mechanics.durations import DRAIN_LIMIT, DURATIONS
from twin.mechanics.layers import RESETS
from twin.node import Node
from twin.openstack.infrastructure.haproxy import HAProxy
from twin.openstack.infrastructure.mysql import MySQL
from twin.openstack.infrastructure.rabbitmq import RabbitMQ
from twin.openstack.infrastructure.volumes import VolumeBackend
from twin.openstack.oslo.messaging import AmqpService
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import ApiService
from twin.openstack.site import Site


class Backing:
    """What operators of a site do beneath its services."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.world = site.world
        self.table: dict[str, Operation] = {
            "fail-over-database": Operation(self._no_fail_over, self._fail_over),
            "heal-broker": Operation(self._no_healing, self._heal_broker),
            "purge-queue": Operation(self._no_queue, self._purge_queue),
            "free-disk": Operation(self._no_disk, self._free_disk),
            "renew-certificate": Operation(self._no_certificate, self._renew_certificate),
        }

    # --- the database -------------------------------------------------------------------------------------------

    def _no_fail_over(self, target: Component) -> str:
        """HAProxy's statistics say who gets the sessions, and who else could."""
        balancer = self.site.balancer
        if not isinstance(target, MySQL):
            return "it is no database server"
        if balancer is None:
            return "there is one server only"
        servers = balancer.endpoint("mysql").servers
        usable = [server for server in servers if server.up and not server.disabled]
        writer = next((server for server in usable if not server.backup), usable[0] if usable else None)
        if writer is None or writer.process is not target:
            return "it does not get the sessions"
        return "" if any(s.up and s is not writer for s in servers) else "no other server is up"

    def _fail_over(self, target: Component, ticket: Ticket) -> Steps:
        """HAProxy's socket: `enable server` for the others, `disable server` and `shutdown sessions server`.

        Gentle lets open sessions end by themselves first, as far as they do.
        """
        assert isinstance(target, MySQL) and self.site.balancer is not None
        yield self.world.clock.timeout(DURATIONS["fail-over-database"])
        if not self.site.balancer.up:
            return
        backend = self.site.balancer.endpoint("mysql")
        for server in backend.servers:
            if server.process is not target:
                backend.enable(server.name)
        backend.disable(target.node.name)
        if ticket.action.parameter == "gentle":
            yield self.world.clock.timeout(DRAIN_LIMIT)
        self.site.database.connections.shut_down_sessions(target)
        ticket.relieved += target.conditions

    # --- the broker ---------------------------------------------------------------------------------------------

    def _no_healing(self, target: Component) -> str:
        if not isinstance(target, RabbitMQ):
            return "it is no node of the broker"
        return "" if len(self.site.broker.nodes) > 1 else "there is no cluster to join"

    def _heal_broker(self, target: Component, ticket: Ticket) -> Steps:
        """Take a node out of the cluster, have the others forget it, and let it join anew, empty."""
        assert isinstance(target, RabbitMQ)
        target.stop("restart")
        yield self.world.clock.timeout(DURATIONS["heal-broker"])
        ticket.relieved += target.reset(RESETS["heal-broker"], by=str(ticket.action))
        self.site.broker.quorum.forget(target)
        target.start()

    def _no_queue(self, target: Component) -> str:
        return "" if isinstance(target, AmqpService) and target.topic else "it has no queue that waits for it"

    def _purge_queue(self, target: Component, ticket: Ticket) -> Steps:
        """`rabbitmqctl purge_queue`: what waits for the target is dropped, with what it was to do."""
        yield self.world.clock.timeout(DURATIONS["purge-queue"])
        assert isinstance(target, AmqpService)
        if self.site.broker.up:
            self.site.broker.purge(target.topic)

    # --- disks and certificates ---------------------------------------------------------------------------------

    def _no_disk(self, target: Component) -> str:
        return "" if isinstance(target, Node | VolumeBackend) else "it is no machine and no storage backend"

    def _free_disk(self, target: Component, ticket: Ticket) -> Steps:
        """Delete what does not belong there; on a compute host also base images that no server there uses."""
        yield self.world.clock.timeout(DURATIONS["free-disk"])
        if isinstance(target, Node) and not target.up:
            return
        ticket.relieved += target.reset(RESETS["free-disk"], by=str(ticket.action))
        libvirt = self.site.libvirts.get(target.name)
        if libvirt is not None:
            used = {server.image for server in self.site.tables.on(target.name)}
            for image in [image for image in libvirt.disk.base_files if image not in used]:
                libvirt.disk.remove_base(image)

    def _no_certificate(self, target: Component) -> str:
        """The balancer shows one for all behind it; keystone has keys of its own."""
        if isinstance(target, HAProxy) or target is self.site.keystone:
            return ""
        if not isinstance(target, ApiService):
            return "it shows no certificate"
        return "its certificate is the load balancer's" if target.backend is not None else ""

    def _renew_certificate(self, target: Component, ticket: Ticket) -> Steps:
        """New certificates (of keystone: one set of keys for all its processes), read by a reload."""
        yield self.world.clock.timeout(DURATIONS["renew-certificate"])
        ticket.relieved += target.reset(RESETS["renew-certificate"], by=str(ticket.action))
