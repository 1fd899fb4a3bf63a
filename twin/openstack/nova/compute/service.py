"""The process nova-compute, one on each compute host."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from simpy.events import Event

from twin.mechanics import openstack as facts
from twin.node import Node
from twin.openstack.infrastructure.libvirt import Libvirt
from twin.openstack.nova.compute import logs
from twin.openstack.nova.compute.manager import ComputeManager
from twin.openstack.nova.exception import ComputeHostNotFound
from twin.openstack.nova.logs import PROVIDER_CREATED, SERVICE_VERSION_UNKNOWN, STARTING
from twin.openstack.nova.virt import logs as virt_logs
from twin.openstack.nova.virt.privsep import Privsep
from twin.openstack.oslo import logs as oslo_logs
from twin.openstack.oslo.context import Context, admin_context
from twin.openstack.oslo.frames import PERIODIC_ENTRY
from twin.openstack.oslo.messaging import Procedure
from twin.openstack.oslo.pool import Pool
from twin.openstack.oslo.reporting import AGENT_STATE, ReportingService
from twin.openstack.oslo.service import PROCESS_METRICS, Steps
from twin.openstack.site import Site
from twin.openstack.tables import Provider
from twin.telemetry.records import gauge

CELL0 = "00000000-0000-0000-0000-000000000000"
"""The cell of servers that found no host has the same id everywhere."""
STOPPED_DELAY = 15.0
"""Nova holds libvirt's Stopped back this long, lest a reboot look like an end (`_event_delayed`)."""


