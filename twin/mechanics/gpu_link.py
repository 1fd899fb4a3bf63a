"""Links of a GPU to its peers and to its host."""

from __future__ import annotations

from twin.mechanics.hardware import Gpu, Model

NVLINK_BYTES = 25e9
"""Bytes/s of one NVLink in one direction (NVLink 3 and 4: 600 GB/s over 12 links and 900 over 18, both directions)."""

LEAST_NVLINK = 100e9
"""Bytes/s to the peers below which a board is taken to have PCI Express only (Gen 5 x16: 64 GB/s)."""


MOST_NVLINKS = 18
"""NVLink 5 moves twice as much over each of as many links as NVLink 4 has."""


def nvlinks(gpu: Gpu) -> int:
    """NVLinks of a GPU to an NVSwitch fabric; 0 where its peers are reached over PCI Express."""
    links = round(gpu.link.bandwidth / NVLINK_BYTES)
    return min(links, MOST_NVLINKS) if gpu.link.bandwidth >= LEAST_NVLINK else 0


def exchanged_bytes(model: Model, gpus: int) -> float:
    """Bytes over one GPU's links, both directions together, for one token of a model that is split over `gpus`.

    Two all-reduces a layer and one of the embeddings, each of a hidden state in bf16, of which a GPU sends and receives
    2 (n - 1) / n (Megatron-LM, arXiv 1909.08053; ring or halving, Thakur et al. 2005).
    """
    message = (2 * model.layers + 1) * model.hidden * 2.0
    return 2.0 * message * 2.0 * (gpus - 1) / gpus


HOST_COPY_BYTES_PER_SECOND = 25e9
"""Copies from pinned host memory over a sound link: PCIe 4.0 x16 moves 32 GB/s on the wire (PCI-SIG), of which large
copies reach about four fifths (assumed)."""
