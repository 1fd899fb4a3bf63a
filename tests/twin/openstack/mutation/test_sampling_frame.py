"""What a campaign is drawn from."""

from __future__ import annotations

from collections import Counter

import pytest

from twin.openstack.mutation import campaign
from twin.openstack.mutation.campaign import Point, digest, frame, sample
from twin.openstack.mutation.operators import as_in_study, points

FRAME = tuple(Point(workload, f"f/self.{name}|missingCall") for workload in ("a", "b") for name in range(100))


@pytest.fixture
def reached(monkeypatch, at):
    monkeypatch.setattr(campaign, "sites", lambda _: tuple(at.values()))
    spawn, size = at["Manager.build/self._spawn"], at["Manager._size/return"]
    return {"storage": {spawn.id}, "deployment": {spawn.id, size.id}}


def test_a_frame_holds_what_the_fault_free_runs_came_by(reached):
    found = frame(reached)
    assert list(found) == sorted(found)
    kinds = Counter((point.workload, point.mutation.split("|")[1]) for point in found)
    assert kinds == Counter(
        {("deployment", "wrongReturnValue"): 1}
        | {
            (workload, operator): 1
            for workload in reached
            for operator in ("throwException", "missingCall", "wrongParameter", "missingParameter")
        }
    )
    assert len(frame(reached, points)) == len(found) + 2 * 4  # each other argument, wrong and missing


def test_the_studys_frame_is_a_part_of_the_one_of_all_calls(reached, at):
    used = at["Manager.build/self.network_api.allocate"].id
    wider = {**reached, "storage": {*reached["storage"], used}}
    theirs, ours = set(frame(wider, as_in_study)), set(frame(wider))
    assert theirs < ours
    assert {point.mutation.split("|")[0] for point in ours - theirs} == {used}


def test_a_digest_knows_the_set_of_points_and_not_their_order():
    assert digest(FRAME) == digest(reversed(FRAME))
    assert digest(FRAME) != digest(FRAME[1:])


def test_a_sample_is_uniform_without_repetition_and_grows_by_appending():
    drawn = sample(FRAME, 50, seed=1)
    assert len(set(drawn)) == 50
    assert sample(FRAME, 20, seed=1) == drawn[:20]
    assert sample(FRAME, 20, seed=2) != drawn[:20]
    assert sample(reversed(FRAME), 50, seed=1) == drawn
    taken = Counter(point for seed in range(400) for point in sample(FRAME, 20, seed))
    assert len(taken) == 200 and all(15 <= count <= 70 for count in taken.values())  # 40 expected of each
