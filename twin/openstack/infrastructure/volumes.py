"""The storage behind cinder-volume: an LVM volume group exported by iSCSI, or a Ceph pool.

A program of its own on a storage machine (the target daemon, the OSDs). What cinder's drivers do to it are generators
that take its time; what they meet when it is full, slow or away is what the real commands meet.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from twin.components import Component
from twin.mechanics import storage as facts
from twin.mechanics.layers import Layer
from twin.mechanics.openstack import STAGE_SPREAD
from twin.node import Node
from twin.openstack.infrastructure.errors import ProcessExecutionError, RbdError, VolumeDeviceNotFound
from twin.openstack.infrastructure.iscsi import REPLACEMENT_TIMEOUT, Initiator
from twin.openstack.infrastructure.sharing import ProcessorSharing, Steps
from twin.openstack.oslo.context import Context, draw
from twin.process import Process
from twin.telemetry.records import Level, LogTemplate, gauge

if TYPE_CHECKING:
    from twin.world import World

LOW_WATER = LogTemplate(
    "kernel.thin-low",
    "kernel",
    Level.WARNING,
    "kernel",
    "device-mapper: thin: 253:2: reached low water mark for data device: sending event.",
)
OUT_OF_DATA = LogTemplate(
    "kernel.thin-full",
    "kernel",
    Level.WARNING,
    "kernel",
    "device-mapper: thin: 253:2: switching pool to out-of-data-space (queue IO) mode",
)

LVM_METRICS = (gauge("lvm_vg_total_size_bytes", "bytes", None), gauge("lvm_vg_free_bytes", "bytes", None))
"""Names of the LVM exporters."""
CEPH_METRICS = (
    gauge("ceph_health_status", "", None),
    gauge("ceph_cluster_total_bytes", "bytes", None),
    gauge("ceph_cluster_total_used_bytes", "bytes", None),
)
"""Names of Ceph's manager module for Prometheus; health is 0 (OK), 1 (warning) or 2 (error)."""

ROOT = "sudo cinder-rootwrap /etc/cinder/rootwrap.conf env LC_ALL=C"


@dataclass(slots=True)
class Stored:
    """One volume or snapshot on the backend. Bytes; `used` is what it holds, less than its size where thin."""

    size: float
    used: float
    exported: bool = False
    users: dict[str, Node] = field(default_factory=dict)
    """Machines that are logged in to it, or have it mapped."""


