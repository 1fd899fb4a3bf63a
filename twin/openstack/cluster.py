"""The OpenStack cluster: presets, and the placement of the services."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twin.mechanics import openstack as facts
from twin.mechanics.galera import CONNECTION_RECYCLE
from twin.mechanics.hypervisor import HOSTS, PACES
from twin.node import Node
from twin.openstack import neutron
from twin.openstack.cinder import deployment as cinder
from twin.openstack.glance import api as glance
from twin.openstack.heat import service as heat
from twin.openstack.infrastructure import control_plane, hosts
from twin.openstack.infrastructure.libvirt import Libvirt
from twin.openstack.infrastructure.volumes import VolumeBackend
from twin.openstack.keystone import service as keystone
from twin.openstack.neutron.server import Neutron
from twin.openstack.nova.api.service import NovaApi
from twin.openstack.nova.compute.service import NovaCompute
from twin.openstack.nova.conductor.service import NovaConductor
from twin.openstack.nova.scheduler.service import NovaScheduler
from twin.openstack.operations.hosts import Operations
from twin.openstack.operations.inventory import Inventory
from twin.openstack.oslo.service import Service, connect
from twin.openstack.placement.service import Placement
from twin.openstack.site import Site
from twin.openstack.tenants import capacity
from twin.openstack.tenants.workload import Workload
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import OpenStackCluster as Settings
from twin.slo import Objective

if TYPE_CHECKING:
    from twin.world import World


@dataclass(frozen=True, slots=True)
class Preset:
    """Sizes of a site. A spare is a host that runs but has no nova-compute yet."""

    computes: int
    spares: int
    controllers: int = 1
    api_workers: int = 4
    conductor_workers: int = 4
    host_vcpus: int = 16
    host_memory: float = 64e9
    controller_vcpus: int = 16
    controller_memory: float = 64e9
    profile: str = "nvme"
    """Uncontended times of its hosts (`twin.mechanics.hypervisor.HOSTS`)."""
    connection_recycle: float = CONNECTION_RECYCLE
    """oslo.db's `connection_recycle_time`; kolla-ansible's where nothing else is known."""
    all_in_one: bool = False
    """Servers run on the controller."""
    shared_configuration: bool = False
    """Whether nova-compute reads the API's nova.conf, which names a database that it may not reach."""
    image_cache: tuple[float, float] = (facts.IMAGE_CACHE_INTERVAL, facts.IMAGE_MINIMUM_AGE)
    """Nova's image cache: seconds between passes, and from a base file's last use to its removal."""


PRESETS: dict[str, Preset] = {
    "small": Preset(2, 1, 3),  # some 40 components
    "medium": Preset(8, 2, 3, 8, 8),
    "large": Preset(40, 4, 3, 16, 16, 32, 128e9, 32, 128e9),
    # Loghub's log shows a pass every 5 s, which keeps a base file used 4.7 s ago and removes one used 6.3 s ago.
    "cloudlab": Preset(1, 0, profile="cloudlab", connection_recycle=3600.0, image_cache=(5.0, 5.0)),
    # Two cores, of which other jobs held more than one: its load was 6 to 8 without faults.
    "fake-driver": Preset(
        3, 0, 1, 2, 2, controller_vcpus=1, profile="fake", connection_recycle=3600.0, shared_configuration=True
    ),
    "all-in-one": Preset(1, 0, 1, 2, 2, 4, 32e9, 4, 32e9, "devstack", 3600.0, all_in_one=True),
}

AVAILABILITY = 0.999
"""Of tenants' servers, where the scenario has some and says nothing."""
API_P99, CREATE_P95 = 2.0, 40.0
"""Objectives where the scenario sets none, seconds. A healthy small site shows 0.7 and 25."""


class OpenStackCluster:
    """The cluster as the kernel sees it (`twin.world.Cluster`)."""

    def __init__(self, site: Site, workload: Workload, spares: int) -> None:
        self.site = site
        self.world = site.world
        self._idle = list(site.computes.values())[len(site.computes) - spares :]
        self.workload = workload
        self.inventory = Inventory(site)
        self.operations = Operations(site, self.inventory).table

    def start(self) -> None:
        """Everything runs at time zero, spares excepted; then clients arrive."""
        for component in self.world.components.values():
            if isinstance(component, (Service, Libvirt, VolumeBackend)) and component not in self._idle:
                component.boot()
        self.workload.start()
        self.inventory.look()
        self.world.clock.process(self.inventory.follow())

    def objectives(self) -> list[Objective]:
        """`api`: answered without a 5xx in time; `create`: accepted to ACTIVE; `success`: a life without an error;
        `availability`: tenants' servers that can be reached."""
        slo = self.world.spec.slo
        api, create = slo.api_p99, slo.create_p95
        if api is None and create is None:
            api, create = API_P99, CREATE_P95
        objectives = [Objective("success", slo.success, None)]
        if api is not None:
            objectives.append(Objective("api", 0.99, api))
        if create is not None:
            objectives.append(Objective("create", 0.95, create))
        if self.workload.probes is not None:
            objectives.append(Objective("availability", slo.availability or AVAILABILITY, None))
        return objectives


