"""What the DCGM exporter shows: exact names, and values that agree with each other."""

from __future__ import annotations

import math

import pytest

from twin.inference.dcgm import FIELDS
from twin.inference.gpu import Gpu
from twin.scenario import ResolvedScenario
from twin.telemetry.features import FEATURES
from twin.world import World

DEFAULT = """
SM_CLOCK MEM_CLOCK MEMORY_TEMP GPU_TEMP POWER_USAGE TOTAL_ENERGY_CONSUMPTION PCIE_REPLAY_COUNTER GPU_UTIL MEM_COPY_UTIL
ENC_UTIL DEC_UTIL XID_ERRORS FB_FREE FB_USED FB_RESERVED NVLINK_BANDWIDTH_TOTAL VGPU_LICENSE_STATUS
UNCORRECTABLE_REMAPPED_ROWS CORRECTABLE_REMAPPED_ROWS ROW_REMAP_FAILURE
"""
PROFILING = "GR_ENGINE_ACTIVE PIPE_TENSOR_ACTIVE DRAM_ACTIVE PCIE_TX_BYTES PCIE_RX_BYTES"
VIOLATIONS = "POWER THERMAL SYNC_BOOST BOARD_LIMIT LOW_UTIL RELIABILITY"
"""dcgm-exporter, etc/default-counters.csv of 2026-05-12: the fields that are on, those that profile, and violations."""

OBSERVED = """
SM_CLOCK POWER_USAGE GPU_TEMP GPU_UTIL FB_USED XID_ERRORS POWER_VIOLATION THERMAL_VIOLATION CLOCKS_EVENT_REASONS
ROW_REMAP_PENDING ROW_REMAP_FAILURE
"""


def live(cluster, until):
    """A world with that cluster and a steady load."""
    spec = {
        "cluster": cluster,
        "workload": {"arrivals": {"poisson": "4/s"}, "prompt": 512, "output": 128},
        "horizon": "300s",
    }
    document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": spec}
    world = World(ResolvedScenario.model_validate(document), seed=1)
    world.run(until)
    return world


def fields(world, name):
    """What DCGM shows of a GPU."""
    return dict(zip((field.name for field in FIELDS), world.components[name].sample(), strict=True))


@pytest.fixture(scope="module")
def shown():
    """(at work, idle): the fields of a busy GPU and of a spare one after 200 s."""
    world = live({"kind": "inference", "preset": "small"}, 200)
    return fields(world, "gpu-0"), fields(world, "gpu-3")


def test_every_default_field_is_exported_under_its_exact_name():
    names = {field.name for field in FIELDS}
    wanted = {f"DCGM_FI_DEV_{name}" for name in DEFAULT.split()} | {
        f"DCGM_FI_PROF_{name}" for name in PROFILING.split()
    }
    wanted |= {f"DCGM_FI_DEV_{name}_VIOLATION" for name in VIOLATIONS.split()} | {"DCGM_FI_DEV_CLOCKS_EVENT_REASONS"}
    assert wanted <= names
    assert Gpu.metrics == FIELDS


def test_policies_see_what_an_operator_would_decide_on():
    assert {name for name in FEATURES if name.startswith("DCGM")} == {
        f"DCGM_FI_DEV_{name}" for name in OBSERVED.split()
    }


def test_memory_adds_up_to_the_device(shown):
    for gpu in shown:
        total = sum(gpu[f"DCGM_FI_DEV_FB_{part}"] for part in ("USED", "FREE", "RESERVED"))
        assert total == pytest.approx(24.1e9 / 2**20, rel=0.01)
    assert shown[0]["DCGM_FI_DEV_FB_USED"] > 0.9 * total
    assert shown[1]["DCGM_FI_DEV_FB_USED"] == 0


def test_an_idle_gpu_is_cool_says_so_and_still_costs_energy(shown):
    busy, idle = shown
    assert idle["DCGM_FI_DEV_CLOCKS_EVENT_REASONS"] == 0x1
    assert busy["DCGM_FI_DEV_CLOCKS_EVENT_REASONS"] == 0
    assert idle["DCGM_FI_DEV_GPU_UTIL"] == 0
    assert idle["DCGM_FI_DEV_GPU_TEMP"] < 40 < 55 < busy["DCGM_FI_DEV_GPU_TEMP"] < 80
    assert idle["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"] == pytest.approx(20 * 200 * 1e3, rel=0.01)


def test_a_decoding_gpu_streams_memory_and_hardly_multiplies(shown):
    busy = shown[0]
    assert busy["DCGM_FI_PROF_GR_ENGINE_ACTIVE"] == pytest.approx(busy["DCGM_FI_DEV_GPU_UTIL"] / 100, abs=0.01)
    assert busy["DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"] < busy["DCGM_FI_PROF_DRAM_ACTIVE"]
    assert all(math.isfinite(value) for value in busy.values())


def test_energy_is_power_over_time(shown):
    mean = shown[0]["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"] / 1e3 / 200
    assert mean == pytest.approx(shown[0]["DCGM_FI_DEV_POWER_USAGE"], rel=0.15)


@pytest.mark.parametrize(("gpu", "has_nvlink"), [("h100-sxm", True), ("a10g", False)])
def test_a_split_model_talks_over_the_links_that_its_gpus_have(gpu, has_nvlink):
    split = {"kind": "inference", "preset": "small", "gpu": gpu, "replicas": 1, "spares": 0, "gpusPerNode": 2}
    world = live({**split, "engine": {"tensorParallelSize": 2}}, 60)
    replica = world.components["ray-replicas-0"]
    tokens = replica.engine.prompt_tokens + replica.engine.generation_tokens
    expected = tokens * (2 * 32 + 1) * 4096 * 2 * 2  # every hidden state out and in, over half of the pair's messages
    replica.sample()
    now = fields(world, "gpu-1")
    nvlink, pcie = now["DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL"], now["DCGM_FI_PROF_PCIE_TX_BYTES"]
    assert nvlink == pytest.approx(expected if has_nvlink else 0)
    assert pcie == pytest.approx(0 if has_nvlink else expected / 2)
