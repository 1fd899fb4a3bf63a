"""A guest's inside: it boots, asks for an address, asks for its key, and then answers on port 22."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twin.mechanics import hypervisor as facts
from twin.openstack.infrastructure.sharing import Job, ProcessorSharing

if TYPE_CHECKING:
    from twin.world import World


class Network(Protocol):
    """What a guest needs of the data plane."""

    def answers_dhcp(self, port: str) -> bool:
        """Whether a discover from this port gets an offer now."""

    def answers_metadata(self, port: str) -> bool:
        """Whether 169.254.169.254 answers this port now."""


class GuestOS:
    """The operating system in one guest: a small cloud image (CirrOS).

    Boot is processor time on the host's cores; then DHCP discovers and requests to the metadata service, each at the
    time at which a real guest sends it, and judged by what the network is at that moment. A guest that got no address
    does not ask again until it is booted anew. Nothing else happens by itself: everything later is a question.
    """

    __slots__ = (
        "_boots",
        "_cores",
        "_job",
        "_life",
        "_network",
        "_port",
        "_world",
        "address_since",
        "booted",
        "has_key",
        "on_boot",
        "sshd_at",
        "uuid",
    )

    def __init__(self, world: World, uuid: str, cores: ProcessorSharing, network: Network | None, port: str) -> None:
        self._world = world
        self._cores = cores
        self._network = network
        self._port = port
        self._boots = 0
        self._life = 0
        self._job: Job | None = None
        self.uuid = uuid
        self.booted = False
        """Whether its kernel and init run."""
        self.address_since: float | None = None
        """When it got its lease, seconds."""
        self.has_key = False
        """Whether the tenant's key is on its disk; it stays there over a reboot."""
        self.sshd_at: float | None = None
        """From when on it listens on port 22."""
        self.on_boot = _nothing
        """Called when init begins to write to the disk."""

    @property
    def running(self) -> bool:
        """Whether its virtual processors have run since the last power-on."""
        return self._life > 0 and (self.booted or self._job is not None)

    def power_on(self) -> None:
        """Its first instruction."""
        self.power_off()
        self._boots += 1
        life = self._life
        work = self._world.streams["guest/boot"].lognormal(facts.KERNEL_BOOT, 0.06, self.uuid, self._boots)
        self._job = self._cores.job(work)
        assert self._job.done.callbacks is not None
        self._job.done.callbacks.append(lambda _: self._init(life))

    def settle(self) -> None:
        """It has been up for long: booted, with its address and its key."""
        self._life += 1
        self.booted = self.has_key = True
        self.address_since = self.sshd_at = self._world.now

    def power_off(self) -> None:
        """Its processors are gone, and what it held in memory."""
        self._life += 1
        if self._job is not None:
            self._cores.cancel(self._job)
        self._job = None
        self.booted = False
        self.address_since = self.sshd_at = None

    def moved(self, cores: ProcessorSharing) -> None:
        """It runs on another host's cores now."""
        self._cores = cores
        if self._job is not None:
            self.power_on()

    def lease_valid(self) -> bool:
        """Whether it has an address that it may still use; it renews as long as somebody answers."""
        if self.address_since is None:
            return False
        if self._world.now < self.address_since + facts.DHCP_LEASE or self._network is None:
            return True
        return self._network.answers_dhcp(self._port)

    # --- the boot ------------------------------------------------------------------------------------------------

    def _init(self, life: int) -> None:
        if life == self._life:
            self._job = None
            self.booted = True
            self.on_boot()
            if life == self._life:  # or the host had no room for what it wrote
                self._discover(life, 1)

    def _discover(self, life: int, attempt: int) -> None:
        if life != self._life:
            return
        now = self._world.now
        if self._network is None or self._network.answers_dhcp(self._port):
            self.address_since = now + facts.DHCP_SECONDS
            self._world.clock.at(self.address_since, lambda _: self._ask_metadata(life, 1))
        elif attempt < facts.DHCP_ATTEMPTS:
            self._world.clock.at(now + facts.DHCP_INTERVAL, lambda _: self._discover(life, attempt + 1))
        else:  # the metadata service cannot be asked either
            silence = facts.DHCP_INTERVAL + facts.METADATA_ATTEMPTS * facts.METADATA_INTERVAL
            self.sshd_at = now + silence + facts.SSHD_START

    def _ask_metadata(self, life: int, attempt: int) -> None:
        if life != self._life:
            return
        now = self._world.now
        if self._network is None or self._network.answers_metadata(self._port):
            self.has_key = True
            self.sshd_at = now + facts.METADATA_REQUESTS * facts.METADATA_SECONDS + facts.SSHD_START
        elif attempt < facts.METADATA_ATTEMPTS:
            self._world.clock.at(now + facts.METADATA_INTERVAL, lambda _: self._ask_metadata(life, attempt + 1))
        else:
            self.sshd_at = now + facts.SSHD_START


def _nothing() -> None:
    """Nobody wants to know."""
