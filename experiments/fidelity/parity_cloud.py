"""Component by component of the OpenStack cloud: a tick of the arrays beside a plain version, minutes beside SimPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.fidelity import plain_cloud as plain
from experiments.fidelity.line import SIMPY_BAR, TICK_BAR, Line, apart, deaths_apart, relative
from twin import fast
from twin.fast.openstack.components import AMQP, ROLES
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.felt import felt
from twin.fast.openstack.services import brokered
from twin.fast.openstack.state import State
from twin.openstack.oslo.service import Service
from twin.scenario import Scenario
from twin.world import World

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {{name: parity, title: Servers come and go at equal intervals, labels: {{family: none}}}}
spec:
  cluster: {{kind: openstack, preset: small}}
  workload: {{arrivals: {{constant: 3.7/min}}, lifetime: 120s}}
  {faults}
  slo: {{apiP99: 2s, createP95: 60s, success: 99%}}
  horizon: {horizon}s
  telemetry: off
"""
DEATHS = """faults:
    - {name: loop, kind: ProcessChaos, action: crash, layer: container, at: 100s,
       selector: {components: [nova-api]}}
    - {name: once, kind: ProcessChaos, action: crash, layer: process, at: 100s,
       selector: {components: [nova-conductor]}}
    - {name: stopped, kind: ServiceChaos, action: stop, at: 200s, duration: 60s,
       selector: {components: [glance-api]}}"""
SLOW = """faults:
    - {name: slow, kind: DatabaseChaos, action: slow, factor: 10, at: 100s, selector: {components: [mysql-0]}}"""
SETTLED = 150
"""Seconds after which what is slow has been so for a while."""


# --- one tick, beside the plain version --------------------------------------------------------------------------


def ticks() -> Iterator[Line]:
    """Every tick of an episode in which one service dies at every start, one once, and one is stopped for a while."""
    worst: dict[tuple[str, str], float] = {}
    world, lived = _lived(DEATHS, 420)
    given = jax.tree.map(np.asarray, _given(world, lived.before))
    for t in range(len(lived.states.tick)):
        tick = (jax.tree.map(lambda field, t=t: field[t], part) for part in (lived.before, lived.states, given))
        for key, one, other in _compared(world, *tick):
            worst[key] = max(worst.get(key, 0.0), apart(one, other))
    yield from (Line(*key, "plain", error, TICK_BAR) for key, error in worst.items())


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Given:
    """What a tick gives each component: [T, N]."""

    doomed: Any
    halted: Any
    broker: Any
    """Whether a client there reaches the broker."""
    conductor: Any
    """[T] whether nova-conductor runs."""


@jax.jit
def _given(world: Episode, states: State) -> Given:
    def each(state: State) -> Given:
        now = state.tick.astype(jnp.float32)
        channel = felt(world, state, now + 0.5)
        conductor = jnp.asarray(world.components.single)[ROLES.index("nova-conductor")]
        return Given(
            channel.of("doomed") > 0.0, channel.of("halted") > 0.0, brokered(world, state, channel, now),
            state.programs.up[conductor],
        )  # fmt: skip

    return jax.vmap(each)(states)


Compared = tuple[tuple[str, str], Any, Any]


def _compared(world: Episode, before: State, after: State, given: Given) -> Iterator[Compared]:
    """(component, quantity), by the arrays, by the plain version."""
    now, parts, was = float(before.tick), world.components, before.programs
    services = [n for n in range(len(world.role)) if parts.process[n] and was.present[n]]
    names = {n: ROLES[int(world.role[n])] for n in services}
    lives = {}
    for n in services:
        reaches = bool(given.broker[n]) or names[n] not in AMQP
        reaches = reaches and (names[n] != "nova-compute" or bool(given.conductor))
        one = plain.Program(bool(was.up[n]), float(was.ready[n]), float(was.born[n]), float(was.deaths[n]))
        startup = float(parts.startup[n])
        lives[n] = plain.program(one, bool(given.doomed[n]), bool(given.halted[n]), reaches, startup, now)
    programs = after.programs
    yield ("cloud: service", "up"), programs.up[services], [one.up for one in lives.values()]
    since = [*programs.ready[services], *programs.born[services], *programs.deaths[services]]
    plainly = [value for of in ("ready", "born", "deaths") for value in (getattr(one, of) for one in lives.values())]
    yield ("cloud: service", "ready, since, deaths"), since, plainly
    checks = [plain.checked(bool(was.trusted[n]), float(was.streak[n]), lives[n].up, 1.0) for n in services]
    yield ("cloud: balancer", "up, streak"), [*programs.trusted[services], *programs.streak[services]], [
        *(trusted for trusted, _ in checks), *(streak for _, streak in checks)
    ]  # fmt: skip


