"""The fields that the DCGM exporter shows of a GPU: its default counters, plus those for clocks, violations and ECC.

Names: NVIDIA/dcgm-exporter, etc/default-counters.csv (Apache-2.0); ROW_REMAP_PENDING and CLOCKS_EVENT_REASONS: DCGM's
field identifiers. The exporter's labels are ``gpu``, ``UUID``, ``device``, ``modelName``, ``hostname`` and, where a pod
has the GPU, ``container``, ``namespace`` and ``pod``; here the component stands for all of them.
"""

from __future__ import annotations

from twin.telemetry.records import Metric, counter, gauge

FIELDS: tuple[Metric, ...] = (
    # What an operator would alert or decide on.
    gauge("DCGM_FI_DEV_SM_CLOCK", "MHz", "enriched"),
    gauge("DCGM_FI_DEV_POWER_USAGE", "W", "enriched"),
    gauge("DCGM_FI_DEV_GPU_TEMP", "C"),
    gauge("DCGM_FI_DEV_GPU_UTIL", "%"),
    gauge("DCGM_FI_DEV_FB_USED", "MiB"),
    gauge("DCGM_FI_DEV_XID_ERRORS"),
    counter("DCGM_FI_DEV_POWER_VIOLATION", "ns", "enriched"),
    counter("DCGM_FI_DEV_THERMAL_VIOLATION", "ns", "enriched"),
    gauge("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "bits", "enriched"),
    gauge("DCGM_FI_DEV_ROW_REMAP_PENDING", "", "enriched"),
    gauge("DCGM_FI_DEV_ROW_REMAP_FAILURE", "", "enriched"),
    # Exported only.
    gauge("DCGM_FI_DEV_MEM_CLOCK", "MHz", None),
    gauge("DCGM_FI_DEV_MEMORY_TEMP", "C", None),
    counter("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "mJ", None),
    counter("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "", None),
    gauge("DCGM_FI_DEV_MEM_COPY_UTIL", "%", None),
    gauge("DCGM_FI_DEV_ENC_UTIL", "%", None),
    gauge("DCGM_FI_DEV_DEC_UTIL", "%", None),
    gauge("DCGM_FI_DEV_FB_FREE", "MiB", None),
    gauge("DCGM_FI_DEV_FB_RESERVED", "MiB", None),
    counter("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "bytes", None),
    counter("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL", "", None),
    gauge("DCGM_FI_DEV_VGPU_LICENSE_STATUS", "", None),
    counter("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "rows", None),
    counter("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "rows", None),
    counter("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "", None),
    counter("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "", None),
    counter("DCGM_FI_DEV_SYNC_BOOST_VIOLATION", "ns", None),
    counter("DCGM_FI_DEV_BOARD_LIMIT_VIOLATION", "ns", None),
    counter("DCGM_FI_DEV_LOW_UTIL_VIOLATION", "ns", None),
    counter("DCGM_FI_DEV_RELIABILITY_VIOLATION", "ns", None),
    gauge("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "ratio", None),
    gauge("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "ratio", None),
    gauge("DCGM_FI_PROF_DRAM_ACTIVE", "ratio", None),
    counter("DCGM_FI_PROF_PCIE_TX_BYTES", "bytes", None),
    counter("DCGM_FI_PROF_PCIE_RX_BYTES", "bytes", None),
)
"""All fields, in the order in which `twin.inference.gpu.Gpu` gives their values."""
