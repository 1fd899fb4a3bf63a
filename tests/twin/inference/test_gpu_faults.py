"""What each GPU fault looks like from outside, what it does to the work, and what cures it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from twin.actions import Action
from twin.faults.gpu import KINDS
from twin.mechanics.gpu_thermal import CONTROL_BAND, MAX_OPERATING, MEMORY_MAX_OPERATING
from twin.process import State
from twin.scenario import ScenarioError
from twin.telemetry.exposition import series_of
from twin.world import World

H100 = {"kind": "inference", "preset": "small", "gpu": "h100-sxm"}
LIMIT = {"powerCap": {"powerLimit": "100W"}}


@pytest.fixture
def live(inference_scenario, fault):
    """A world in which the second GPU has a fault from second 60 on, and orders are given: `live(action, until, …)`."""

    def run(action, until, *orders, cluster=None, **fields):
        faults = [] if action is None else [fault("GPUChaos", action, **{**LIMIT.get(action, {}), **fields})]
        extra = {} if cluster is None else {"cluster": cluster}
        world = World(inference_scenario(*faults, horizon="900s", **extra), seed=1)
        for time, order in orders:
            world.run(time)
            ticket = world.apply(order)
            assert ticket.legal, ticket.refusal
        world.run(until)
        return world

    return run


def fields(world, name="gpu-1"):
    """What DCGM shows of a GPU now, by field name without its prefix."""
    gpu = world.components[name]
    short = (metric.name.removeprefix("DCGM_FI_") for metric in gpu.metrics)
    return dict(zip(short, gpu.sample(), strict=True))


def kernel(world, node="node-1", since=0.0):
    """What the kernel of a node printed."""
    return [
        line.text for line in world.log_lines(since, world.now) if line.component == node and "kernel:" in line.text
    ]


def xids(world, since=0.0):
    """XIDs in the order in which they were first printed."""
    found = (re.search(r"NVRM: Xid \(PCI:[0-9a-f:]+\): (\d+)", line) for line in kernel(world, since=since))
    return list(dict.fromkeys(int(match[1]) for match in found if match))


def ttft(world, name="ray-replicas-1"):
    """Mean time to first token of a replica since its start, seconds."""
    replica = world.components[name]
    names = (series.name for series in series_of(replica.metrics))
    sample = dict(zip(names, replica.sample(), strict=True))
    return sample["vllm:time_to_first_token_seconds_sum"] / sample["vllm:time_to_first_token_seconds_count"]


# --- power and heat ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "bits"), [("powerCap", 0x4), ("powerBrake", 0x88)])
def test_too_little_power_leaves_utilisation_high_while_clock_and_power_fall_and_prefill_slows(live, action, bits):
    healthy, starved = live(None, 200), live(action, 200)
    ours, theirs = fields(starved), fields(healthy)
    assert ours["DEV_GPU_UTIL"] >= theirs["DEV_GPU_UTIL"] > 90
    assert ours["DEV_SM_CLOCK"] < 0.8 * theirs["DEV_SM_CLOCK"]
    assert ours["DEV_POWER_USAGE"] < 0.6 * theirs["DEV_POWER_USAGE"]
    assert ours["DEV_GPU_TEMP"] < theirs["DEV_GPU_TEMP"]
    assert ours["DEV_CLOCKS_EVENT_REASONS"] == bits
    assert ours["DEV_POWER_VIOLATION"] > 1e11
    assert ours["DEV_THERMAL_VIOLATION"] == theirs["DEV_POWER_VIOLATION"] == 0
    assert ttft(starved) > 1.15 * ttft(healthy)
    assert kernel(starved) == []


def test_a_thermal_throttle_plateaus_below_its_limit(live):
    world = live("thermalThrottle", 200)
    clocks, temperatures, memories = [], [], []
    for time in range(205, 300, 5):
        world.run(time)
        now = fields(world)
        clocks.append(now["DEV_SM_CLOCK"])
        temperatures.append(now["DEV_GPU_TEMP"])
        memories.append(now["DEV_MEMORY_TEMP"])
    assert max(temperatures) - min(temperatures) <= 3
    assert max(temperatures) <= MAX_OPERATING
    assert max(memories) <= MEMORY_MAX_OPERATING
    assert max(temperatures) > MAX_OPERATING - CONTROL_BAND - 2
    assert max(clocks) < 0.95 * fields(world, "gpu-0")["DEV_SM_CLOCK"]
    assert fields(world)["DEV_CLOCKS_EVENT_REASONS"] & 0x20
    assert fields(world)["DEV_GPU_UTIL"] > 90
    assert fields(world)["DEV_THERMAL_VIOLATION"] > 1e11
    assert fields(world, "gpu-0")["DEV_THERMAL_VIOLATION"] == 0


def test_a_throttled_gpu_gets_its_clock_back_when_the_heat_gets_away_again(live):
    world = live("thermalThrottle", 300, duration="120s")
    assert fields(world)["DEV_SM_CLOCK"] == fields(world, "gpu-0")["DEV_SM_CLOCK"]
    assert fields(world)["DEV_CLOCKS_EVENT_REASONS"] == 0


def test_a_hot_spot_halves_the_clock_while_the_core_is_cool(live):
    now = fields(live("thermalThrottle", 200, slowdown="hardware"))
    assert now["DEV_SM_CLOCK"] == pytest.approx(1710 / 2, abs=15)
    assert now["DEV_CLOCKS_EVENT_REASONS"] == 0x48
    assert now["DEV_GPU_TEMP"] < 60


def test_temperature_does_not_depend_on_how_often_it_is_scraped(inference_scenario):
    worlds = [World(inference_scenario(telemetry={"scrape": scrape}), seed=1) for scrape in ("1s", "30s")]
    for world in worlds:
        world.run(240)
    often, seldom = (world.components["gpu-1"].meter for world in worlds)
    for world in worlds:
        fields(world)
    assert often.core == pytest.approx(seldom.core, abs=0.5)
    assert often.joules == pytest.approx(seldom.joules, rel=0.01)


# --- damage -----------------------------------------------------------------------------------------------------------

BURSTS = {
    "illegalInstruction": [13, 43],
    "illegalAddress": [31],
    "softwareException": [43],
    "contextRemoved": [45],
    "doubleBitError": [48, 63, 94, 154],
    "rowRemap": [63, 154],
    "rowRemapFailure": [48, 64, 94, 154],
    "containedError": [94],
    "uncontainedError": [95, 45, 154],
    "correctableErrors": [92],
    "contextSwitchTimeout": [109, 45, 154],
    "gspTimeout": [119, 45, 154],
    "gspCrash": [120, 45, 154],
    "fallOffBus": [79, 45, 154],
    "nvlinkDown": [74, 154],
}
SILENT = set(KINDS["GPUChaos"]) - set(BURSTS)


def cluster_for(action):
    return H100 if "nvlink" in action else None


@pytest.mark.parametrize("action", BURSTS)
def test_the_driver_prints_its_burst_and_dcgm_keeps_the_last_xid(live, action):
    world = live(action, 70, cluster=cluster_for(action))
    assert xids(world) == BURSTS[action]
    followed_up = [xid for xid in BURSTS[action] if xid not in (45, 154)] or [45]
    assert fields(world)["DEV_XID_ERRORS"] == followed_up[-1]
    assert fields(world, "gpu-0")["DEV_XID_ERRORS"] == 0
    assert kernel(world, "node-0") == []


def test_the_documentation_lists_the_bursts():
    page = Path(__file__).parents[3] / "docs" / "gpus.md"
    cells = [[cell.strip() for cell in line.split("|")] for line in page.read_text().splitlines() if "| `" in line]
    documented = {row[1].strip("`"): [int(xid) for xid in re.findall(r"\d+", row[3])] for row in cells}
    assert documented == {**BURSTS, **{action: [] for action in SILENT}}


@pytest.mark.parametrize("action", sorted(SILENT))
def test_what_the_driver_does_not_notice_it_does_not_print(live, action):
    world = live(action, 120, cluster=cluster_for(action))
    assert kernel(world) == []
    assert fields(world)["DEV_XID_ERRORS"] == 0


@pytest.mark.parametrize("action", ["illegalInstruction", "illegalAddress", "softwareException", "contextRemoved"])
def test_a_process_that_loses_its_context_dies_and_the_next_one_works(live, action):
    world = live(action, 61)
    assert world.components["ray-replicas-1"].state is not State.RUNNING
    assert world.components["gpu-1"].usable
    world.run(150)
    assert world.components["ray-replicas-1"].state is State.RUNNING
    assert world.truth.incidents["fault"].cleared_by == "supervisor"


@pytest.mark.parametrize("action", ["uncontainedError", "contextSwitchTimeout", "gspTimeout", "gspCrash"])
def test_a_device_that_needs_a_reset_gives_no_new_process_a_context(live, action):
    world = live(action, 200)
    assert not world.components["gpu-1"].usable
    assert world.components["ray-replicas-1"].state is not State.RUNNING
    world = live(action, 300, (200, Action("restart", "ray-replicas-1", "immediate")))
    assert world.components["ray-replicas-1"].state is not State.RUNNING


def test_a_row_that_waits_for_its_spare_works_on_and_is_remapped_by_a_reset(live):
    world = live("rowRemap", 100)
    assert world.components["ray-replicas-1"].deaths == 0
    assert fields(world)["DEV_ROW_REMAP_PENDING"] == 1
    assert fields(world)["DEV_UNCORRECTABLE_REMAPPED_ROWS"] == 0
    world.apply(Action("reset-gpu", "gpu-1"))
    world.run(220)
    now = fields(world)
    assert (now["DEV_ROW_REMAP_PENDING"], now["DEV_UNCORRECTABLE_REMAPPED_ROWS"], now["DEV_XID_ERRORS"]) == (0, 1, 0)


def test_a_row_without_a_spare_strikes_every_process_that_uses_it(live):
    world = live("rowRemapFailure", 300, (120, Action("reset-gpu", "gpu-1", "immediate")))
    assert fields(world)["DEV_ROW_REMAP_FAILURE"] == 1
    assert 64 in xids(world, since=135)
    assert world.components["ray-replicas-1"].deaths >= 2


def test_corrected_errors_are_counted_and_harm_nobody(live):
    world = live("correctableErrors", 160, rate=20)
    assert fields(world)["DEV_ECC_SBE_VOL_TOTAL"] == pytest.approx(2000, abs=1)
    assert world.components["ray-replicas-1"].state is State.RUNNING
    assert ttft(world) == pytest.approx(ttft(live(None, 160)))


def test_few_corrected_errors_are_not_worth_a_line(live):
    assert kernel(live("correctableErrors", 100, rate=1)) == []


def test_a_silent_management_processor_is_noticed_at_its_time_out_with_its_calls(live):
    world = live("gspTimeout", 65)
    assert xids(world) == []
    world.run(70)
    lines = kernel(world)
    assert any("Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76" in s for s in lines)
    assert sum(bool(re.search(r"NVRM:\s+-\d\s", line)) for line in lines) == 7
    now = fields(world)
    assert now["DEV_XID_ERRORS"] == 119
    assert all(math.isnan(value) for name, value in now.items() if name != "DEV_XID_ERRORS")


def test_a_failed_link_is_reported_by_the_switch_and_by_the_gpu_in_pairs(live):
    world = live("nvlinkDown", 70, cluster=H100, links=2)
    lines = kernel(world)
    assert sum("SXid" in line and "Fatal" in line for line in lines) == 2
    assert sum(": 74," in line and "NVLink: fatal error detected on link" in line for line in lines) == 2
    assert world.components["gpu-1"].link_share == 0.0


def test_a_noisy_link_only_counts_and_slows(live):
    world = live("nvlinkDegraded", 160, cluster=H100, left="40%", errors=100)
    assert fields(world)["DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL"] == pytest.approx(10_000, abs=1)
    assert world.components["gpu-1"].link_share == 0.4


def test_a_link_fault_needs_links(live):
    with pytest.raises(ScenarioError, match="a GPU with NVLink"):
        live("nvlinkDown", 10)


def test_lost_bandwidth_slows_decoding_and_shows_nowhere_else(live):
    healthy, slow = live(None, 200), live("hbmBandwidthLoss", 200, left="50%")
    assert slow.components["gpu-1"].bandwidth_share == 0.5
    tokens = [world.components["ray-replicas-1"].engine.generation_tokens for world in (healthy, slow)]
    steps = [world.components["ray-replicas-1"].engine.steps for world in (healthy, slow)]
    assert steps[1] < 0.85 * steps[0]
    assert tokens[1] > 0.5 * tokens[0]
    assert fields(slow)["DEV_SM_CLOCK"] == fields(healthy)["DEV_SM_CLOCK"]


def test_a_narrow_host_link_is_felt_when_weights_are_loaded(live):
    assert ttft(live("pcieWidthLow", 100, lanes=1)) == pytest.approx(ttft(live(None, 100)), rel=0.02)
    restart = (100, Action("restart", "ray-replicas-1", "immediate"))

    def loading(world):
        (line,) = [li.text for li in world.log_lines(-1.0, 200) if "Loading weights took" in li.text]
        return float(line.split("took ")[1].split()[0])

    sound, narrow = live(None, 200, restart), live("pcieWidthLow", 200, restart, lanes=1)
    assert loading(narrow) > 1.4 * loading(sound)


def test_silent_corruption_changes_nothing_that_anyone_reads(live):
    sound, corrupt = live(None, 150), live("silentDataCorruption", 150)
    assert corrupt.components["gpu-1"].corruption == 0.02
    assert fields(corrupt) == pytest.approx(fields(sound))
    assert kernel(corrupt) == []


def test_a_lost_gpu_shows_its_last_xid_and_nothing_else(live):
    now = fields(live("fallOffBus", 100))
    assert now["DEV_XID_ERRORS"] == 79
    assert all(math.isnan(value) for name, value in now.items() if name != "DEV_XID_ERRORS")


def test_after_a_reboot_without_the_device_its_driver_knows_nothing_of_it(live):
    world = live("fallOffBus", 400, (80, Action("reboot", "node-1", "immediate")), persistent=True)
    assert all(math.isnan(value) for value in fields(world).values())
    assert [xid for xid in xids(world, since=250) if xid == 79] == []


# --- cures ------------------------------------------------------------------------------------------------------------

RESTART, RESET = ("restart", "ray-replicas-1"), ("reset-gpu", "gpu-1")
LIMIT_BACK, REBOOT, CYCLE = ("restore-power-limit", "gpu-1"), ("reboot", "node-1"), ("power-cycle", "node-1")


@pytest.mark.parametrize(
    ("action", "changes", "order", "cures"),
    [
        ("powerCap", {}, RESTART, False),
        ("powerCap", {}, LIMIT_BACK, True),
        ("powerBrake", {}, REBOOT, False),
        ("powerBrake", {}, CYCLE, True),
        ("powerBrake", {"layer": "board"}, CYCLE, False),
        ("thermalThrottle", {}, CYCLE, False),
        ("rowRemap", {}, RESTART, False),
        ("rowRemap", {}, RESET, True),
        ("doubleBitError", {}, RESET, True),
        ("uncontainedError", {}, RESTART, False),
        ("uncontainedError", {}, RESET, True),
        ("contextSwitchTimeout", {}, RESET, True),
        ("gspTimeout", {}, RESTART, False),
        ("gspTimeout", {}, RESET, True),
        ("gspCrash", {}, RESET, True),
        ("fallOffBus", {}, RESET, False),
        ("fallOffBus", {}, REBOOT, True),
        ("fallOffBus", {"layer": "power"}, REBOOT, False),
        ("fallOffBus", {"layer": "power"}, CYCLE, True),
        ("pcieWidthLow", {}, RESET, False),
        ("pcieWidthLow", {}, REBOOT, True),
        ("rowRemapFailure", {}, REBOOT, False),
    ],
)
def test_an_action_cures_what_sits_on_the_layers_that_it_renews(live, action, changes, order, cures):
    world = live(action, 480, (100, Action(*order, "immediate")), **changes)
    incident = world.truth.incidents["fault"]
    assert (incident.cleared is not None) is cures
    if cures:
        assert incident.cleared_by == " ".join(order)
        assert world.components["gpu-1"].usable
        assert fields(world)["DEV_XID_ERRORS"] == 0 or order == LIMIT_BACK
        assert world.components["ray-replicas-1"].state is State.RUNNING


def test_a_cap_above_the_boards_own_limit_is_refused_by_name(inference_scenario, fault):
    with pytest.raises(ScenarioError, match=r"powerLimit: 5000 W caps nothing: gpu-1 \(a10g\) has a limit of 300 W"):
        World(inference_scenario(fault("GPUChaos", "powerCap", powerLimit="5kW")), seed=1)
