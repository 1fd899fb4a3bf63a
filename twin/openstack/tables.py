"""What the databases hold: servers, services and allocations. Reading and writing costs statements (`mysql.MySQL`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.mechanics import openstack as facts


@dataclass(slots=True)
class Server:
    """A row of nova's `instances`."""

    number: int
    uuid: str
    user: str
    project: str
    created: float
    status: str = "BUILD"
    """BUILD, ACTIVE, ERROR or SHUTOFF."""
    task: str = "scheduling"
    host: str | None = None
    port: str = ""
    attempts: int = 0


@dataclass(slots=True)
class ServiceRow:
    """A row of nova's `services`: the heartbeat of one service on one host. Times in seconds."""

    binary: str
    host: str
    last_seen: float
    disabled: bool = False

    def up(self, now: float) -> bool:
        """Whether nova takes it for alive."""
        return now - self.last_seen <= facts.SERVICE_DOWN_TIME


@dataclass(slots=True)
class Provider:
    """A resource provider of placement: what a compute host offers."""

    vcpus: float
    memory_mb: float


@dataclass
class Tables:
    """The rows that matter here. Insertion order is the order of the primary keys."""

    servers: dict[str, Server] = field(default_factory=dict)
    services: dict[str, ServiceRow] = field(default_factory=dict)
    """By component name."""
    providers: dict[str, Provider] = field(default_factory=dict)
    """By host."""
    allocations: dict[str, str] = field(default_factory=dict)
    """Server uuid -> host."""

    def free(self, host: str) -> tuple[float, float]:
        """Free vCPUs (overcommitted) and free memory in MB of a host, as placement counts."""
        provider = self.providers[host]
        taken = sum(1 for h in self.allocations.values() if h == host)
        return provider.vcpus - taken * facts.FLAVOR_VCPUS, provider.memory_mb - taken * facts.FLAVOR_MEMORY_MB

    def on(self, host: str) -> list[Server]:
        """The servers of a host, oldest first."""
        return [server for server in self.servers.values() if server.host == host]
