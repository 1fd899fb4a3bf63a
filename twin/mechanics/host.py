"""Host mechanics: how contention for memory and cores slows the work of a node, and what its disk does.

Cores. Threads that want to run share the cores evenly, as CFS does with equal weights; a pod's control group never
runs on more cores than its limit (quota per 100 ms), which its threads share in the same way. A thread that sleeps most
of the time gets its core at once on a real kernel, so this is the upper end. What it does to an engine follows: the
host's time of a step hides behind the GPU's until it is longer. 16 stressors in a pod of 8 cores make the host's part
of a step 2.2 times longer, and a step of 30 ms on the GPU does not change.
"""

from __future__ import annotations

MEMORY_KNEE = 0.90
"""Share of memory in use above which the kernel reclaims page cache and executable pages (assumed; kswapd starts at the
low watermark, a few per cent of free memory)."""

MEMORY_SLOWDOWN = 6.0
"""How many times slower host work is at 100 % of memory than at the knee (assumed: refaults from disk dominate)."""

MAJOR_FAULTS_PER_SECOND = 20_000.0
"""Major faults a second at 100 % of memory (assumed: one NVMe drive's random reads of 4 KiB at a queue depth of 2)."""

DISK_SIZE = 480.0e9
"""Bytes of a node's file system (assumed)."""

DISK_USED = 150.0e9
"""Bytes of it that system, images, weights and logs hold (assumed)."""

UNUSED_IMAGES = 24.0e9
"""Bytes of images that no container uses, which the kubelet's garbage collection can free (assumed: two older releases
of a serving image)."""

DISK_BYTES_PER_SECOND = 1.0e9
"""Sequential reads of one NVMe drive with decompression (assumed)."""

READ_SIZE = 131_072.0
"""Bytes of one read of a large file: Linux' default read-ahead window of 128 KiB."""

LEAST_FREE = 1.0e6
"""Bytes below which a write to the disk fails."""

USER_SHARE = 0.85
"""Share of busy time that is user mode (assumed; the rest is the kernel's)."""

PACKET_BYTES = 700.0
"""Mean bytes of a packet (assumed: half are full segments, half acknowledgements)."""

IDLE_BYTES_PER_SECOND = 20e3
"""Traffic of a node without requests, each way: scrapes, health checks, leases (assumed)."""


def stressor_bytes(size: float, growth: float, elapsed: float) -> float:
    """Resident bytes of a memory stressor `elapsed` seconds after its start: linear growth (bytes/s) up to `size`."""
    return min(size, growth * elapsed) if growth > 0 else size


def thrashing(memory_share: float) -> float:
    """How far memory is used up, from 0 at the knee to 1 where nothing is left."""
    return max(0.0, (min(memory_share, 1.0) - MEMORY_KNEE) / (1.0 - MEMORY_KNEE))


def host_slowdown(memory_share: float, runnable_per_core: float) -> float:
    """Factor on the duration of host work: processor sharing among runnable threads, times reclaim near full memory."""
    return max(1.0, runnable_per_core) * (1.0 + thrashing(memory_share) * (MEMORY_SLOWDOWN - 1.0))


def read_seconds(size: float, disk_slowdown: float, latency: float) -> float:
    """Seconds to read a large file of `size` bytes from disk, each read `latency` seconds later than usual."""
    return size / DISK_BYTES_PER_SECOND * disk_slowdown + size / READ_SIZE * latency
