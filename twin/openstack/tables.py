"""What nova's and placement's databases hold: servers, services, key pairs, and who has been promised which host.

Reading and writing costs statements (`oslo.service.Service.sql`); the rows are kept with the indices that the real
queries would use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from twin.mechanics import openstack as facts
from twin.mechanics.openstack import Flavor
from twin.openstack.migrations import Migration, Migrations

NOSTATE, RUNNING, PAUSED, SHUTDOWN, CRASHED = 0, 1, 3, 4, 6
"""nova.compute.power_state."""


@dataclass(slots=True)
class Server:
    """A row of nova's `instances`, with what hangs on it: request spec, network info cache, block device mapping."""

    uuid: str
    name: str
    user: str
    project: str
    flavor: Flavor
    image: str
    """Its image, or empty where it boots from a volume."""
    created: float
    vm_state: str = "building"
    task_state: str | None = "scheduling"
    host: str | None = None
    ports: list[str] = field(default_factory=list)
    """The network info cache."""
    own_ports: list[str] = field(default_factory=list)
    """Those of its ports that nova made, and will delete."""
    security_groups: list[str] = field(default_factory=list)
    """Names of the groups of its ports; none: the project's default."""
    volumes: dict[str, str] = field(default_factory=dict)
    """The block device mapping: volume -> attachment."""
    connections: dict[str, dict[str, str]] = field(default_factory=dict)
    """Its `connection_info`: volume -> what the host that the attachment is for needs to reach it."""
    boot_volume: str = ""
    key_name: str | None = None
    launched: float | None = None
    power_state: int = RUNNING
    """What the hypervisor last said."""
    fault: str = ""
    """Message of its last fault."""
    old_flavor: Flavor | None = None
    """What it was before a resize that nobody has confirmed."""
    old_host: str | None = None
    old_vm_state: str = ""
    migration_context: Migration | None = None
    """The move that it is claimed for on another host."""
    attempts: int = 0

    @property
    def status(self) -> str:
        """What the API calls its state (nova.api.openstack.common)."""
        tasks = STATUS.get(self.vm_state, {})
        return tasks.get(self.task_state or "", tasks.get("", "UNKNOWN"))

    def resources(self, flavor: Flavor | None = None) -> Flavor:
        """What it takes of a host with a flavor, its own by default: no disk where the root disk is a volume.

        nova.scheduler.utils.resources_from_flavor.
        """
        wanted = flavor or self.flavor
        return replace(wanted, disk_gb=0) if self.boots_from_volume else wanted

    @property
    def boots_from_volume(self) -> bool:
        """Whether its root disk is a volume."""
        return bool(self.boot_volume)


