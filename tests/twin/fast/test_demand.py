"""Who comes to the inference cluster: a crowd, an abusive client, longer prompts, users who come back."""

from __future__ import annotations

import numpy as np
import pytest

from twin.fast.inference.demand import demand
from twin.scenario import Scenario
from twin.world import World


def calls(name: str, seed: int, until: float) -> tuple[World, float, float]:
    """A world that has lived, the calls that it has seen by then, and those that are drawn for the arrays."""
    world = World(Scenario.load(name, ("spec.telemetry=off",)), seed)
    drawn = demand(world, 1.0, int(world.spec.horizon), 3, 0.04).arrivals
    world.run(until=until)
    return world, float(world.cluster.clients.calls), float(drawn[: int(until), 0].sum())


@pytest.mark.parametrize("name", ["flash-crowd", "abusive-client"])
def test_a_crowd_and_an_abuser_are_those_of_the_other_twin(name: str) -> None:
    _, there, here = calls(name, 0, 200.0)
    assert here == there


def test_prompts_grow_for_the_share_of_calls_that_the_fault_names() -> None:
    world = World(Scenario.load("hard-mis-long-prompts"), 0)
    at = int(world.plans[0].at)
    rows = demand(world, 1.0, 600, 3, 0.04).arrivals
    before, after = rows[:at], rows[at + 1 : at + 60]
    assert np.all(before[before[:, 0] > 0, 1] == 1024.0)
    assert after[after[:, 0] > 0, 1].mean() > 1.5 * 1024.0


def test_users_of_a_closed_loop_come_once_by_themselves_and_then_again() -> None:
    world = World(Scenario.load("hard-conc-two-gpus"), 0)
    asked = demand(world, 1.0, 600, 3, 0.04)
    assert asked.arrivals[:, 0].sum() == world.spec.workload.arrivals.concurrency.users
    assert asked.again.tolist() == [1.0, 1.0] and asked.think == 3.0


def test_later_turns_of_a_conversation_are_longer_and_partly_cached() -> None:
    world = World(Scenario.load("hard-prop-gateway-delay"), 0)
    asked = demand(world, 1.0, 600, 3, 0.04)
    prompt, _, computed = asked.returning
    first = asked.arrivals[asked.arrivals[:, 0] > 0]
    assert prompt > 2.0 * first[:, 1].mean()
    assert computed < prompt and np.all(first[:, 3] <= first[:, 1])
