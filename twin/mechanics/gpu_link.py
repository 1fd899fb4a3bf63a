"""Links of a GPU to its peers and to its host."""

from __future__ import annotations

from twin.mechanics.hardware import Gpu

NVLINK_BYTES = 25e9
"""Bytes/s of one NVLink in one direction (NVLink 3 and 4: 600 GB/s over 12 links and 900 over 18, both directions)."""

LEAST_NVLINK = 100e9
"""Bytes/s to the peers below which a board is taken to have PCI Express only (Gen 5 x16: 64 GB/s)."""


def nvlinks(gpu: Gpu) -> int:
    """NVLinks of a GPU to an NVSwitch fabric; 0 where its peers are reached over PCI Express."""
    return round(gpu.link.bandwidth / NVLINK_BYTES) if gpu.link.bandwidth >= LEAST_NVLINK else 0
