"""A release in which a call is wrong, as arrays: whom it harms, what cures it, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.fidelity.coverage import missing
from twin import fast
from twin.fast.openstack import kept, mutations
from twin.fast.openstack.flows import measured
from twin.fast.openstack.kept import found
from twin.fast.openstack.mutations import Mutated
from twin.fast.openstack.probing import Found, case
from twin.fast.orders import NUMBER
from twin.scenario import Scenario
from twin.world import World

THROWS = "mutation-nova-quota-check-throws"
LOSES = "mutation-nova-no-candidates"
SEEDS = (0, 1)


@pytest.fixture(scope="module", autouse=True)
def own_probes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that was kept before is taken for true."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "_folder", lambda: tmp_path_factory.getbasetemp())
        yield


def of(name: str) -> Found:
    world = World(Scenario.load(name, ("spec.telemetry=off",)), 0)
    component, condition = world.plans[0].conditions[0]
    return found(case(world, world.spec.workload.all_loads()[0], condition, component.kind))


def phase(step: int) -> str:
    return str(measured()["scripts"]["deployment"][step]["phase"])


@cache
def twin() -> fast.FastTwin:
    return fast.compile(Scenario.load(THROWS, ("spec.telemetry=off", "spec.horizon=1100s")), SEEDS)


@cache
def run():
    return jax.jit(jax.vmap(twin().whole))


def failed(category: str) -> np.ndarray:
    """[2, T] runs that fail, with one action at the mutated program soon after its release."""
    decisions = (int(twin().last[0]) - int(twin().begun.tick[0])) // twin().ticks
    begins = np.asarray(twin().pool.conditions.begins[:, 0])
    actions = np.zeros((len(SEEDS), decisions, 3), np.int32)
    for i, place in enumerate(np.asarray(twin().pool.conditions.place[:, 0])):
        at = int((begins[i] + 20.0 - float(twin().begun.tick[i])) / twin().default_params.interval_seconds)
        actions[i, at] = NUMBER[category], place, 1
    lucks = jax.random.split(jax.random.key(0), len(SEEDS))
    return np.asarray(run()(jnp.arange(len(SEEDS)), jnp.asarray(actions), lucks).failed)


def test_a_check_that_throws_breaks_the_call_that_it_is_in_and_nothing_else() -> None:
    (way,) = of(THROWS).ways
    assert (phase(way.step), way.share, way.flaw) == ("server create", 1.0, 0)
    assert list(way.broken.values()) == [1.0] and not way.refused and not way.unseen
    assert way.rest > 30.0  # what was made before has to go
    assert of(THROWS).broken == {"nova-api servers.create": 1.0}


def test_an_answer_that_gets_lost_fails_what_goes_on_behind_the_call() -> None:
    (way,) = of(LOSES).ways
    assert (phase(way.step), way.flaw, way.stage) == ("server create", 1, 0)
    assert [phase(step) for step in way.unseen] == ["instance active"]
    assert [phase(step) for step, _ in way.refused] == ["server add floating ip"]
    assert not way.broken  # nobody was told of an error


def test_runs_fail_from_the_release_on() -> None:
    released = np.asarray(twin().pool.conditions.begins[:, 0]) - np.asarray(twin().begun.tick)
    ticks = failed("noop")
    for seed in range(len(SEEDS)):
        assert ticks[seed, : int(released[seed])].sum() == 0.0
        assert ticks[seed, int(released[seed]) :].sum() >= 2.0


@pytest.mark.parametrize(("category", "cures"), [("rollback-config", True), ("restart", False)])
def test_the_last_configuration_cures_what_a_new_process_does_not(category: str, cures: bool) -> None:
    """The mutation sits in what was rolled out, so that a new process runs it again."""
    later = int(np.asarray(twin().pool.conditions.begins[:, 0]).max()) + 150  # who was on the way has failed by then
    assert bool(failed(category)[:, later:].sum() == 0.0) is cures


def way(host: int = -1, share: tuple[float, float] = (0.0, 1.0)) -> Mutated:
    """One way, which shows at row 2 and breaks row 3."""
    rows = np.zeros((1, 5), np.float32)
    none, nothing = np.full(1, -1, np.int32), np.zeros(1, np.float32)
    return Mutated(
        condition=np.zeros(1, np.int32), host=np.full(1, host, np.int32), row=np.full(1, 2, np.int32), stage=none,
        share=np.array(share, np.float32)[:, None], flaw=nothing, after=nothing, refused=rows,
        broken=np.eye(5, dtype=np.float32)[3:4], unseen=rows, slower=rows, rest=nothing, swept=nothing,
        others=np.zeros((1, 1), np.float32),
    )  # fmt: skip


def led(faults: Mutated, on: bool, ways: list[int], rows: list[int], hosts: list[int]) -> mutations.Astray:
    numbers = [jnp.array(values, jnp.int32) for values in (ways, rows, hosts)]
    return mutations.astray(faults, jnp.array([on]), *numbers, jnp.zeros(len(rows)), jnp.uint32(7))


def test_who_is_led_astray_stays_so_when_the_release_is_gone() -> None:
    assert led(way(), True, [0, 0], [2, 3], [-1, -1]).way.tolist() == [1, 0]
    later = led(way(), False, [1, 0], [3, 3], [-1, -1])
    assert later.broken.tolist() == [True, False]


def test_a_release_on_one_host_concerns_who_is_on_it() -> None:
    assert led(way(host=1), True, [0, 0, 0], [2, 2, 2], [-1, 0, 1]).way.tolist() == [0, 0, 1]


def test_a_share_of_the_runs_is_drawn_run_by_run() -> None:
    many = led(way(share=(0.25, 0.75)), True, [0] * 4000, [2] * 4000, [-1] * 4000)
    assert 0.45 < float((many.way > 0).mean()) < 0.55


def test_mutations_are_covered() -> None:
    assert missing(THROWS) == ""