_REBUILDING = dict.fromkeys(("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"), "REBUILD")
_RESIZING = dict.fromkeys(("resize_prep", "resize_migrating", "resize_migrated", "resize_finish"), "RESIZE")
STATUS: dict[str, dict[str, str]] = {
    "building": {"": "BUILD"},
    "active": {
        "": "ACTIVE",
        "rebooting": "REBOOT",
        "reboot_pending": "REBOOT",
        "reboot_started": "REBOOT",
        "rebooting_hard": "HARD_REBOOT",
        "reboot_pending_hard": "HARD_REBOOT",
        "reboot_started_hard": "HARD_REBOOT",
        "migrating": "MIGRATING",
        **_REBUILDING,
        **_RESIZING,
    },
    "stopped": {"": "SHUTOFF", **_REBUILDING, **_RESIZING},
    "resized": {"": "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
    "error": {"": "ERROR", **_REBUILDING},
    "deleted": {"": "DELETED"},
}
"""vm_state -> task_state -> status; the empty task state stands for all others."""


@dataclass(slots=True)
class ServiceRow:
    """A row of nova's `services`: the heartbeat of one service on one host. Times in seconds."""

    binary: str
    host: str
    last_seen: float
    """By the clock of whoever wrote it."""
    disabled: bool = False
    disabled_reason: str = ""
    forced_down: bool = False

    def up(self, now: float) -> bool:
        """Whether nova takes it for alive, by the clock of whoever asks. The future counts as little as the past."""
        return not self.forced_down and abs(now - self.last_seen) <= facts.SERVICE_DOWN_TIME


@dataclass(slots=True)
class Provider:
    """A resource provider of placement: what a compute host offers, and what of it is promised."""

    uuid: str
    vcpus: float
    """Times the allocation ratio."""
    memory_mb: float
    disk_gb: float
    used_vcpus: float = 0.0
    used_memory_mb: float = 0.0
    used_disk_gb: float = 0.0
    disabled: bool = False
    """COMPUTE_STATUS_DISABLED."""

    def fits(self, flavor: Flavor) -> bool:
        """Whether there is room for one more."""
        return (
            self.used_vcpus + flavor.vcpus <= self.vcpus
            and self.used_memory_mb + flavor.memory_mb <= self.memory_mb
            and self.used_disk_gb + flavor.disk_gb <= self.disk_gb
        )

    def exceeded(self, flavor: Flavor) -> list[tuple[str, int, int, float]]:
        """What there is no room of for one more: resource class, how much is needed, used, and there in all."""
        rows = (
            ("VCPU", flavor.vcpus, int(self.used_vcpus), self.vcpus),
            ("MEMORY_MB", flavor.memory_mb, int(self.used_memory_mb), self.memory_mb),
            ("DISK_GB", flavor.disk_gb, int(self.used_disk_gb), self.disk_gb),
        )
        return [row for row in rows if row[1] + row[2] > row[3]]

    def use(self, flavor: Flavor, times: int = 1) -> None:
        """Promise room for a flavor, or give it back (-1)."""
        self.used_vcpus += times * flavor.vcpus
        self.used_memory_mb += times * flavor.memory_mb
        self.used_disk_gb += times * flavor.disk_gb


@dataclass
class Tables:
    """The rows. Insertion order is the order of the primary keys."""

    servers: dict[str, Server] = field(default_factory=dict)
    services: dict[str, ServiceRow] = field(default_factory=dict)
    """By component name."""
    providers: dict[str, Provider] = field(default_factory=dict)
    """By host."""
    failed_builds: dict[str, int] = field(default_factory=dict)
    """By host, as it was last written: `failed_builds` of the column `stats` of nova's `compute_nodes`."""
    allocations: dict[str, dict[str, Flavor]] = field(default_factory=dict)
    """Consumer (a server's uuid) -> host -> what it may use there."""
    migrations: Migrations = field(default_factory=Migrations)
    keypairs: dict[tuple[str, str], str] = field(default_factory=dict)
    """(user, name) -> fingerprint."""
    listeners: list[Callable[[Server, str], None]] = field(default_factory=list)
    """Called with a server and its status before, when that changed or the row went (then it is DELETED)."""
    _consumers: dict[str, dict[str, Flavor]] = field(default_factory=dict)
    _on: dict[str, dict[str, Server]] = field(default_factory=dict)
    _of: dict[str, dict[str, Server]] = field(default_factory=dict)

    # --- servers ----------------------------------------------------------------------------------------------

    def add(self, server: Server) -> None:
        """Insert a row."""
        self.servers[server.uuid] = server
        self._of.setdefault(server.project, {})[server.uuid] = server
        if server.host is not None:
            self._on.setdefault(server.host, {})[server.uuid] = server

    def update(self, server: Server, **changes: object) -> None:
        """Change columns of a row that is there."""
        before, host = server.status, server.host
        for column, value in changes.items():
            setattr(server, column, value)
        if server.uuid not in self.servers:
            return
        if server.host != host:
            if host is not None:
                self._on[host].pop(server.uuid, None)
            if server.host is not None:
                self._on.setdefault(server.host, {})[server.uuid] = server
        if server.status != before:
            self._tell(server, before)

    def remove(self, server: Server) -> None:
        """Delete a row."""
        if self.servers.pop(server.uuid, None) is None:
            return
        before = server.status
        server.vm_state, server.task_state = "deleted", None
        self._of[server.project].pop(server.uuid, None)
        if server.host is not None:
            self._on[server.host].pop(server.uuid, None)
        self._tell(server, before)

    def on(self, host: str) -> list[Server]:
        """The servers of a host, oldest first."""
        return list(self._on.get(host, {}).values())

    def count_on(self, host: str) -> int:
        """How many servers a host has."""
        return len(self._on.get(host, ()))

    def of(self, project: str) -> list[Server]:
        """The servers of a project, oldest first."""
        return list(self._of.get(project, {}).values())

    def _tell(self, server: Server, before: str) -> None:
        for listener in self.listeners:
            listener(server, before)

    # --- placement --------------------------------------------------------------------------------------------

    def free(self, host: str) -> tuple[float, float]:
        """Free vCPUs (overcommitted) and free memory in MB of a host, as placement counts."""
        provider = self.providers[host]
        return provider.vcpus - provider.used_vcpus, provider.memory_mb - provider.used_memory_mb

    def allocate(self, consumer: str, host: str, flavor: Flavor) -> bool:
        """Promise a host to a consumer, beside what it has; False where there is no room."""
        held = self.allocations.get(consumer, {})
        if host in held:
            return True
        provider = self.providers[host]
        if not provider.fits(flavor):
            return False
        provider.use(flavor)
        self._consumers.setdefault(host, {})[consumer] = flavor
        self.allocations.setdefault(consumer, held)[host] = flavor
        return True

    def release(self, consumer: str, host: str | None = None) -> bool:
        """Give back what a consumer has on a host, or everywhere; whether it had something."""
        held = self.allocations.get(consumer)
        if not held:
            return False
        for name in [host] if host is not None else list(held):
            flavor = held.pop(name, None)
            if flavor is not None:
                self.providers[name].use(flavor, -1)
                self._consumers[name].pop(consumer, None)
        if not held:
            del self.allocations[consumer]
        return True

    def consumers(self, host: str) -> list[str]:
        """Who has been promised something on a host, in the order of the promises."""
        return list(self._consumers.get(host, ()))
