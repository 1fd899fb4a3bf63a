"""What the truth says of faults, and of what is meant to happen."""

from __future__ import annotations

from twin.world import World


def test_what_is_meant_to_happen_is_no_incident(inference_scenario, fault) -> None:
    crowd = fault("WorkloadChaos", "flashCrowd", selector={"components": ["nginx-proxy"]}, factor=2, duration="30s")
    world = World(inference_scenario({**crowd, "benign": True}), seed=1)
    world.run(75)
    (event,) = world.truth.benign
    assert (event.kind, event.targets) == ("WorkloadChaos/flashCrowd", ("nginx-proxy",))
    assert (event.started, event.ended) == (60.0, None)
    world.run(100)
    assert event.ended == 90.0 and not world.truth.incidents and not world.truth.active


def test_it_happens_as_it_would_as_a_fault(inference_scenario, fault) -> None:
    stress = fault("StressChaos", stressors={"cpu": {"workers": 3}}, duration="30s")
    worlds = [World(inference_scenario({**stress, "benign": benign}), seed=1) for benign in (False, True)]
    for world in worlds:
        world.run(120)
    fault_lines, benign_lines = ([line.text for line in world.log_lines(0.0, 120.0)] for world in worlds)
    assert fault_lines == benign_lines
    assert [len(world.truth.incidents) for world in worlds] == [1, 0]


def test_what_has_not_begun_is_not_there_yet(inference_scenario, fault) -> None:
    world = World(
        inference_scenario({**fault("StressChaos", stressors={"cpu": {"workers": 3}}), "benign": True}), seed=1
    )
    world.run(50)
    assert not world.truth.benign
