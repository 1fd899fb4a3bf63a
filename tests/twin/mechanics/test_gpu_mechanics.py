"""Clocks, heat, links and recovery of a GPU, by themselves."""

from __future__ import annotations

import math

import pytest

from twin.mechanics.gpu_link import exchanged_bytes, nvlinks
from twin.mechanics.gpu_memory import memory_clock
from twin.mechanics.gpu_power import CLOCK_STEP, clock_ratio, power, slowed, stepped
from twin.mechanics.gpu_recovery import NO_CONTEXTS, Recovery, recovery
from twin.mechanics.gpu_thermal import (
    CONTROL_BAND,
    CORE_RISE,
    INLET_TEMPERATURE,
    MAX_OPERATING,
    THERMAL_SECONDS,
    can_overheat,
    governed_clock,
    settled,
    temperature_after,
)
from twin.scenario.hardware import gpu, model, shipped


@pytest.mark.parametrize("name", sorted(shipped("GPU")))
def test_a_sound_board_never_overheats_and_one_at_twice_the_resistance_may(name):
    assert not can_overheat(INLET_TEMPERATURE + 2.0, 1.0)
    assert can_overheat(INLET_TEMPERATURE, 2.0)
    assert settled(INLET_TEMPERATURE, CORE_RISE, 1.0, gpu(name).idle_power / gpu(name).power) < 45.0


def test_the_power_limit_is_kept_to_the_watt_at_the_clock_it_allows():
    card = gpu("a10g")
    for limit in (100.0, 150.0, 250.0):
        assert power(card, clock_ratio(card, limit, 1.0), 1.0) == pytest.approx(limit)


def test_clocks_come_in_steps_and_never_below_the_least():
    card = gpu("h100-sxm")
    assert stepped(card, 1.0) == 1.0
    assert (stepped(card, 0.777) * card.clock) % CLOCK_STEP == pytest.approx(0.0, abs=1e-6)
    assert stepped(card, 0.0) == slowed(card, 0.01) == card.min_clock / card.clock
    assert slowed(card, 1.0) == 0.5


def test_the_governor_takes_more_clock_the_hotter_it_is():
    card = gpu("h100-sxm")
    begin = MAX_OPERATING - CONTROL_BAND
    clocks = [governed_clock(card, begin + above, 60.0) for above in (-1.0, 0.0, 0.5, 1.0, 2.0, 4.0)]
    assert clocks[0] == clocks[1] == 1.0
    assert clocks[1:] == sorted(set(clocks[1:]), reverse=True)
    assert governed_clock(card, 60.0, 95.0) < 1.0


def test_temperature_goes_two_thirds_of_the_way_in_one_time_constant_however_it_is_cut():
    whole = temperature_after(30.0, 80.0, THERMAL_SECONDS)
    assert whole == pytest.approx(80.0 - 50.0 / math.e)
    half = temperature_after(temperature_after(30.0, 80.0, THERMAL_SECONDS / 2), 80.0, THERMAL_SECONDS / 2)
    assert half == pytest.approx(whole)


@pytest.mark.parametrize(
    ("met", "asked"),
    [
        ([], Recovery.NONE),
        (["illegal_address", "correctable_errors"], Recovery.NONE),
        (["row_to_remap"], Recovery.DRAIN_AND_RESET),
        (["row_to_remap", "uncontained_error"], Recovery.RESET),
        (["gsp_fault", "off_bus"], Recovery.REBOOT),
        *(([name], Recovery.RESET) for name in NO_CONTEXTS),
    ],
)
def test_the_driver_asks_for_the_deepest_that_anything_needs(met, asked):
    assert recovery(met) is asked


@pytest.mark.parametrize(
    ("name", "links"), [("a100-sxm-80gb", 12), ("h100-sxm", 18), ("b200", 18), ("a10g", 0), ("rtx-pro-6000", 0)]
)
def test_links_are_counted_from_their_bandwidth(name, links):
    assert nvlinks(gpu(name)) == links


def test_a_model_on_one_gpu_exchanges_nothing_and_on_many_at_most_twice_its_messages():
    llama = model("llama-3.1-8b")
    message = (2 * llama.layers + 1) * llama.hidden * 2
    assert exchanged_bytes(llama, 1) == 0.0
    assert [exchanged_bytes(llama, n) / message for n in (2, 4, 8)] == [2.0, 3.0, 3.5]


@pytest.mark.parametrize("name", sorted(shipped("GPU")))
def test_every_shipped_gpu_has_a_memory_clock(name):
    assert memory_clock(name) > 1000.0
    assert math.isnan(memory_clock("somebody's own"))
