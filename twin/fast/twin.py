"""The fast twin: thousands of clusters at once, as an environment of pure functions (gymnax's interface)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.actions import CATEGORIES
from twin.env import ACTION_COST
from twin.fast import inference, openstack
from twin.fast.cluster import Cluster, Tick
from twin.fast.errors import CompileError, NotCompiledError
from twin.fast.observing import observe
from twin.scenario import Scenario, Suite
from twin.spaces import Layout
from twin.world import World

CLUSTERS: Mapping[str, Cluster] = {"inference": inference, "openstack": openstack}  # type: ignore[dict-item]
"""By `spec.cluster.kind`."""
EPISODES = 16
"""Seeds of each scenario that are drawn beforehand, where nothing else is asked."""
TICKS = 10
"""Ticks of a decision."""
COST = np.array([ACTION_COST[category] for category in CATEGORIES], np.float32)


@dataclass(frozen=True)
class Params:
    """What an environment may be given at each call."""

    interval_seconds: float
    """Between decisions."""
    window_seconds: float
    """Over which the SLO is judged."""
    warmup_seconds: float
    """Lived through before the first decision."""


@dataclass(frozen=True)
class Origin:
    """Of what an episode was made."""

    scenario: str
    seed: int
    components: tuple[str, ...]
    """Names, in the order of the arrays."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Lane:
    """One cluster of a batch."""

    episode: Array
    """[] int32: which of the pool it lives through."""
    state: Any
    """Of its cluster."""
    illegal: Array
    """[] actions that were not legal in this episode."""