@dataclass(frozen=True)
class _Lived:
    """States before and after each tick, and what was told of it: [T, …]."""

    before: State
    states: State
    told: fast.Tick


@cache
def _lived(faults: str, horizon: int) -> tuple[Episode, _Lived]:
    """An episode without noise from its first tick on, tick by tick."""
    twin = fast.compile(Scenario.parse(SCENARIO.format(faults=faults, horizon=horizon)), (0,), 10, chance=False)
    world = jax.tree.map(lambda field: np.asarray(field[0]), twin.pool)
    dt = twin.tick_seconds

    def tick(state: State, _: None) -> tuple[State, tuple[State, State, fast.Tick]]:
        after, told = twin.cluster.live(world, state, dt, False)
        return after, (state, after, told)

    first = twin.cluster.first(world, jax.random.key(0), int(twin.begun.judged.good.shape[-1]), dt)
    length = int(twin.last[0])
    _, lived = jax.jit(lambda s: jax.lax.scan(tick, s, None, length=length))(first)
    before, states, told = jax.tree.map(_without_keys, lived)
    return world, _Lived(before, states, told)


def _without_keys(leaf: Any) -> NDArray[Any]:
    return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)


# --- minutes, beside SimPy ---------------------------------------------------------------------------------------


def minutes() -> Iterator[Line]:
    """A service in a crash loop; calls in a healthy cloud, and with a database that is ten times slower."""
    yield _crash_loop()
    for name, faults in (("healthy", ""), ("statements take 10 times longer", SLOW)):
        yield _calls(name, faults)


def _crash_loop() -> Line:
    world = _quiet(DEATHS, 420)
    (service,) = (c for c in world.components.values() if c.name == "nova-api")
    theirs, deaths = [], 0
    for tenth in range(1000, 4200):
        world.run(until=tenth / 10.0)
        if service.deaths > deaths:  # type: ignore[attr-defined]
            deaths = service.deaths  # type: ignore[attr-defined]
            theirs.append(tenth / 10.0)
    episode, lived = _lived(DEATHS, 420)
    at = int(episode.components.single[ROLES.index("nova-api")])
    ours = np.flatnonzero(np.diff(lived.states.programs.deaths[:, at]) > 0) + 1.0
    return deaths_apart("cloud: service", ours, theirs)


def _calls(name: str, faults: str) -> Line:
    """The mean seconds of a client's call."""
    world = _quiet(faults, 1200)
    opened: dict[Any, float] = {}
    took: list[float] = []
    meter = world.slo
    tell_opened, tell_met = meter.opened, meter.met

    def on_opened(signal: str, key: Any, now: float) -> None:
        if signal == "api" and now >= SETTLED:
            opened[key] = now
        tell_opened(signal, key, now)

    def on_met(signal: str, key: Any, now: float) -> None:
        if signal == "api" and key in opened:
            took.append(now - opened.pop(key))
        tell_met(signal, key, now)

    meter.opened, meter.met = on_opened, on_met  # type: ignore[method-assign]
    world.run()
    _, lived = _lived(faults, 1200)
    counts = lived.told.counts
    ours = float(counts.seconds[SETTLED:].sum() / counts.requests[SETTLED:].sum())
    return Line(f"cloud: call, {name}", "seconds", "SimPy", relative(ours, float(np.mean(took))), SIMPY_BAR)


def _quiet(faults: str, horizon: int) -> World:
    """A world whose services take the same time for the same work."""
    world = World(Scenario.parse(SCENARIO.format(faults=faults, horizon=horizon)), 0)
    for component in world.components.values():
        if isinstance(component, Service):
            component.spread = 0.0
    return world
