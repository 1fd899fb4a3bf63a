"""What a compute host and its guests cost: image files, qemu, live migration, a guest's boot. Pure data and formulas.

Seconds of a host that does nothing else add up to the stages of a build and a deletion on CloudLab (FACTS section 7,
`twin.mechanics.openstack.BUILD` and `DESTROY`); how a stage splits into processor time and disk is assumed. Under load
cores and disk are shared, so the spread of stage times comes from who else builds at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twin.mechanics.openstack import SPREAD


@dataclass(frozen=True, slots=True)
class HostTimes:
    """One compute host: core seconds, bytes of its disk, and what its disk transfers. Seconds on an idle host.

    fetch + image + plug + start = 13.02 s, "Creating image" to "VM Started". On CloudLab the fetch is in every build:
    its image cache removes the base file a few seconds after each server, and passes in a build find none for 8.5 s.
    """

    driver: Literal["libvirt", "fake"] = "libvirt"
    """Nova's `compute_driver`."""
    scale: float = 1.0
    """How many times longer its cores and its disk take than CloudLab's host."""
    spread: float = SPREAD
    """Deviation of the logarithm of a service time."""
    disk_rate: float = 150e6
    """Bytes/s of the host's disk: one SATA drive (assumed)."""
    image_cpu: float = 0.50
    """qemu-img create and resize, growing the file system, configuration: core seconds of one build (assumed)."""
    image_bytes: float = 45e6
    """Written and read back while an instance's disk is made from its base file: 0.3 s (assumed)."""
    plug: float = 0.32
    """Adding the tap device to the integration bridge: ip, ovs-vsctl, os-vif's privileged helper."""
    start_cpu: float = 1.70
    """libvirt's definition, security profile, control groups, qemu until its monitor answers."""
    start_bytes: float = 270e6
    """Read while qemu starts: 1.8 s (assumed)."""
    pause: float = 0.067
    resume: float = 0.0125
    """Of 0.017 s from neutron's event to "VM Resumed"; the rest is the event's way through nova."""
    spawned: float = 0.008
    """Until nova has seen the guest run."""
    destroy: float = 0.215
    """SIGTERM to qemu until libvirt has reaped it."""
    unplug: float = 0.682
    undefine: float = 0.02
    attach: float = 0.45
    """device_add over qemu's monitor (assumed)."""
    detach: float = 1.2
    """device_del, and the guest's answer to it (assumed)."""
    info: float = 0.004
    """A call that asks and changes nothing (assumed)."""
    convert_cpu_per_byte: float = 4.0e-9
    """Core seconds of qemu-img convert for each byte (assumed: 250 MB/s on one core)."""

    @property
    def disk(self) -> float:
        """Bytes/s of the disk as it is."""
        return self.disk_rate / self.scale


HOSTS: dict[str, HostTimes] = {
    "cloudlab": HostTimes(),
    # The first of 758 builds under batch load, alone on its host: 5.19 s to spawn, against 19.72 s with an 8.4 s fetch.
    "devstack": HostTimes(scale=5.19 / (19.72 - 8.4)),
    # A recorded control plane without guests, beside other jobs: p90 over p50 of its API lines is 1.5, CloudLab's 1.2.
    "fake": HostTimes(driver="fake", spread=0.4),
    # CloudLab's host with a flash drive: what hosts have today (assumed).
    "nvme": HostTimes(disk_rate=1.5e9),
}
"""By profile: one set of uncontended times. "devstack" is "cloudlab" scaled once for the host, "nvme" the same on
another drive."""

PACES: dict[str, dict[str, float]] = {
    "fake": {
        "mysql": 0.5,
        "nova-api": 0.5,  # DELETE of a server: 0.14 s
        "glance-api": 0.2,  # GET of an image: 0.016 s
        "placement": 3.0,  # from the candidates to the claim: 0.10 s
        "nova-conductor": 8.5,  # from the acceptance to ACTIVE without a port: 1.16 s
        "neutron-server": 3.5,  # POST and PUT of a port: 0.39 and 0.65 s
    }
}
"""How much longer a service takes than its profile's scale says: those of the recorded control plane, each fitted on a
median of its own lines before the first fault and after the last."""

IMAGE_FORMAT_BYTES = 200e3
"""A fresh qcow2 overlay (assumed)."""
BOOT_WRITES = 30e6
"""What a guest writes to its disk while it boots (assumed: a small image)."""
ENOSPC_WITHIN = 30.0
"""Seconds within which a guest writes to a cluster its disk has not allocated yet: its journal commits every 5 s, not
always to new room (assumed)."""
START_OVERHEAD = 120e6
"""Resident bytes of a qemu process beside its guest's memory (assumed)."""

