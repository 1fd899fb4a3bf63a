"""How clients go about their servers: one after the other, several kept, polls by list."""

from __future__ import annotations

from itertools import pairwise

import pytest

from twin import Action, Scenario, World
from twin.scenario import ScenarioError

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: habits}
spec:
  cluster: {kind: openstack, preset: small, computes: 1, spares: 0}
  workload: WORKLOAD
  horizon: 400s
"""


def lived(workload: str) -> World:
    world = World(Scenario.parse(SCENARIO.replace("WORKLOAD", workload)), seed=3)
    world.run()
    return world


def said(world: World, *texts: str) -> list[tuple[float, str]]:
    return [
        (line.time, next(text for text in texts if text in line.text))
        for line in world.log_lines(0.0, world.now)
        if line.component == "nova-api" and any(text in line.text for text in texts)
    ]


def test_a_closed_loop_begins_the_next_life_when_one_is_over_and_thought_about() -> None:
    world = lived("{arrivals: {concurrency: {users: 1, think: 10s}}, lifetime: 6s}")
    turns = said(world, "POST /v2.1/servers HTTP", "DELETE /v2.1/servers/")
    kinds = [what[:4] for _, what in turns]
    assert len(kinds) > 10
    assert kinds == ["POST", "DELE"] * (len(kinds) // 2) + ["POST"] * (len(kinds) % 2)
    gone = [time for time, what in turns if what.startswith("DELETE")]
    begun = [time for time, what in turns if what.startswith("POST")][1:]
    assert all(10.0 < again - end < 16.0 for end, again in zip(gone, begun, strict=False))


def test_a_client_that_keeps_nine_deletes_the_eldest_after_the_ninth() -> None:
    world = lived("{arrivals: {concurrency: {users: 1, think: 5s}}, client: {keep: 9}}")
    turns = [what[:4] for _, what in said(world, "POST /v2.1/servers HTTP", "DELETE /v2.1/servers/")]
    assert turns[:13] == ["POST"] * 9 + ["DELE", "POST", "DELE", "POST"]


def test_a_client_may_list_twice_and_sleep_until_its_server_is_there() -> None:
    world = lived(
        "{arrivals: {concurrency: {users: 1, think: 10s}}, lifetime: 6s, client: {poll: list, polls: 2, every: 1s}}"
    )
    lists = [time for time, _ in said(world, "GET /v2.1/servers/detail")]
    begun = [time for time, _ in said(world, "POST /v2.1/servers HTTP")]
    first = [time for time in lists if begun[0] < time < begun[1]]
    gaps = [after - before for before, after in pairwise(first)]
    assert 24 <= len(first) <= 48  # a build of 20 s, in pairs that take a second and a half
    assert min(gaps) < 0.5 and sum(1.0 < gap < 2.0 for gap in gaps) > 8


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        ("{arrivals: {poisson: 6/min}, client: {keep: 9}}", "give concurrency"),
        (
            "{arrivals: {concurrency: {users: 1}}, lifetime: 5s, client: {keep: 9}}",
            "leave one of keep and lifetime out",
        ),
        ("{arrivals: {concurrency: {users: 1}}, client: {poll: all}}", "Input should be 'show' or 'list'"),
    ],
)
def test_habits_that_contradict_each_other_are_refused(workload: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        Scenario.parse(SCENARIO.replace("WORKLOAD", workload))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_client_whose_new_token_is_refused_too_has_learnt_nothing_and_looks_again(seed: int) -> None:
    """Half of keystone's processes refuse what the others issue, and no cache knows better."""
    workload = "{arrivals: {constant: 10/min}, lifetime: 20s}"
    fault = "{name: keys, kind: IdentityChaos, action: tokenFailure, share: 0.5, selector: SELECTOR, at: 60s}"
    faults = fault.replace("SELECTOR", "{components: [keystone]}")
    text = SCENARIO.replace("WORKLOAD", workload).replace("  horizon", f"  faults: [{faults}]\n  horizon")
    world = World(Scenario.parse(text), seed=seed)
    for time in range(80, 400, 20):
        world.run(until=time)
        world.apply(Action("restart", "memcached", "immediate"))
    world.run()
    unauthorized = [line for line in world.log_lines(0.0, world.now) if " status: 401 " in line.text]
    workload_of = world.cluster.workload  # type: ignore[attr-defined]
    assert unauthorized and workload_of.completed + workload_of.abandoned > 10


def test_what_a_servers_programs_want_is_forgotten_with_the_server() -> None:
    world = lived("{arrivals: {constant: 20/min}, lifetime: 15s, client: {load: 0.2}}")
    site = world.cluster.site  # type: ignore[attr-defined]
    assert world.cluster.workload.completed > 50  # type: ignore[attr-defined]
    assert set(site.dataplane.demand) <= set(site.tables.servers)