class VolumeBackend(Process):
    """One pool of block storage, by `flavor`: a thin or thick LVM volume group with LIO targets, or a Ceph pool.

    Raises, as cinder's drivers see it: ProcessExecutionError out of lvcreate, lvextend and lvremove (`lvm`), RbdError
    (`ceph`), VolumeDeviceNotFound where a machine gets no device of a volume. Conditions: `service_time` (slow),
    `backend_taken` (full), `target_down`; a slow disk of its machine slows it too.
    """

    kind: ClassVar[str] = "volume-backend"
    layers = frozenset({*Process.layers, Layer.DATA})
    program = "target"

    def __init__(
        self,
        world: World,
        name: str,
        place: Node,
        size: float = 500 * facts.GIB,
        flavor: Literal["lvm", "ceph"] = "lvm",
        thin: bool = True,
        group: str = "cinder-volumes",
    ) -> None:
        super().__init__(world, name, place)
        self.node = place
        self.size = size
        self.flavor = flavor
        self.thin = thin
        self.group = group
        self.times = facts.LVM if flavor == "lvm" else facts.CEPH
        self.metrics = LVM_METRICS if flavor == "lvm" else CEPH_METRICS
        self.queue = ProcessorSharing(world.clock, self.times.rate)
        self.stored: dict[str, Stored] = {}
        """Volumes and snapshots by id."""
        self._initiators: dict[str, Initiator] = {}
        self._used = 0.0
        self._warned = 0
        self._away = False

    # --- room ----------------------------------------------------------------------------------------------------

    @property
    def free(self) -> float:
        """Bytes left in the pool."""
        taken = self.value("backend_taken")
        return max(0.0, (self.size - self._used) * (1.0 - taken))

    @property
    def full(self) -> bool:
        """Whether it takes nothing more."""
        return self.free < facts.EXTENT

    def capacity(self) -> tuple[float, float, float]:
        """Total, free and provisioned GiB, as the driver reports them to the scheduler."""
        provisioned = sum(stored.size for stored in self.stored.values())
        return (self.size / facts.GIB, math.floor(100 * self.free / facts.GIB) / 100, provisioned / facts.GIB)

    def _take(self, identity: str, size: float, used: float) -> None:
        stored = self.stored.get(identity)
        if stored is None:
            stored = self.stored[identity] = Stored(0.0, 0.0)
        stored.size += size
        stored.used += used
        self._used += used
        self._watch()

    def _watch(self) -> None:
        """The kernel's word on a thin pool that fills up."""
        used = 1.0 - self.free / self.size
        level = (used >= facts.LOW_WATER) + self.full
        if self.flavor == "lvm" and self.thin:
            for step in range(self._warned, level):
                self.node.log((LOW_WATER, OUT_OF_DATA)[step])
        self._warned = level

    # --- what a driver does --------------------------------------------------------------------------------------

    def create(self, context: Context, volume: str, gigabytes: float) -> Steps:
        """A new, empty volume."""
        yield from self._ready()
        size = gigabytes * facts.GIB
        if size <= 0.0:
            raise self._senseless(volume, gigabytes)
        self._room(f"volume-{volume}", size)
        yield from self._work(context, self.times.create)
        self._take(volume, size, 0.0 if self.thin or self.flavor == "ceph" else size)

    def create_from_image(self, context: Context, volume: str, gigabytes: float, image_bytes: float) -> Steps:
        """A new volume with an image in it: written in full, or cloned where the backend can."""
        yield from self.create(context, volume, gigabytes)
        yield from self.write(context, volume, image_bytes if self.times.copies else 0.0)

    def create_from(self, context: Context, volume: str, gigabytes: float, source: str) -> Steps:
        """A new volume with the contents of a volume or snapshot. Raises KeyError where that is not there."""
        held = self.stored[source].used
        yield from self.create(context, volume, gigabytes)
        yield from self.write(context, volume, held if self.times.copies else 0.0)

    def write(self, context: Context, volume: str, size: float) -> Steps:
        """Write `size` bytes into a volume."""
        if size <= 0.0:
            return
        if self.flavor == "lvm" and self.thin and size > self.free:
            raise ProcessExecutionError(
                f"{ROOT} qemu-img convert -O raw -t none -f raw {volume} /dev/{self.group}/volume-{volume}",
                1,
                "qemu-img: error while writing at byte 0: No space left on device\n",
            )
        self.set_speed()
        yield from self.queue.run(draw(self.world, context, size, STAGE_SPREAD))
        if self.thin or self.flavor == "ceph":
            self._take(volume, 0.0, size)

    def snapshot(self, context: Context, snapshot: str, volume: str) -> Steps:
        """A snapshot of a volume. Raises KeyError where the volume is not there."""
        yield from self._ready()
        size = self.stored[volume].size
        own = 0.0 if self.thin or self.flavor == "ceph" else size
        self._room(f"_snapshot-{snapshot}", own, volume)
        yield from self._work(context, self.times.snapshot)
        self._take(snapshot, size, own)

    def extend(self, context: Context, volume: str, gigabytes: float) -> Steps:
        """Let a volume grow to a size. Raises KeyError where it is not there."""
        yield from self._ready()
        more = gigabytes * facts.GIB - self.stored[volume].size
        if more <= 0.0 and self.flavor == "lvm":
            old, new = (int(size // facts.EXTENT) for size in (self.stored[volume].size, gigabytes * facts.GIB))
            text = f"  New size given ({new} extents) not larger than existing size ({old} extents)\n"
            raise ProcessExecutionError(f"{ROOT} lvextend -L {gigabytes:g}g {self.group}/volume-{volume}", 5, text)
        own = 0.0 if self.thin or self.flavor == "ceph" else more
        if self.full or own > self.free:
            if self.flavor == "ceph":
                raise _no_space("error resizing image")
            needed, left = int(more // facts.EXTENT), int(self.free // facts.EXTENT)
            raise ProcessExecutionError(
                f"{ROOT} lvextend -L {gigabytes:g}g {self.group}/volume-{volume}",
                5,
                f"  Insufficient free space: {needed} extents needed, but only {left} available\n",
            )
        yield from self._work(context, self.times.extend)
        self._take(volume, more, own)

    def delete(self, context: Context, identity: str) -> Steps:
        """Remove a volume or snapshot; a thick one is overwritten with zeros first (`volume_clear`).

        Raises KeyError where there is none, ProcessExecutionError or RbdError while a machine uses it.
        """
        yield from self._ready()
        stored = self.stored[identity]
        if self._in_use(identity, stored):
            if self.flavor == "ceph":
                raise RbdError("ImageBusy", "[errno 16] RBD image is busy (error removing image)")
            raise ProcessExecutionError(
                f"{ROOT} lvremove --config activation {{ retry_deactivation = 1}} -f {self.group}/volume-{identity}",
                5,
                f"  Logical volume {self.group}/volume-{identity} in use.\n",
            )
        if self.flavor == "lvm" and not self.thin:
            self.set_speed()
            yield from self.queue.run(stored.size * self.times.rate / facts.VOLUME_CLEAR_RATE)
        yield from self._work(context, self.times.remove)
        if self.stored.pop(identity, None) is not None:
            self._used -= stored.used
            self._watch()

    # --- targets and machines ------------------------------------------------------------------------------------

    def export(self, context: Context, volume: str) -> Steps:
        """Make a volume known to the target. Raises KeyError where it is not there."""
        yield from self._ready()
        stored = self.stored[volume]
        yield from self._work(context, self.times.export)
        stored.exported = True

    def remove_export(self, context: Context, volume: str) -> Steps:
        """Take a volume from the target. Nothing where it is not there."""
        yield from self._work(context, self.times.export)
        if volume in self.stored:
            self.stored[volume].exported = False

    def shut_out(self, volume: str, machine: str) -> None:
        """Take a machine's initiator off a target's list: a session that it has ends. Nothing where it has none."""
        stored = self.stored.get(volume)
        user = stored.users.pop(machine, None) if stored is not None else None
        if user is not None and self.flavor == "lvm":
            self.initiator(user).lost(volume)

    def connect(self, context: Context, machine: Node, volume: str) -> Steps:
        """What os-brick does on a machine: log in, wait for the device; return its path.

        Raises VolumeDeviceNotFound after the initiator's tries (120 s) where the target does not answer.
        """
        stored = self.stored.get(volume)
        if not self.answers(machine) or stored is None or (not stored.exported and self.flavor == "lvm"):
            yield self.world.clock.timeout(facts.LOGIN_TIMEOUT)
            raise VolumeDeviceNotFound(device=self.device(volume))
        yield from self._work(context, self.times.login)
        stored.users[machine.name] = machine
        if self.flavor == "lvm":
            self.initiator(machine).log_in(volume, stored.size)
        return self.device(volume)

    def disconnect(self, context: Context, machine: Node, volume: str) -> Steps:
        """Flush the device and log out. Nothing where there is no session."""
        yield from self._work(context, self.times.logout)
        if volume in self.stored:
            self.stored[volume].users.pop(machine.name, None)
        if self.flavor == "lvm":
            self.initiator(machine).log_out(volume)

    def initiator(self, machine: Node) -> Initiator:
        """The iSCSI initiator of a machine."""
        return self._initiators.setdefault(machine.name, Initiator(machine))

    def serves(self, machine: Node, volume: str) -> bool:
        """Whether a guest on a machine can read and write a volume that is attached to it."""
        stored = self.stored.get(volume)
        return stored is not None and machine.name in stored.users and self.answers(machine)

    def answers(self, machine: Component) -> bool:
        """Whether a machine reaches the target now."""
        return self.up and not self.value("target_down") and self.world.network.reachable(machine, self)

    def device(self, volume: str) -> str:
        """Path of a connected volume's device."""
        if self.flavor == "ceph":
            return f"/dev/rbd/volumes/volume-{volume}"
        portal = f"ip-{self.node.name}:3260-iscsi"
        return f"/dev/disk/by-path/{portal}-iqn.2010-10.org.openstack:volume-{volume}-lun-0"

    # --- inside --------------------------------------------------------------------------------------------------

    def _work(self, context: Context, seconds: float) -> Steps:
        """Metadata work: commands that touch little data, as slow as the backend is."""
        if seconds > 0.0:
            slow = self.value("service_time") * self.node.value("disk_slowdown") * self.node.slowdown
            yield self.world.clock.timeout(draw(self.world, context, seconds, STAGE_SPREAD) * slow)

    def set_speed(self) -> None:
        """Take over how slow the pool is now."""
        self.queue.set_load(0.0, 1.0 / (self.value("service_time") * self.node.value("disk_slowdown")))

    def _ready(self) -> Steps:
        """LVM answers as long as its machine does; Ceph's monitors must answer."""
        if self.flavor == "ceph" and not (self.up and not self.value("target_down")):
            yield self.world.clock.timeout(facts.COMMAND_TIMEOUT)
            raise RbdError("ObjectNotFound", "[errno 110] RADOS timed out (error connecting to the cluster)")

    def _senseless(self, volume: str, gigabytes: float) -> ProcessExecutionError | RbdError:
        """What a size of nothing or less is answered with."""
        if self.flavor == "ceph":
            return RbdError("InvalidArgument", f"[errno 22] RBD invalid argument (error creating image {volume})")
        flag, option = ("-T -V", "--virtualsize") if self.thin else ("-L", "--size")
        kind = "zero" if gigabytes == 0 else "negative"
        command = f"{ROOT} lvcreate {flag} {gigabytes:g}g -n volume-{volume} {self.group}"
        return ProcessExecutionError(command, 3, f"  {option} may not be {kind}.\n")

    def _room(self, name: str, size: float, origin: str = "") -> None:
        """Raise what the command that makes `name` prints where the pool has no room."""
        if not self.full and (self.thin or self.flavor == "ceph" or size <= self.free):
            return
        if self.flavor == "ceph":
            raise _no_space("error creating image")
        if self.thin:
            pool = f"{self.group}/{self.group}-pool"
            what = f"--name {name} -k y --snapshot {self.group}/volume-{origin}" if origin else f"-n {name} {pool}"
            flags = "" if origin else f"-T -V {size / facts.GIB:g}g "
            text = f"  Cannot create new thin volume, free space in thin pool {pool} reached threshold.\n"
            raise ProcessExecutionError(f"{ROOT} lvcreate {flags}{what}", 5, text)
        needed, left = math.ceil(size / facts.EXTENT), int(self.free // facts.EXTENT)
        text = f'  Volume group "{self.group}" has insufficient free space ({left} extents): {needed} required.\n'
        raise ProcessExecutionError(f"{ROOT} lvcreate -n {name} {self.group} -L {size / facts.GIB:g}g", 5, text)

    # --- life ----------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.world.clock.timeout(2.0)  # the target's saved configuration is restored (assumed)
        return True

    def restart_delay(self) -> float | None:
        return 1.0

    def on_down(self, reason: str) -> None:
        self._went_away()

    def on_running(self) -> None:
        self._away = bool(self.value("target_down"))

    def _went_away(self) -> None:
        """Sessions break; what waits for them fails when the initiators give up."""
        if self._away or self.flavor != "lvm":
            return
        self._away = True
        for volume, stored in self.stored.items():
            for machine in stored.users.values():
                outage = self.initiator(machine).lost(volume)
                if outage:
                    self._give_up_later(machine, volume, outage)

    def _give_up_later(self, machine: Node, volume: str, outage: int) -> None:
        def give_up(_: object) -> None:
            if not self.answers(machine):
                self.initiator(machine).given_up(volume, outage)

        self.world.clock.at(self.world.now + REPLACEMENT_TIMEOUT, give_up)

    def _in_use(self, identity: str, stored: Stored) -> bool:
        """Whether somebody holds the device open: a session of a machine that has booted since is gone."""
        if self.flavor == "lvm":
            for name, machine in list(stored.users.items()):
                if identity not in self.initiator(machine).sessions:
                    del stored.users[name]
        return bool(stored.users)

    def conditions_changed(self) -> None:
        super().conditions_changed()
        if self.value("target_down"):
            self._went_away()
        elif self.up:
            self._away = False
        self.set_speed()
        self._watch()

    def sample(self) -> Sequence[float]:
        if self.flavor == "lvm":
            return (self.size, self.free)
        used = self.size - self.free
        health = 2.0 if self.full else 1.0 if used >= facts.LOW_WATER * self.size else 0.0
        return (health, self.size, used)


def _no_space(what: str) -> RbdError:
    return RbdError("OSError", f"[errno 28] RBD no space left on device ({what})")
