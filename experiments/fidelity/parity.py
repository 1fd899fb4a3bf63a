"""Component by component, with no noise: a tick of the arrays beside a plain version, and a minute beside SimPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.fidelity import parity_cloud, plain
from experiments.fidelity.line import SIMPY_BAR, TICK_BAR, Line, apart, deaths_apart, relative
from experiments.fidelity.plain import Kernels, Life
from twin import fast
from twin.fast.conditions import present
from twin.fast.inference import engines
from twin.fast.inference.channels import CHANNEL
from twin.fast.inference.episodes import GATEWAY, HEAD, Episode
from twin.fast.inference.state import State
from twin.mechanics.supervision import RELIST
from twin.scenario import Scenario
from twin.world import World

TICKS = 10
"""Of a decision."""

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {{name: parity, title: Equal requests at equal intervals, labels: {{family: none}}}}
spec:
  cluster: {{kind: inference, preset: small, replicas: {replicas}, spares: 0}}
  workload: {{arrivals: {{constant: {rate}/s}}, prompt: 1024, output: 128}}
  {faults}
  slo: {{ttftP99: 2s, e2eP99: 20s, success: 99%}}
  horizon: 405s
  telemetry: off
"""
CAP = """faults:
    - {name: cap, kind: GPUChaos, action: powerCap, powerLimit: 100W, at: 100s,
       selector: {pods: {ray: [ray-replicas-0]}}}"""
LOOP = """faults:
    - {name: loop, kind: ProcessChaos, action: crash, layer: container, at: 100s,
       selector: {pods: {ray: [ray-replicas-0]}}}"""


def parity() -> Iterator[Line]:
    """All components of both clusters."""
    yield from ticks()
    yield from minutes()
    yield from parity_cloud.ticks()
    yield from parity_cloud.minutes()


# --- one tick, beside the plain version --------------------------------------------------------------------------


def ticks() -> Iterator[Line]:
    """Every tick of an episode with each fault: what the arrays make of its state, and what the plain version does."""
    worst: dict[tuple[str, str], float] = {}
    for faults in (CAP, LOOP):
        world, lived = _lived(faults)
        for t in range(1, len(lived.state.tick)):
            before, after, told = (jax.tree.map(lambda f, at=at: f[at], part) for part, at in _around(lived, t))
            for key, one, other in _compared(world, before, after, told):
                worst[key] = max(worst.get(key, 0.0), apart(one, other))
    yield from (Line(*key, "plain", error, TICK_BAR) for key, error in worst.items())
    yield Line("gpu", "decode, prompt", "plain", _capped_apart(), TICK_BAR)


@dataclass(frozen=True)
class _Lived:
    """States after each tick, and what was told of it: [T, …]."""

    state: State
    told: fast.Tick


def _around(lived: _Lived, t: int) -> list[tuple[Any, int]]:
    return [(lived.state, t - 1), (lived.state, t), (lived.told, t)]


@cache
def _lived(faults: str, replicas: int = 3, rate: float = 4.0) -> tuple[Episode, _Lived]:
    """An episode without noise from its first tick on, tick by tick."""
    scenario = Scenario.parse(SCENARIO.format(replicas=replicas, rate=rate, faults=faults))
    twin = fast.compile(scenario, (0,), TICKS, chance=False)
    world = jax.tree.map(lambda field: field[0], twin.pool)
    window = int(twin.begun.judged.good.shape[-1])
    dt = twin.tick_seconds

    def tick(state: State, _: None) -> tuple[State, tuple[State, fast.Tick]]:
        state, told = twin.cluster.live(world, state, dt, False)
        return state, (state, told)

    first = twin.cluster.first(world, jax.random.key(0), window, dt)
    length = int(twin.last[0])
    _, (states, told) = jax.jit(lambda s: jax.lax.scan(tick, s, None, length=length))(first)
    keep = jax.tree.map(np.asarray, (world, jax.tree.map(_without_keys, states), told))
    return keep[0], _Lived(keep[1], keep[2])


