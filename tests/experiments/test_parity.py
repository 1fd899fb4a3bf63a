"""A tick of each kind of component, beside the plain version that is there to be read."""

from __future__ import annotations

import math

import pytest

from experiments.fidelity import parity_cloud, plain, plain_cloud
from experiments.fidelity.line import TICK_BAR
from experiments.fidelity.parity import ticks


def test_every_tick_of_every_component_is_that_of_the_plain_version() -> None:
    lines = list(ticks())
    assert {line.component for line in lines} == {"process", "gateway", "router", "engine", "SLO", "gpu"}
    missed = {f"{line.component}, {line.quantity}": line.error for line in lines if not line.holds}
    assert not missed and all(line.bar == TICK_BAR for line in lines)


def test_every_tick_of_a_clouds_services_is_that_of_the_plain_version() -> None:
    lines = list(parity_cloud.ticks())
    assert {line.component for line in lines} == {"cloud: service", "cloud: balancer"}
    missed = {f"{line.component}, {line.quantity}": line.error for line in lines if not line.holds}
    assert not missed and all(line.bar == TICK_BAR for line in lines)


def test_a_service_that_dies_at_every_start_is_started_later_and_later() -> None:
    def after(one: plain_cloud.Program, doomed: bool, now: float, reaches: bool = True) -> plain_cloud.Program:
        return plain_cloud.program(one, doomed, False, reaches, startup=5.0, now=now)

    one = after(plain_cloud.Program(True, math.inf, 0.0, 0.0), True, 100.0)
    assert (one.up, one.ready, one.born, one.deaths) == (False, 115.0, 100.0, 1.0)
    assert after(one, True, 114.0) == one
    one = after(one, True, 115.0)
    assert (one.ready, one.deaths) == (115.0 + 20.0 + 5.0, 2.0)
    assert not after(one, False, 140.0, reaches=False).up
    assert after(one, False, 140.0).up


def test_a_stopped_service_is_started_when_that_ends() -> None:
    running = plain_cloud.Program(True, math.inf, 0.0, 0.0)
    one = plain_cloud.program(running, False, True, True, startup=5.0, now=10.0)
    one = plain_cloud.program(one, False, True, True, startup=5.0, now=11.0)
    assert (one.up, one.ready, one.born) == (False, 16.0, 10.0)


def test_a_balancer_changes_its_mind_after_checks_in_a_row() -> None:
    trusted, streak = True, 0.0
    seen = []
    for answers in (False, False, True, *[False] * 6, *[True] * 4):
        trusted, streak = plain_cloud.checked(trusted, streak, answers, 2.0)
        seen.append(trusted)
    assert seen == [*[True] * 7, *[False] * 3, *[True] * 3]


def test_the_shorter_queue_is_preferred() -> None:
    assert plain.shares([3.0, 3.0, 3.0], [True] * 3, 2.0) == pytest.approx([1 / 3] * 3)
    shorter, longer, out = plain.shares([0.0, 5.0, 0.0], [True, True, False], 2.0)
    assert shorter > 0.99 and shorter + longer == pytest.approx(1.0) and out == 0.0
    assert plain.shares([9.0, 0.0], [True, False], 2.0) == [1.0, 0.0]


def test_a_process_that_dies_again_is_started_later_and_later() -> None:
    def after(one: plain.Life, doomed: bool, now: float) -> plain.Life:
        return plain.life(one, doomed, takes=20.0, fails=15.0, soonest=1.0, now=now)

    one = after(plain.Life(True, math.inf, 0.0, 0.0), True, 100.0)
    assert (one.up, one.ready, one.deaths) == (False, 121.0, 1.0)
    assert after(one, True, 115.0) == one
    one = after(one, True, 116.0)
    assert (one.ready, one.born, one.deaths) == (116.0 + 10.0 + 20.0, 126.0, 2.0)
    one = after(one, False, 200.0)
    assert one.up and one.deaths == 2.0 and one.born == 126.0


def test_an_engine_makes_and_loses_no_request() -> None:
    steps, beside = [0.02, 1e-4, 1e-7], [1e-5, 1e-9, 1e-9]
    kernels = plain.Kernels(steps, [0.01, 1e-5, 1e-9], beside, [1e-3, 2e-5], 2048.0, 64.0, 1e6)
    before = [1.0, 2.0, 0.0, 3.0]
    done = plain.engine(kernels, before, 2.0, 4.0, 4.0, (1024.0, 128.0), (0.0, 0.0), 1.0)
    assert sum(done.stages) + done.queued + done.completed == pytest.approx(sum(before) + 6.0)
    slow = plain.engine(kernels, before, 2.0, 4.0, 4.0, (1024.0, 128.0), (1.0, 0.0), 1.0)
    assert slow.completed < done.completed and slow.queued == done.queued


def test_a_full_cache_takes_as_many_as_leave() -> None:
    steps, beside = [0.02, 1e-4, 1e-7], [1e-5, 1e-9, 1e-9]
    kernels = plain.Kernels(steps, [0.01, 1e-5, 1e-9], beside, [1e-3, 2e-5], 2048.0, 64.0, 12_000.0)
    done = plain.engine(kernels, [2.5] * 4, 30.0, 2.0, 2.0, (1024.0, 128.0), (0.0, 0.0), 1.0)
    assert sum(done.stages) == pytest.approx(10.4, abs=1.0)  # blocks for ten requests, and half a prompt's are idle
    assert done.queued > 20.0


def test_a_window_is_violated_by_more_than_its_share() -> None:
    good, bad = [[99.0, 99.0], [0.0, 0.0]], [[1.0, 1.0], [9.0, 9.0]]
    assert plain.judged(good, bad, [0.99, 0.0], 0) == (pytest.approx(0.01), False)
    assert plain.judged(good, [[1.0, 2.0], [0.0, 0.0]], [0.99, 0.0], 1) == (pytest.approx(2 / 101), True)