@dataclass(frozen=True, eq=False)
class FastTwin:
    """A pool of episodes of one or more scenarios, and what is the same in all of them.

    `reset` and `step` are for one lane, to be used under `jax.vmap`; `step` begins another episode when one ends (in
    the same step, as gymnax does).
    """

    cluster: Cluster
    pool: Any
    """[E, …]"""
    begun: Any
    """[E, …] each episode after its warm-up."""
    constant: dict[str, Array]
    """[E, N] kind, [E, N, N] adjacent."""
    last: Array
    """[E] int32: ticks of each episode."""
    default_params: Params
    ticks: int
    origins: tuple[Origin, ...]
    """[E]"""
    chance: bool = True

    @property
    def tick_seconds(self) -> float:
        """Of one tick."""
        return self.default_params.interval_seconds / self.ticks

    @property
    def components(self) -> int:
        """N, the padded number of components."""
        return int(self.pool.role.shape[1])

    @cached_property
    def num_actions(self) -> tuple[int, int, int]:
        """Categories, targets, parameters."""
        return len(CATEGORIES), self.components, 2

    def world(self, number: Array) -> Any:
        """One episode of the pool."""
        return jax.tree.map(lambda field: field[number], self.pool)

    def reset(self, key: Array, params: Params | None = None) -> tuple[dict[str, Array], Lane]:
        """Begin an episode, drawn from the pool."""
        choose, luck = jax.random.split(key)
        return self.begin(jax.random.randint(choose, (), 0, len(self.last)), luck)

    def step(
        self, key: Array, lane: Lane, action: Array, params: Params | None = None
    ) -> tuple[dict[str, Array], Lane, Array, Array, dict[str, Array]]:
        """Order an action [3], live until the next decision, and begin anew where the episode is over.

        Returns observation, lane, reward, done and info: `loss` and `violated` seconds of the decision, `illegal`
        actions of the episode so far."""
        lived, reward, flow, info = self._decide(lane, action)
        done = self._over(lived)
        choose, luck = jax.random.split(key)
        anew = self._lane(jax.random.randint(choose, (), 0, len(self.last)), luck)
        following = jax.tree.map(partial(jnp.where, done), anew, lived)
        # Nothing of the episode that ended is told of the one that begins.
        still = self.cluster.still(self.world(following.episode))
        flow = jax.tree.map(partial(jnp.where, done), still, flow)
        return self._observe(following, flow), following, reward, done, info

    def begin(self, number: Array, luck: Array) -> tuple[dict[str, Array], Lane]:
        """Begin one episode of the pool, after its warm-up."""
        lane = self._lane(number, luck)
        return self._observe(lane, self.cluster.still(self.world(number))), lane

    def go_on(self, lane: Lane, action: Array) -> tuple[dict[str, Array], Lane, Array, Array, dict[str, Array]]:
        """As `step`, without beginning anew: what is told after the end of the episode means nothing."""
        lived, reward, flow, info = self._decide(lane, action)
        return self._observe(lived, flow), lived, reward, self._over(lived), info

    def _decide(self, lane: Lane, action: Array) -> tuple[Lane, Array, Any, dict[str, Array]]:
        """One decision: lane, reward, what came through, and info."""
        following, legal, told = self.live_on(self.world(lane.episode), lane, action)
        dt, seconds = self.tick_seconds, self.default_params.interval_seconds
        loss = told.loss.sum() * dt
        reward = -loss - jnp.where(legal, jnp.asarray(COST)[action[0]], 0.0)
        flow = jax.tree.map(lambda each: each.sum(axis=0) / seconds, told.flow)
        info = {"loss": loss, "violated": told.violated.sum() * dt, "illegal": following.illegal}
        return following, reward, flow, info

    def _over(self, lane: Lane) -> Array:
        over: Array = lane.state.tick >= self.last[lane.episode]
        return over

    def live_on(self, world: Any, lane: Lane, action: Array) -> tuple[Lane, Array, Tick]:
        """The same, tick by tick: lane, whether the action was legal, and what is told of each tick."""
        dt = self.tick_seconds
        state, legal = self.cluster.order(world, lane.state, action, lane.state.tick * dt)
        state, told = jax.lax.scan(
            lambda s, _: self.cluster.live(world, s, dt, self.chance), state, None, length=self.ticks
        )
        return Lane(lane.episode, state, lane.illegal + ~legal), legal, told

    def whole(self, number: Array, actions: Array, luck: Array) -> Tick:
        """An episode of the pool from the end of its warm-up, with `actions` [D, 3]; what is told of each of D x k
        ticks."""
        world = self.world(number)

        def decision(lane: Lane, action: Array) -> tuple[Lane, Tick]:
            following, _, told = self.live_on(world, lane, action)
            return following, told

        _, told = jax.lax.scan(decision, self._lane(number, luck), actions)
        flat: Tick = jax.tree.map(lambda field: field.reshape(-1, *field.shape[2:]), told)
        return flat

    def _lane(self, number: Array, luck: Array) -> Lane:
        state = jax.tree.map(lambda field: field[number], self.begun)
        return Lane(number, replace(state, luck=luck), jnp.int32(0))

    def _observe(self, lane: Lane, flow: Any) -> dict[str, Array]:
        constant = {name: value[lane.episode] for name, value in self.constant.items()}
        now = lane.state.tick * self.tick_seconds
        return observe(self.cluster, self.world(lane.episode), constant, lane.state, flow, now)


def compile(
    what: str | Scenario | Suite | Sequence[Scenario],
    seeds: Iterable[int] = range(EPISODES),
    ticks: int = TICKS,
    chance: bool = True,
) -> FastTwin:
    """Scenarios as arrays: every scenario under every seed is drawn once, for resets to choose from.

    `what` is a scenario, the name or file of one, a suite, or several scenarios. Raises NotCompiledError for what the
    arrays do not have, ScenarioError for a scenario that cannot be built, CompileError for one with more components
    than the largest padded size or where clusters, control intervals or SLO windows differ.
    """
    drawn = list(seeds)
    return compile_worlds([World(scenario, seed) for scenario in _scenarios(what) for seed in drawn], ticks, chance)


