"""Processor sharing against known results."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import Clock
from twin.openstack.infrastructure.sharing import ProcessorSharing


def _ends(jobs, capacity=1.0, per_job=float("inf"), load=None):
    clock = Clock()
    server = ProcessorSharing(clock, capacity, per_job)
    ends = {}

    def work(number, start, size):
        yield clock.timeout(start)
        yield from server.run(size)
        ends[number] = clock.now

    for number, (start, size) in enumerate(jobs):
        clock.process(work(number, start, size))
    for time, background, speed in load or ():
        clock.at(time, lambda _, background=background, speed=speed: server.set_load(background, speed))
    clock.live_until(1e6)
    assert server.at_work == 0
    assert server.delivered == pytest.approx(sum(size for _, size in jobs))
    return [ends[number] for number in range(len(jobs))]


def test_two_equal_jobs_take_twice_as_long():
    assert _ends([(0, 3.0)]) == [3.0]
    assert _ends([(0, 3.0), (0, 3.0)]) == [6.0, 6.0]


def test_a_newcomer_slows_who_is_there_and_gains_when_they_leave():
    assert _ends([(0, 2.0), (0, 2.0), (1, 1.0)]) == pytest.approx([5.0, 5.0, 4.0])


def test_as_many_threads_as_cores_do_not_disturb_each_other():
    assert _ends([(0, 3.0)] * 4, capacity=4.0, per_job=1.0) == [3.0] * 4
    assert _ends([(0, 3.0)] * 8, capacity=4.0, per_job=1.0) == [6.0] * 8


def test_background_takes_its_share():
    assert _ends([(0, 3.0)], load=[(0.0, 1.0, 1.0)]) == [6.0]
    assert _ends([(0, 4.0)], load=[(1.0, 2.0, 1.0)]) == [10.0]


def test_speed_may_change_and_stop():
    assert _ends([(0, 4.0)], load=[(1.0, 0.0, 0.5)]) == [7.0]
    assert _ends([(0, 4.0)], load=[(1.0, 0.0, 0.0), (11.0, 0.0, 1.0)]) == [14.0]


def test_who_is_interrupted_leaves_room():
    clock = Clock()
    server = ProcessorSharing(clock, 1.0)
    ends = []

    def stays():
        yield from server.run(4.0)
        ends.append(clock.now)

    def leaves():
        yield from server.run(100.0)

    clock.process(stays())
    other = clock.process(leaves())

    def interrupt(_):
        other.defused = True
        other.interrupt()

    clock.at(2.0, interrupt)
    clock.live_until(50.0)
    assert ends == [5.0]
    assert server.at_work == 0


jobs = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20)), min_size=1, max_size=12)


@given(jobs, st.sampled_from([1.0, 3.0]))
@settings(max_examples=60, deadline=None)
def test_it_equals_small_steps(given_jobs, capacity):
    """Against a fluid simulation from event to event that knows every job's own rest."""
    rest = {number: float(size) for number, (_, size) in enumerate(given_jobs)}
    starts = {number: float(start) for number, (start, _) in enumerate(given_jobs)}
    now, ends = 0.0, {}
    while rest:
        present = [n for n in rest if starts[n] <= now]
        later = [starts[n] for n in rest if starts[n] > now]
        if not present:
            now = min(later)
            continue
        rate = min(1.0, capacity / len(present))
        step = min(rest[n] for n in present) / rate
        if later:
            step = min(step, min(later) - now)
        now += step
        for n in present:
            rest[n] -= rate * step
            if rest[n] < 1e-9:
                ends[n] = now
                del rest[n]
    found = _ends(given_jobs, capacity, per_job=1.0)
    assert found == pytest.approx([ends[n] for n in range(len(given_jobs))], abs=1e-6)


def test_what_the_programs_in_a_server_want_slows_who_is_built_beside_it(machines):
    machines.plane.demand["loud"] = 3.0
    machines.begin(machines.build("loud"))
    machines.world.run(until=100)
    assert machines.first.domains["loud"].streams == 3.0
    outcome = machines.begin(machines.build("next"))
    machines.world.run(until=400)
    alone = machines.first.times
    disk = (alone.image_bytes + alone.start_bytes) / alone.disk
    cpu = alone.image_cpu + alone.plug + alone.start_cpu
    assert outcome[0][0] - 100 == pytest.approx(cpu + 4 * disk, rel=0.06)