def _without_keys(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


Compared = tuple[tuple[str, str], Any, Any]


def _compared(world: Episode, before: State, after: State, told: fast.Tick) -> Iterator[Compared]:
    """(component, quantity), by the arrays, by the plain version."""
    dt, replicas = 1.0, len(world.exists)
    now = float(before.tick) * dt + dt / 2.0
    on = np.asarray(present(world.conditions, jnp.asarray(before.healed), jnp.float32(now)))
    channel = _channels(world, on, replicas)

    lives = []
    for p in range(len(before.up)):
        was = Life(bool(before.up[p]), float(before.ready[p]), float(before.born[p]), float(before.deaths[p]))
        takes = float(world.start[p, int(before.fresh[p])])
        soonest = RELIST if p < replicas else 0.0
        doomed = channel[p, CHANNEL["doomed"]] > 0.0
        lives.append(plain.life(was, doomed, takes, float(world.fails[p]), soonest, now))
    yield ("process", "up"), after.up, [one.up for one in lives]
    yield ("process", "ready, deaths"), [*after.ready, *after.deaths], [
        *(one.ready for one in lives), *(one.deaths for one in lives)
    ]  # fmt: skip

    arrived = float(world.arrivals[int(before.tick), 0])
    opens = lives[replicas + HEAD].up and lives[replicas + GATEWAY].up
    entered, refused = plain.admitted(arrived, float(before.limit), now < float(before.limited), dt, opens)
    yield ("gateway", "refused"), told.counts.refused, refused

    elsewhere = before.undelivered + before.answered
    queues = [float(before.decoding[r].sum() + before.queued[r] + elsewhere[r]) for r in range(replicas)]
    takes_some = [bool(before.deployed[r] and lives[r].up and queues[r] < world.ongoing) for r in range(replicas)]
    shares = plain.shares(queues, takes_some, float(world.free.preference))
    routed = [(entered + float(before.waiting)) * share for share in shares]
    yield ("router", "requests"), told.counts.routed, routed

    kernels = Kernels(
        world.step.tolist(), world.prefill.tolist(), world.mixed.tolist(), world.host.tolist(), float(world.budget),
        float(before.sequences[0]), float(world.most[1]), float(world.vary[1]), bool(world.caching),
    )  # fmt: skip
    decode, prefill = channel[:replicas, CHANNEL["decode"]], channel[:replicas, CHANNEL["prefill"]]
    worked = _worked(world, before, after, decode, prefill, routed)
    for r in range(replicas):
        if lives[r].up and before.up[r]:
            stages, queued = before.decoding[r].tolist(), float(before.queued[r])
            slower, asked = (float(decode[r]), float(prefill[r])), (float(after.asked[0]), float(after.asked[1]))
            one = plain.engine(kernels, stages, queued, routed[r], float(after.rate[r]), asked, slower, dt)
            yield ("engine", "completed"), worked.completed[r], one.completed
            yield ("engine", "running, queued"), [*worked.decoding[r], worked.queued[r]], [*one.stages, one.queued]

    newest = int(before.tick) % after.judged.good.shape[1]
    loss, violated = plain.judged(
        after.judged.good.tolist(), after.judged.bad.tolist(), world.objective[:, 0].tolist(), newest
    )
    yield ("SLO", "loss, violated"), [told.loss, told.violated], [loss, violated]


@dataclass(frozen=True)
class _Worked:
    decoding: NDArray[np.float32]
    queued: NDArray[np.float32]
    completed: NDArray[np.float32]


@jax.jit
def _work(world: Episode, state: State, pace: Any, routed: Any, rate: Any, lengths: Any) -> tuple[Any, ...]:
    done = engines.work(world, state, engines.Pace(*pace), routed, rate, lengths, 1.0)
    return done.decoding, done.queued, done.completed


def _worked(world: Episode, before: State, after: State, decode: Any, prefill: Any, routed: Any) -> _Worked:
    """What the arrays' engines do, on idle hosts."""
    same = np.ones(len(routed), np.float32)
    pace = (decode, prefill, same, same > 0.0, before.sequences, same * world.most[1])
    found = _work(world, before, pace, np.array(routed, np.float32), after.rate, after.asked)
    return _Worked(*map(np.asarray, found))


def _channels(world: Episode, on: NDArray[np.bool_], replicas: int) -> NDArray[np.float32]:
    """[P, E] what the conditions that hold do to each program: on itself, or on the GPU of its own seat."""
    found = np.zeros((len(world.start), world.conditions.channels.shape[1]), np.float32)
    for k in np.flatnonzero(on):
        place = int(world.conditions.place[k])
        program = int(world.index[place])  # of a GPU: its seat, which is its replica's while nothing has moved
        found[program] = np.maximum(found[program], world.conditions.channels[k])
    return found


def _capped_apart() -> float:
    world = World(Scenario.parse(SCENARIO.format(replicas=3, rate=4.0, faults=CAP)), 0)
    replica = world.cluster.router.replicas[0]  # type: ignore[attr-defined]
    slower = plain.capped(replica.gpu.model, replica.model, len(replica.gpus), 100.0, 16, 1024, 128)
    episode, _ = _lived(CAP)
    given = episode.conditions.channels[0, [CHANNEL["decode"], CHANNEL["prefill"]]]
    return apart(given, slower)


# --- a minute, beside SimPy --------------------------------------------------------------------------------------

BEGIN, END = 60, 180
"""Seconds that are compared: two minutes after the warm-up."""


def minutes() -> Iterator[Line]:
    """One engine under equal requests, the router before equal replicas, a process in a crash loop."""
    yield from _engine_minutes()
    yield from _router_minutes()
    yield _crash_loop()


def _engine_minutes() -> Iterator[Line]:
    for rate in (0.5, 1.0, 2.0, 2.5):  # an engine answers 2.1 a second
        world = World(Scenario.parse(SCENARIO.format(replicas=1, rate=rate, faults="")), 0)
        (replica,) = world.cluster.router.replicas  # type: ignore[attr-defined]
        served, running = [], []
        for second in range(1, END * 10 + 1):
            world.run(until=second / 10.0)
            if second >= BEGIN * 10:
                running.append(replica.engine.running + replica.engine.queued)
                served.append(_answered(world))
        _, lived = _lived("", 1, rate)
        here = float(lived.told.completed[BEGIN:END].sum())
        queue = float(lived.told.queue[BEGIN:END].mean())
        name = f"engine, {rate:g} requests/s"
        yield Line(name, "completed", "SimPy", relative(here, served[-1] - served[0]), SIMPY_BAR)
        yield Line(name, "running and waiting", "SimPy", relative(queue, float(np.mean(running))), SIMPY_BAR)


def _answered(world: World) -> float:
    """Requests that replicas have answered."""
    return float(world.cluster.router._completed)  # type: ignore[attr-defined]


def _router_minutes() -> Iterator[Line]:
    world = World(Scenario.parse(SCENARIO.format(replicas=3, rate=8.0, faults="")), 0)
    replicas = world.cluster.router.replicas  # type: ignore[attr-defined]
    routed = dict.fromkeys((replica.name for replica in replicas), 0)
    for replica in replicas:
        replica.submit = _counting(replica.submit, replica.name, routed)
    world.run(until=400.0)
    _, lived = _lived("", 3, 8.0)
    ours = lived.told.counts.routed.sum(axis=0)
    theirs = np.array(list(routed.values()), float)
    yield Line(
        "router",
        "shares of requests",
        "SimPy",
        float(np.abs(ours / ours.sum() - theirs / theirs.sum()).max()),
        SIMPY_BAR,
    )


def _counting(submit: Any, name: str, routed: dict[str, int]) -> Any:
    def counted(request: Any) -> None:
        routed[name] += 1
        submit(request)

    return counted


def _crash_loop() -> Line:
    """The deaths of a process in a crash loop, by when they come after the first."""
    world = World(Scenario.parse(SCENARIO.format(replicas=3, rate=4.0, faults=LOOP)), 0)
    replica = world.cluster.router.replicas[0]  # type: ignore[attr-defined]
    theirs, deaths = [], 0
    for tenth in range(1000, 4050):
        world.run(until=tenth / 10.0)
        if replica.deaths > deaths:
            deaths = replica.deaths
            theirs.append(tenth / 10.0)
    _, lived = _lived(LOOP)
    counts = lived.state.deaths[:, 0]
    ours = np.flatnonzero(np.diff(counts) > 0) + 1.0
    return deaths_apart("process", ours, theirs)