def compile_worlds(worlds: Sequence[World], ticks: int = TICKS, chance: bool = True) -> FastTwin:
    """The same of worlds that have not lived yet, one episode each."""
    specs = [world.spec for world in worlds]
    for name, values in (
        ("cluster.kind", {spec.cluster.kind for spec in specs}),
        ("control.interval", {spec.control.interval for spec in specs}),
        ("control.warmup", {spec.control.warmup for spec in specs}),
        ("slo.window", {spec.slo.window for spec in specs}),
    ):
        if len(values) > 1:
            raise CompileError(f"scenarios with {name} of {', '.join(sorted(map(str, values)))} in one twin")
    if any(spec.control.stop_when_healthy for spec in specs):
        raise NotCompiledError("control.stopWhenHealthy")
    spec = specs[0]
    cluster = cluster_of(spec.cluster.kind)
    tick = spec.control.interval / ticks
    layouts = [Layout(world.topology) for world in worlds]
    size = max(_size(layout, world) for layout, world in zip(layouts, worlds, strict=True))
    shape = cluster.shape(worlds, tick, size)
    pool = _stacked([cluster.episode(world, tick, shape) for world in worlds])
    window = max(1, round(spec.slo.window / tick))
    params = Params(spec.control.interval, spec.slo.window, spec.control.warmup)
    warm = round(spec.control.warmup / tick)

    def warmed(world: Any, luck: Array) -> Any:
        begun = cluster.first(world, luck, window, tick)
        return jax.lax.scan(lambda s, _: (cluster.live(world, s, tick, chance)[0], None), begun, None, length=warm)[0]

    lucks = jax.random.split(jax.random.key(0), len(worlds))
    return FastTwin(
        cluster=cluster,
        pool=pool,
        begun=jax.jit(jax.vmap(warmed))(pool, lucks),
        constant=_constant(layouts, size),
        last=jnp.array([int(spec.horizon / tick) for spec in specs], jnp.int32),
        default_params=params,
        ticks=ticks,
        origins=tuple(
            Origin(world.scenario.metadata.name, world.spec.seed, tuple(world.components)) for world in worlds
        ),
        chance=chance,
    )


def _size(layout: Layout, world: World) -> int:
    try:
        return layout.size
    except ValueError as error:
        raise CompileError(f"{world.scenario.metadata.name}: {error}") from None


def compile_each(
    what: str | Scenario | Suite | Sequence[Scenario],
    seeds: Iterable[int] = range(EPISODES),
    ticks: int = TICKS,
    chance: bool = True,
) -> tuple[FastTwin, ...]:
    """As `compile`, for scenarios of several kinds or sizes of cluster: a twin for each."""
    drawn, groups = list(seeds), dict[Shared, list[World]]()
    for scenario in _scenarios(what):
        for world in (World(scenario, seed) for seed in drawn):
            groups.setdefault(shared(world), []).append(world)
    return tuple(compile_worlds(worlds, ticks, chance) for worlds in groups.values())


class Shared(NamedTuple):
    """What the episodes of one twin have in common."""

    kind: str
    size: int
    interval: float
    warmup: float
    window: float


def shared(world: World) -> Shared:
    """What a world must share with others to be compiled with them."""
    spec = world.spec
    size = _size(Layout(world.topology), world)
    return Shared(spec.cluster.kind, size, spec.control.interval, spec.control.warmup, spec.slo.window)


def cluster_of(kind: str) -> Cluster:
    """The functions of a kind of cluster. Raises NotCompiledError."""
    if kind not in CLUSTERS:
        raise NotCompiledError(f"a cluster of kind {kind}")
    return CLUSTERS[kind]


def _stacked(episodes: Sequence[Any]) -> Any:
    """Episodes of one shape with a leading axis."""
    return jax.tree.map(lambda *fields: jnp.asarray(np.stack(fields)), *episodes)


def _scenarios(what: Any) -> list[Scenario]:
    if isinstance(what, Suite):
        return list(what.scenarios)
    if isinstance(what, Scenario):
        return [what]
    if isinstance(what, str):
        return [Scenario.load(what)]
    return list(what)


def _constant(layouts: Sequence[Layout], size: int) -> dict[str, Array]:
    kind = np.zeros((len(layouts), size), np.int32)
    adjacent = np.zeros((len(layouts), size, size), np.int8)
    for i, layout in enumerate(layouts):
        kind[i, : layout.size] = layout.kind
        adjacent[i, : layout.size, : layout.size] = layout.adjacent
    return {"kind": jnp.asarray(kind), "adjacent": jnp.asarray(adjacent)}