class NovaCompute(ReportingService):
    """nova-compute with libvirt on one host. The guests are libvirt's: its own death leaves them alone."""

    kind = "nova-compute"
    program = "nova-compute"
    metrics = (
        AGENT_STATE,
        gauge("openstack_nova_running_vms", "servers"),
        gauge("openstack_nova_memory_used_bytes", "bytes"),
        gauge("openstack_nova_vcpus_used", "cores"),
        *PROCESS_METRICS,
    )
    most_threads = math.inf

    def __init__(self, site: Site, name: str, place: Node, libvirt: Libvirt) -> None:
        super().__init__(site, name, place)
        self.topic = f"compute.{place.name}"
        self.libvirt = libvirt
        libvirt.on_event = self._lifecycle
        libvirt.on_close = self._connection_closed
        libvirt.on_open = self._connection_made
        self._connection_events: deque[tuple[bool, str | None]] = deque()
        self._connections = 0
        self._transitions: Counter[str] = Counter()
        """Events that libvirt has told of, by server."""
        self.builds = Pool(self.clock, facts.MAX_CONCURRENT_BUILDS)
        self.fetching: dict[str, Event] = {}
        """Images on their way into the cache."""
        self.privsep = Privsep(self)
        self.manager = manager = ComputeManager(self)
        self._procedures: dict[str, Procedure] = {
            "build_and_run_instance": manager.build_and_run_instance,
            "terminate_instance": manager.terminate_instance,
            "stop_instance": manager.stop_instance,
            "start_instance": manager.start_instance,
            "reboot_instance": manager.reboot_instance,
            "snapshot_instance": manager.snapshot_instance,
            "external_instance_event": manager.external_instance_event,
            "reserve_block_device_name": manager.reserve_block_device_name,
            "attach_volume": manager.attach_volume,
            "detach_volume": manager.detach_volume,
            "remove_volume_connection": manager.remove_volume_connection,
            "attach_interface": manager.attach_interface,
            "prep_resize": manager.prep_resize,
            "resize_instance": manager.resize_instance,
            "finish_resize": manager.finish_resize,
            "confirm_resize": manager.confirm_resize,
            "revert_resize": manager.revert_resize,
            "finish_revert_resize": manager.finish_revert_resize,
            "check_can_live_migrate_destination": manager.check_can_live_migrate_destination,
            "check_can_live_migrate_source": manager.check_can_live_migrate_source,
            "pre_live_migration": manager.pre_live_migration,
            "live_migration": manager.live_migration,
            "post_live_migration_at_destination": manager.post_live_migration_at_destination,
            "rollback_live_migration_at_destination": manager.rollback_live_migration_at_destination,
            "rebuild_instance": manager.rebuild_instance,
            "set_host_enabled": manager.set_host_enabled,
        }

    @property
    def procedures(self) -> Mapping[str, Procedure]:
        return self._procedures

    # --- the host ------------------------------------------------------------------------------------------------

    def host_work(self, context: Context, median: float) -> Steps:
        """Work of nova-compute's own threads and their helpers on the host's cores, seconds on an idle host."""
        yield from self.libvirt.disk.compute(context, median)

    def plug(self, port: str) -> None:
        """A tap device has been added to the integration bridge: the host's agent will find it."""
        self.site.dataplane.switches[self.node.name].plug(port)

    def unplug(self, port: str) -> None:
        """A tap device is gone."""
        self.site.dataplane.switches[self.node.name].unplug(port)

    def write_heartbeat(self, context: Context) -> Steps:
        yield from self.call(context, "conductor", "service_update", name=self.name)

    def _connection_closed(self, reason: int) -> None:
        """libvirt's connection broke: the host keeps servers away until it is back."""
        self._connection_event(False, virt_logs.CONNECTION_LOST.format(reason))

    def _connection_made(self) -> None:
        """The first call since then has connected anew: a periodic task, at the latest."""
        self._connection_event(True, None)

    def _connection_event(self, enabled: bool, reason: str | None) -> None:
        """nova.virt.libvirt.host.Host has a thread that handles them one after the other."""
        if not self.up:
            return
        self._connection_events.append((enabled, reason))
        if len(self._connection_events) == 1:
            self.spawn(self._dispatch_connection_events())

    def _dispatch_connection_events(self) -> Steps:
        while self._connection_events and self.up:  # the machine may have taken both of them
            enabled, reason = self._connection_events[0]
            self._connections += 1
            context = admin_context(self.world, self.name, "connection", self._connections)
            yield from self.manager.driver._handle_conn_event(context, enabled, reason)
            self._connection_events.popleft()

    def _lifecycle(self, uuid: str, transition: str) -> None:
        """libvirt's event, in a thread of its own; Stopped is held back."""
        if not self.up:
            return
        self._transitions[uuid] += 1
        context = admin_context(self.world, self.name, "lifecycle", uuid, self._transitions[uuid])
        if transition != "Stopped":
            self.spawn(self.manager.handle_lifecycle_event(context, uuid, transition))
            return
        pid = self.pid

        def later(_: Event) -> None:
            domain = self.libvirt.domains.get(uuid)
            if self.up and self.pid == pid and (domain is None or not domain.active):
                self.spawn(self.manager.handle_lifecycle_event(context, uuid, transition))

        self.clock.at(self.world.now + STOPPED_DELAY, later)

    # --- life ----------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        context = admin_context(self.world, self.name, self.pid, "start")
        self.say(virt_logs.VIF_PLUGINS, None, "linux_bridge, noop, ovs")
        for asker in (None, context):
            for _ in range(3):
                self.say(oslo_logs.RPC_CLIENT_DEPRECATED, asker)
        self.say(virt_logs.LOADING_DRIVER, context, self.manager.driver.real)
        self.say(logs.NO_PROVIDER_CONFIGS, context, "/etc/nova/provider_config/")
        if self.site.shared_configuration:
            self._ask_all_cells(context)
        came_up = yield from super().startup()
        while came_up and not self._conductor_answers():
            yield self.clock.timeout(10.0)
            self.say(logs.CONDUCTOR_WAIT, None)
        self.manager.driver.init_host()
        return came_up

    def _ask_all_cells(self, context: Context) -> None:
        """With the API's database in its configuration it asks for the oldest service of every cell by itself."""
        cells = (self.world.streams["openstack/cell"].uuid("cell1"), CELL0)
        for _ in cells:
            self.say(logs.NO_DATABASE_ACCESS, context, self.program)
        for cell in cells:
            self.say(SERVICE_VERSION_UNKNOWN, context, cell)

    def _conductor_answers(self) -> bool:
        return self.site.conductor.accepting and self.site.conductor.connected

    def on_running(self) -> None:
        self._offer()
        super().on_running()
        self.privsep.forget()
        self.manager.instance_events.clear()
        self.manager.rt.failed_builds = 0
        self.fetching.clear()
        manager = self.manager
        self._connection_events.clear()
        if self.world.now > 0:
            self.say(STARTING, None, "compute")
            context = admin_context(self.world, self.name, self.pid, "connected")
            self.spawn(manager.driver._set_host_enabled(context, True, None))
            self.spawn(self._initialised())
        self.spawn(
            self._periodic(
                "update_available_resource", manager.update_available_resource, facts.RESOURCE_AUDIT_INTERVAL
            )
        )
        self.spawn(self._periodic("_sync_power_states", manager.sync_power_states, facts.POWER_SYNC_INTERVAL))
        self.spawn(
            self._periodic(
                "_run_image_cache_manager_pass", manager.run_image_cache_manager_pass, self.site.image_cache_interval
            )
        )
        tracking, audit = manager.sync_scheduler_instance_info, manager.instance_usage_audit
        reaper = manager.cleanup_running_deleted_instances
        self.spawn(self._periodic("_cleanup_running_deleted_instances", reaper, facts.REAP_INTERVAL))
        self.spawn(self._periodic("_sync_scheduler_instance_info", tracking, facts.SCHEDULER_SYNC_INTERVAL))
        self.spawn(self._periodic("_instance_usage_audit", audit, facts.USAGE_AUDIT_INTERVAL))
        self.spawn(self._periodic("_heal_instance_info_cache", manager.heal_instance_info_cache, facts.HEAL_INTERVAL))

    def _offer(self) -> None:
        """What placement knows of this host, by the settings with which it was started."""
        node, name, providers = self.node, self.node.name, self.site.tables.providers
        ratio = min(facts.CPU_ALLOCATION_RATIO, self.value("cpu_allocation_ratio"))
        if name in providers:
            providers[name].vcpus = node.cores * ratio
            return
        providers[name] = provider = Provider(
            self.world.streams["placement/provider"].uuid(name),
            node.cores * ratio,
            node.memory / 2**20 * facts.RAM_ALLOCATION_RATIO - facts.RESERVED_MEMORY_MB,
            node.disk_size / 2**30 * facts.DISK_ALLOCATION_RATIO,
        )
        if self.world.now > 0:
            context = admin_context(self.world, self.name, self.pid, "new")
            self.say(logs.NO_NODE_RECORD, context, name, name, ComputeHostNotFound(host=name))
            self.say(logs.NODE_CREATED, context, name, name, provider.uuid)
            self.say(PROVIDER_CREATED, context, context.request.request, provider.uuid, name)

    def _initialised(self) -> Steps:
        context = admin_context(self.world, self.name, self.pid, "init")
        try:
            yield from self.manager.init_host(context)
        except Exception as error:
            self.unexpected(error)
            self.exception(logs.BUILD_UNEXPECTED, context, error)

    def _periodic(self, name: str, task: Callable[[Context], Steps], interval: float) -> Steps:
        """Run a periodic task; its phase belongs to the process."""
        phase = self.world.streams["openstack/periodic"].between(0.2, 1.0, self.name, self.pid, name)
        yield self.clock.timeout(interval * phase)
        tick = 0
        while True:
            tick += 1
            began = self.world.now
            context = admin_context(self.world, self.name, self.pid, name, tick)
            self.debug(oslo_logs.PERIODIC_RUNNING, context, f"ComputeManager.{name}")
            try:
                yield from task(context)
            except Exception as error:
                self.unexpected(error)
                self.exception(
                    oslo_logs.PERIODIC_FAILED, context, error, f"ComputeManager.{name}", entry=PERIODIC_ENTRY
                )
            yield self.clock.timeout(max(0.0, began + interval - self.world.now))

    # --- telemetry -----------------------------------------------------------------------------------------------

    @property
    def runnable_threads(self) -> float:
        return 0.1 + self.python.busy  # what builds want of the cores, libvirt's host accounts for

    def sample(self) -> Sequence[float]:
        nan = float("nan")
        nova: tuple[float, ...] = (nan, nan, nan, nan)
        tables = self.site.tables
        if self.site.answers_queries() and self.name in tables.services:
            offer = tables.providers[self.node.name]
            used = (facts.RESERVED_MEMORY_MB + offer.used_memory_mb) * 2.0**20
            nova = (self.site.agent_state(self.name), tables.count_on(self.node.name), used, offer.used_vcpus)
        return (*nova, *self.process_sample())
