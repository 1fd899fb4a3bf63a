"""The OpenStack cluster: presets, placement of the services, and the operator's moves."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from twin.actions import Ticket
from twin.components import Component
from twin.mechanics import openstack as facts
from twin.mechanics.durations import DURATIONS
from twin.node import Node
from twin.openstack import logs, moving
from twin.openstack.compute import NovaCompute
from twin.openstack.conductor import NovaConductor
from twin.openstack.controllers import Glance, Keystone, Neutron, Placement
from twin.openstack.mysql import MySQL
from twin.openstack.nova_api import NovaApi
from twin.openstack.rabbitmq import RabbitMQ
from twin.openstack.scheduler import NovaScheduler
from twin.openstack.service import Service, connect
from twin.openstack.site import Site
from twin.openstack.workload import Workload
from twin.process import State
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
    api_workers: int = 4
    conductor_workers: int = 4
    host_vcpus: int = 16
    host_memory: float = 64e9
    controller_vcpus: int = 16
    controller_memory: float = 64e9


PRESETS: dict[str, Preset] = {
    "small": Preset(2, 1),  # 16 components
    "medium": Preset(8, 2, 8, 8),
    "large": Preset(40, 4, 16, 16, 32, 128e9, 32, 128e9),
}

API_P99, CREATE_P95 = 2.0, 40.0
"""Objectives where the scenario sets none, seconds. A healthy small site shows 0.7 and 25."""

MOST_WORKERS = 4
"""Workers that scaling out may add to one service."""


class OpenStackCluster:
    """The cluster as the kernel sees it (`twin.world.Cluster`)."""

    def __init__(self, site: Site, workload: Workload, spares: int) -> None:
        self.site = site
        self.world = site.world
        self._idle = list(site.computes.values())[len(site.computes) - spares :]
        self.workload = workload
        self._added: dict[str, int] = {}

    def start(self) -> None:
        """Everything runs at time zero, spares excepted; then clients arrive."""
        for component in self.world.components.values():
            if isinstance(component, Service) and component not in self._idle:
                component.boot()
        self.workload.start()

    def objectives(self) -> list[Objective]:
        """`api`: answered without a 5xx in time; `create`: accepted to ACTIVE; `success`: a life without an error."""
        slo = self.world.spec.slo
        api, create = slo.api_p99, slo.create_p95
        if api is None and create is None:
            api, create = API_P99, CREATE_P95
        objectives = [Objective("success", slo.success, None)]
        if api is not None:
            objectives.append(Objective("api", 0.99, api))
        if create is not None:
            objectives.append(Objective("create", 0.95, create))
        return objectives

    # --- migrate -------------------------------------------------------------------------------------------------

    def can_migrate(self, target: Component) -> bool:
        """A compute host or its nova-compute, with servers on it, and another host that takes some."""
        compute = self._compute(target)
        return (
            compute is not None
            and bool(compute.guests)
            and compute.node.name not in self.world.in_flight
            and moving.destination(self.site, compute) is not None
        )

    def migrate(self, target: Component, ticket: Ticket) -> Generator[Any, Any, None]:
        """Empty the host: disable it for scheduling, then move its servers one after the other.

        Live while the host answers, by evacuation (a rebuild elsewhere) where it does not. The host stays disabled
        until its nova-compute is started again.
        """
        compute = self._compute(target)
        assert compute is not None
        yield from moving.empty(self.site, compute)
        ticket.relieved += [*compute.node.conditions, *compute.conditions]

    def _compute(self, target: Component) -> NovaCompute | None:
        found = self.site.computes.get(target.name) if target.kind == "node" else target
        return found if isinstance(found, NovaCompute) and found.state is not State.ABSENT else None

    # --- scale out -----------------------------------------------------------------------------------------------

    def can_scale_out(self, target: Component) -> bool:
        """nova-api and nova-conductor take more workers; nova-scheduler discovers a spare compute host."""
        if not isinstance(target, Service):
            return False
        if target is self.site.scheduler:
            return any(spare.node.up for spare in self._spares())
        return target in (self.site.api, self.site.conductor) and self._added.get(target.name, 0) < MOST_WORKERS

    def scale_out(self, target: Component, ticket: Ticket) -> Generator[Any, Any, None]:
        """Add a worker, or start nova-compute on the first spare host."""
        yield self.world.clock.timeout(DURATIONS["scale-out"])
        assert isinstance(target, Service)
        if not target.up:  # nobody answers the order, which whoever gave it could not know
            return
        if target is self.site.scheduler:
            spare = next((spare for spare in self._spares() if spare.node.up), None)
            if spare is not None:
                self.site.scheduler.say(logs.HOST_DISCOVERED, None, spare.node.name, self._provider(spare.node))
                spare.start()
            return
        self._added[target.name] = self._added.get(target.name, 0) + 1
        target.python.grow(1)
        target.connections.grow(facts.POOL_SIZE)

    def _spares(self) -> list[NovaCompute]:
        return [c for c in self.site.computes.values() if c.state is State.ABSENT]

    def _provider(self, node: Node) -> str:
        return self.world.streams["placement/provider"].uuid(node.name)


def build(world: World) -> OpenStackCluster:
    """The cluster of a world's scenario. Raises ScenarioError for a preset that does not exist."""
    settings = world.spec.cluster
    assert isinstance(settings, Settings)
    preset = sizes(settings)
    site = Site(world)
    node = site.controller = Node(world, "controller-0", preset.controller_memory, preset.controller_vcpus)
    site.mysql = MySQL(site, "mysql", node)
    site.rabbitmq = RabbitMQ(site, "rabbitmq", node)
    site.keystone = Keystone(site, "keystone", node, preset.api_workers)
    site.placement = Placement(site, "placement", node, preset.api_workers)
    site.glance = Glance(site, "glance-api", node, preset.api_workers)
    site.neutron = Neutron(site, "neutron-server", node, preset.api_workers)
    site.conductor = NovaConductor(site, "nova-conductor", node, preset.conductor_workers)
    site.scheduler = NovaScheduler(site, "nova-scheduler", node, preset.conductor_workers)
    site.api = NovaApi(site, "nova-api", node, preset.api_workers)
    for i in range(preset.computes + preset.spares):
        host = Node(world, f"compute-{i}", preset.host_memory, preset.host_vcpus)
        site.hosts[host.name] = host
        site.computes[host.name] = NovaCompute(site, f"nova-compute@{host.name}", host)
    _connect(site)
    return OpenStackCluster(site, Workload(site), preset.spares)


def sizes(settings: Settings) -> Preset:
    """The preset with the scenario's own sizes over it. Raises ScenarioError."""
    name = settings.preset or "small"
    if name not in PRESETS:
        raise ScenarioError(f"no OpenStack preset '{name}'{nearest(name, PRESETS)}", ("spec", "cluster", "preset"))
    own = settings.model_dump(include=set(Preset.__dataclass_fields__), exclude_none=True)
    return replace(PRESETS[name], **own)


def _connect(site: Site) -> None:
    """Who calls whom."""
    mysql, rabbitmq, keystone = site.mysql, site.rabbitmq, site.keystone
    connect(keystone, mysql)
    for api in (site.placement, site.glance):
        connect(api, keystone, mysql)
    connect(site.neutron, keystone, mysql, rabbitmq, site.api)
    connect(site.api, keystone, mysql, rabbitmq, site.glance, site.neutron, site.placement, site.conductor)
    connect(site.conductor, rabbitmq, mysql, site.scheduler, site.placement)
    connect(site.scheduler, rabbitmq, mysql, site.placement)
    for compute in site.computes.values():
        connect(compute, rabbitmq, site.conductor, site.neutron, site.glance, site.placement)
        connect(site.conductor, compute)
