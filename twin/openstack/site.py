"""The site: which service is where, and the tables they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.mechanics import openstack as facts
from twin.node import Node
from twin.openstack.cinder.tables import CinderTables
from twin.openstack.glance.tables import ImageTables
from twin.openstack.heat.tables import StackTables
from twin.openstack.keystone.tables import TokenTable
from twin.openstack.tables import Server, Tables

if TYPE_CHECKING:
    from twin.openstack.glance.api import Glance
    from twin.openstack.infrastructure.broker import Broker
    from twin.openstack.infrastructure.dataplane import DataPlane
    from twin.openstack.infrastructure.galera import Galera
    from twin.openstack.infrastructure.haproxy import HAProxy
    from twin.openstack.infrastructure.libvirt import Libvirt
    from twin.openstack.infrastructure.memcached import Memcached
    from twin.openstack.infrastructure.volumes import VolumeBackend
    from twin.openstack.keystone.service import Keystone
    from twin.openstack.neutron.server import Neutron
    from twin.openstack.nova.api.service import NovaApi
    from twin.openstack.nova.compute.service import NovaCompute
    from twin.openstack.nova.conductor.service import NovaConductor
    from twin.openstack.nova.scheduler.service import NovaScheduler
    from twin.openstack.oslo.wsgi import ApiService
    from twin.openstack.placement.service import Placement
    from twin.world import World


class Site:
    """One OpenStack region. The cluster fills in the services while it builds them."""

    database: Galera
    broker: Broker
    keystone: Keystone
    placement: Placement
    glance: Glance
    neutron: Neutron
    api: NovaApi
    conductor: NovaConductor
    scheduler: NovaScheduler

    libvirts: dict[str, Libvirt]
    """libvirt by compute host."""
    dataplane: DataPlane
    """Switches, network nodes and guests: who reaches whom."""
    storage: VolumeBackend
    """The LVM group or Ceph pool that cinder-volume's driver works on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mutated = False
        """Whether a program of this site has ever been mutated: only then may Python's own errors come up."""
        self.tables = Tables()
        self.tables.listeners.append(self._server_changed)
        self.quotas = dict(facts.QUOTAS)
        """What a project may have of nova's resources; -1 for no limit."""
        self.volumes = CinderTables()
        self.images = ImageTables()
        self.identity = TokenTable()
        self.stacks = StackTables()
        self.shared_configuration = False
        """Whether nova-compute's configuration names the API's database."""
        self.image_cache_interval = facts.IMAGE_CACHE_INTERVAL
        self.image_minimum_age = facts.IMAGE_MINIMUM_AGE
        """Of nova's image cache: seconds between its passes, and from a base file's last use to its removal."""
        self._addresses: dict[str, str] = {}
        self.controllers: list[Node] = []
        self.balancer: HAProxy | None = None
        self.memcached: Memcached | None = None
        self.hosts: dict[str, Node] = {}
        """Compute hosts by name."""
        self.computes: dict[str, NovaCompute] = {}
        """nova-compute by host."""
        self.image = world.streams["openstack/image"].uuid("cirros")
        self.network = world.streams["openstack/network"].uuid("private")

    def endpoint(self, kind: str) -> ApiService:
        """The API service of a kind, as the service catalogue names it."""
        return self.world.components[kind]  # type: ignore[return-value]

    @property
    def controller(self) -> Node:
        """The first controller."""
        return self.controllers[0]

    def address(self, node: Node) -> str:
        """A node's address on the management network: controllers first."""
        address = self._addresses.get(node.name)
        if address is None:
            names = [*(controller.name for controller in self.controllers), *self.hosts]
            number = 10 + names.index(node.name)
            address = self._addresses[node.name] = f"10.0.{number // 250}.{number % 250}"
        return address

    def heard_from(self, component: str) -> bool:
        """Whether nova-api finds a fresh heartbeat of a service in its table."""
        row = self.tables.services.get(component)
        return row is not None and row.up(self.world.now + self.api.clock_offset)

    def answers_queries(self) -> bool:
        """Whether openstack-exporter, which asks nova-api, gets an answer."""
        return all(service.up and service.place_up for service in (self.keystone, self.api)) and self.database.up

    def agent_state(self, component: str) -> float:
        """`openstack_nova_agent_state`: 1 where nova takes the service for up, 0 where not, absent without nova-api."""
        if component not in self.tables.services or not self.answers_queries():
            return float("nan")
        return float(self.heard_from(component))

    def _server_changed(self, server: Server, before: str) -> None:
        """What the SLO counts from a server's acceptance on: ACTIVE in time; ERROR or gone before that is a failure."""
        slo = self.world.slo
        if server.status == "ACTIVE":
            slo.met("create", server.uuid, self.world.now)
        elif server.status in ("ERROR", "DELETED"):
            slo.failed("create", server.uuid)
        if server.status == "DELETED":  # nobody's programs run in it any more
            self.dataplane.demand.pop(server.uuid, None)