def build(world: World) -> OpenStackCluster:
    """The cluster of a world's scenario. Raises ScenarioError for a preset that does not exist."""
    settings = world.spec.cluster
    assert isinstance(settings, Settings)
    preset = sizes(settings)
    capacity.check(world.spec, preset.computes, preset.host_vcpus, preset.host_memory)
    site = Site(world)
    site.controllers += [
        Node(world, f"controller-{i}", preset.controller_memory, preset.controller_vcpus)
        for i in range(preset.controllers)
    ]
    node = world.network.monitor = site.controller
    site.image_cache_interval, site.image_minimum_age = preset.image_cache
    site.shared_configuration = preset.shared_configuration
    control_plane.build(site, site.controllers)
    keystone.build(site, node, preset.api_workers)
    site.placement = Placement(site, "placement", node, preset.api_workers)
    glance.build(site, node, preset.api_workers)
    site.neutron = Neutron(site, "neutron-server", node, preset.api_workers)
    site.conductor = NovaConductor(site, "nova-conductor", node, preset.conductor_workers)
    site.scheduler = NovaScheduler(site, "nova-scheduler", node, preset.conductor_workers)
    site.api = NovaApi(site, "nova-api", node, preset.api_workers)
    for i in range(preset.computes + preset.spares):
        host = node if preset.all_in_one else Node(world, f"compute-{i}", preset.host_memory, preset.host_vcpus)
        site.hosts[host.name] = host
    network_node, storage_node = site.controllers[:2][-1], site.controllers[:3][-1]
    under = hosts.build(world, site.hosts.values(), [network_node], storage_node, preset.profile)
    site.libvirts, site.dataplane, site.storage = under.libvirts, under.dataplane, under.volumes
    for host in site.hosts.values():
        site.computes[host.name] = NovaCompute(site, f"nova-compute@{host.name}", host, site.libvirts[host.name])
    cinder.build(site, node, storage_node, preset.api_workers)
    heat.build(site, node, preset.api_workers)
    neutron.build(site)
    control_plane.balance(site)
    _connect(site)
    site.database.connections.recycle = preset.connection_recycle
    for component in world.components.values():
        if isinstance(component, Service):
            component.pace = HOSTS[preset.profile].scale * PACES.get(preset.profile, {}).get(component.kind, 1.0)
            component.spread = HOSTS[preset.profile].spread
    capacity.allow(site, settings.quotas)
    return OpenStackCluster(site, Workload(site, list(site.computes)[: preset.computes]), preset.spares)


def sizes(settings: Settings) -> Preset:
    """The preset with the scenario's own sizes over it. Raises ScenarioError."""
    name = settings.preset or "small"
    if name not in PRESETS:
        raise ScenarioError(f"no OpenStack preset '{name}'{nearest(name, PRESETS)}", ("spec", "cluster", "preset"))
    own = settings.model_dump(include=set(Preset.__dataclass_fields__), exclude_none=True)
    return replace(PRESETS[name], **own)


def _connect(site: Site) -> None:
    """Who calls whom."""
    mysql, rabbitmq, identity = site.database.servers[0], site.broker.nodes[0], site.keystone
    connect(identity, mysql)
    for api in (site.placement, site.glance):
        connect(api, identity, mysql)
    connect(site.neutron, identity, mysql, rabbitmq, site.api)
    connect(site.api, identity, mysql, rabbitmq, site.glance, site.neutron, site.placement, site.conductor)
    connect(site.conductor, rabbitmq, mysql, site.scheduler, site.placement)
    connect(site.scheduler, rabbitmq, mysql, site.placement)
    for compute in site.computes.values():
        connect(compute, rabbitmq, site.conductor, site.neutron, site.glance, site.placement)
        connect(site.conductor, compute)