# --- libvirt -----------------------------------------------------------------------------------------------------

JOB_WAIT = 30.0
"""Seconds that a call waits for a domain's job before it fails (libvirt's QEMU_JOB_WAIT_TIME)."""
SYSTEMD_RESTART = 0.1
"""systemd's default RestartSec; libvirtd.service has Restart=on-failure."""
LIBVIRT_STARTUP = 1.5
"""Until it takes connections: it reconnects to every qemu (assumed)."""
LIBVIRT_RESIDENT = 60e6
"""Resident bytes of libvirtd (assumed)."""
ACPI_SHUTDOWN = 6.0
"""Seconds that a small guest takes from the power button to its end (assumed)."""
GUEST_IDLE_CPU = 0.02
"""Cores that a guest uses which does nothing (assumed)."""

# --- a guest's inside --------------------------------------------------------------------------------------------

KERNEL_BOOT = 7.0
"""Core seconds from the first instruction to the network scripts, on KVM (assumed: CirrOS)."""
DHCP_ATTEMPTS, DHCP_INTERVAL = 3, 60.0
"""CirrOS' udhcpc: three discovers a minute apart, then none any more ("cirros-ds 'net' up at 181" without a server)."""
DHCP_SECONDS = 0.06
"""Discover, offer, request, acknowledgement, when somebody answers (assumed)."""
DHCP_LEASE = 86400.0
"""Neutron's `dhcp_lease_duration`."""
METADATA_ATTEMPTS, METADATA_INTERVAL = 20, 10.0
"""CirrOS asks for its instance id 20 times, 10 s apart (assumed from consoles: 20 failures take about 200 s)."""
METADATA_REQUESTS = 6
"""Requests of one guest that gets answers: instance id, keys, host name, user data."""
METADATA_SECONDS = 0.24
"""An uncached answer (FACTS section 7: .22-.25 s)."""
SSHD_START = 1.5
"""From the metadata to a server on port 22: host keys are made (assumed)."""
SSH_SECONDS = 0.8
"""A login and one command (assumed)."""
SSH_TIMEOUT = 15.0
"""Seconds that a client waits for a connection that nobody answers (assumed; OpenSSH's ConnectTimeout is the
system's)."""

# --- live migration ----------------------------------------------------------------------------------------------

MIGRATION_DOWNTIME = 0.5
"""Nova's `live_migration_downtime`."""
MIGRATION_ROUNDS = 30
"""Rounds after which nobody expects it to end (assumed; qemu itself goes on)."""
MIGRATION_COMPLETION_PER_GIB = 800.0
"""Nova's `live_migration_completion_timeout`, seconds a GiB of memory (at least 2 GiB), then it is cancelled."""
WORKING_SET = 0.25
"""Share of its touched memory that a busy guest writes again and again (assumed)."""
IDLE_DIRTY_RATE = 2e6
"""Bytes/s that an idle guest makes dirty (assumed)."""
DIRTY_RATE_PER_CORE = 150e6
"""Bytes/s that each busy core makes dirty beyond that (assumed)."""


@dataclass(frozen=True, slots=True)
class Precopy:
    """What a pre-copy migration comes to. Rounds in seconds; the guest stands still during the last copy."""

    rounds: tuple[float, ...]
    downtime: float
    converged: bool


def precopy(
    touched: float, dirty_rate: float, bandwidth: float, allowed: float = MIGRATION_DOWNTIME, working_set: float = 0.0
) -> Precopy:
    """Iterative pre-copy of `touched` bytes at `bandwidth` while the guest makes `dirty_rate` bytes/s dirty.

    Each round sends what became dirty in the one before (at most the working set, where one is given); it ends when
    the rest can be sent within the allowed downtime. With the dirty rate below the bandwidth rounds shrink
    geometrically by their ratio; with it above, they do not, and the migration never ends by itself (Clark et al.,
    NSDI 2005).
    """
    rounds: list[float] = []
    rest = touched
    while rest / bandwidth > allowed and len(rounds) < MIGRATION_ROUNDS:
        seconds = rest / bandwidth
        rounds.append(seconds)
        rest = dirty_rate * seconds
        rest = min(rest, working_set) if working_set else min(rest, touched)
    return Precopy(tuple(rounds), rest / bandwidth, rest / bandwidth <= allowed)
