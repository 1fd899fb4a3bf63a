"""The disk of a compute host: base files, instances' disks, and what making them costs."""

from __future__ import annotations

from twin.mechanics import hypervisor as facts
from twin.mechanics.host import LEAST_FREE
from twin.mechanics.openstack import STAGE_SPREAD
from twin.node import Node
from twin.openstack.infrastructure.errors import NoSpaceLeft, ProcessExecutionError
from twin.openstack.infrastructure.sharing import ProcessorSharing, Steps
from twin.openstack.oslo.context import Context, draw

INSTANCES = "/var/lib/nova/instances"


class HostDisk:
    """`/var/lib/nova/instances` of one host: files by path, on the node's file system and its one disk.

    Everything here takes host time: bytes over a disk that is shared by who reads and writes at the moment (and slower
    under the condition `disk_slowdown`), and core seconds over the cores. Calls are generators. Writing raises
    NoSpaceLeft (OSError, errno 28) or, by qemu-img, ProcessExecutionError where the disk has no room.
    """

    def __init__(self, node: Node, cores: ProcessorSharing, times: facts.HostTimes) -> None:
        self.node = node
        self.world = node.world
        self.cores = cores
        self.times = times
        self.queue = ProcessorSharing(node.world.clock, times.disk)
        """Bytes/s of the drive, shared."""
        self.files: dict[str, float] = {}
        """Bytes allocated by path."""
        self.base_files: dict[str, float] = {}
        """The image cache (`_base`): image -> when it was made complete, seconds."""
        self.written = self.read = 0.0
        """Bytes so far."""

    # --- room ----------------------------------------------------------------------------------------------------

    @property
    def free(self) -> float:
        """Bytes left on the file system."""
        return self.node.disk_available

    @property
    def full(self) -> bool:
        """Whether writes fail."""
        return self.node.disk_full

    def allocate(self, path: str, size: float) -> None:
        """Let a file grow by `size` bytes. Raises NoSpaceLeft; then nothing has grown."""
        if self.free - size < LEAST_FREE:
            raise NoSpaceLeft(path)
        self.files[path] = self.files.get(path, 0.0) + size
        self.node.disk_freed -= size

    def remove(self, path: str) -> None:
        """Delete a file, or a folder with all its files. Nothing where there is none."""
        for name in [name for name in self.files if name == path or name.startswith(f"{path}/")]:
            self.node.disk_freed += self.files.pop(name)

    def holds(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self.files

    def used_by(self, path: str) -> float:
        """Bytes of a file, or of all files in a folder."""
        return sum(size for name, size in self.files.items() if name == path or name.startswith(f"{path}/"))

    # --- work ----------------------------------------------------------------------------------------------------

    def compute(self, context: Context, seconds: float, spread: float = STAGE_SPREAD) -> Steps:
        """Core seconds (CloudLab's) of one thread on the host: qemu-img, libvirt, ip, ovs-vsctl."""
        yield from self.cores.run(draw(self.world, context, seconds, spread))

    def transfer(self, context: Context, size: float, spread: float = STAGE_SPREAD, write: bool = True) -> Steps:
        """Read or write so many bytes."""
        size = draw(self.world, context, size, spread)
        if write:
            self.written += size
        else:
            self.read += size
            self.node.read(size, size / self.times.disk)
        self.set_speed()
        yield from self.queue.run(size)

    def set_speed(self) -> None:
        """Take over how slow the drive is now, and what guests make it do."""
        self.queue.set_load(self.streams, 1.0 / self.node.value("disk_slowdown"))

    streams: float = 0.0
    """Guests that keep the disk busy all the time."""

    # --- images --------------------------------------------------------------------------------------------------

    def has_base(self, image: str) -> bool:
        """Whether the image is in the cache."""
        return image in self.base_files

    def base_path(self, image: str) -> str:
        """Where the cached image lies: nova names it by the SHA-1 of its id."""
        return f"{INSTANCES}/_base/{self.world.streams['openstack/image'].hexadecimal(40, image)}"

    def store_base(self, context: Context, image: str, size: float) -> Steps:
        """Write a downloaded image to `_base` and convert it to raw, as the first build of an image does.

        Raises NoSpaceLeft while the download is written, ProcessExecutionError out of qemu-img.
        """
        path = self.base_path(image)
        part = f"{path}.part"
        self.remove(part)
        self.allocate(part, size)
        try:
            yield from self.transfer(context, size)
            yield from self.convert(context, part, f"{path}.converted", size)
        except ProcessExecutionError:
            self.remove(part)
            raise
        self.remove(part)
        if f"{path}.converted" in self.files:
            self.files[path] = self.files.pop(f"{path}.converted")
        self.base_files[image] = self.world.now

    def convert(self, context: Context, source: str, target: str, size: float) -> Steps:
        """`qemu-img convert`: read and write `size` bytes. Raises ProcessExecutionError."""
        try:
            self.allocate(target, size)
        except NoSpaceLeft:
            self.remove(target)
            offset = int(max(0.0, self.free) // 2**20 * 2**20)
            raise ProcessExecutionError(
                f"qemu-img convert -t none -O raw -f qcow2 {source} {target}",
                1,
                f"qemu-img: error while writing at byte {offset}: No space left on device\n",
            ) from None
        yield from self.transfer(context, size, write=False)
        yield from self.compute(context, size * self.times.convert_cpu_per_byte)
        yield from self.transfer(context, size)

    def remove_base(self, image: str) -> None:
        """Delete an image from the cache."""
        self.base_files.pop(image, None)
        self.remove(self.base_path(image))

    def create_disk(self, context: Context, uuid: str, gigabytes: int, image: str | None = None) -> Steps:
        """An instance's disk as an overlay of its base file: "Creating image" without what libvirt does after it.

        Raises ProcessExecutionError where qemu-img finds no room.
        """
        path = f"{INSTANCES}/{uuid}/disk"
        times = self.times
        try:
            self.allocate(path, facts.IMAGE_FORMAT_BYTES)
        except NoSpaceLeft:
            backing = f"-o backing_file={self.base_path(image)},backing_fmt=raw " if image is not None else ""
            raise ProcessExecutionError(
                f"qemu-img create -f qcow2 {backing}{path} {gigabytes * 2**30}",
                1,
                f"qemu-img: {path}: Could not write qcow2 header: No space left on device\n",
            ) from None
        yield from self.compute(context, times.image_cpu)
        yield from self.transfer(context, times.image_bytes)

    def delete_instance(self, uuid: str) -> None:
        """Remove the instance's folder."""
        self.remove(f"{INSTANCES}/{uuid}")


def copy_instance(context: Context, source: HostDisk, target: HostDisk, uuid: str) -> Steps:
    """Copy an instance's folder to another host, as a cold migration does without shared storage; return its bytes.

    As fast as the slower of both disks and the network. Raises ProcessExecutionError where the other host does not
    answer or its disk has no room; nothing of the copy is left there then.
    """
    world, host = source.world, target.node.name
    yield from reach(source, target, uuid)
    path = f"{INSTANCES}/{uuid}"
    files = {name: size for name, size in source.files.items() if name.startswith(f"{path}/")}
    size = sum(files.values())
    try:
        for name, part in files.items():
            target.allocate(name, part)
    except NoSpaceLeft as error:
        target.remove(path)
        raise ProcessExecutionError(
            f"rsync --compress {path}/disk {host}:{path}/disk",
            11,
            f'rsync: [receiver] write failed on "{path}/disk": No space left on device (28)\n'
            "rsync error: error in file IO (code 11) at receiver.c(378) [receiver=3.2.3]\n",
        ) from error
    source.set_speed()
    target.set_speed()
    network = world.network.transfer_seconds(source.node, target.node, size)
    began = world.now
    reading, writing = source.queue.job(size), target.queue.job(size)
    try:
        yield reading.done & writing.done
    finally:
        source.queue.cancel(reading)
        target.queue.cancel(writing)
    source.read += size
    target.written += size
    rest = began + draw(world, context, network, STAGE_SPREAD) - world.now
    if rest > 0:
        yield world.clock.timeout(rest)
    return size


def reach(source: HostDisk, target: HostDisk, uuid: str) -> Steps:
    """Make an instance's folder on another host through ssh. Raises ProcessExecutionError where it does not answer."""
    world, host = source.world, target.node.name
    if not world.network.reachable(source.node, target.node):
        yield world.clock.timeout(CONNECT_TIMEOUT)
        text = f"ssh: connect to host {host} port 22: Connection timed out\n"
        raise ProcessExecutionError(f"ssh -o BatchMode=yes {host} mkdir -p {INSTANCES}/{uuid}", 255, text)


CONNECT_TIMEOUT = 127.0
"""Seconds until Linux gives up a TCP connection that nobody answers (tcp_syn_retries 6)."""
