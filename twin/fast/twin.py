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
from twin.fast import alarms, draws, inference, openstack
from twin.fast import pool as pools
from twin.fast.alarms import Rules
from twin.fast.cluster import Cluster, Tick
from twin.fast.deciding import lived
from twin.fast.errors import CompileError, NotCompiledError
from twin.fast.lanes import lanes_last
from twin.fast.observing import Layouts, observe, scrape
from twin.fast.scraping import Reading, Schedule, Scraped, nothing, rows, schedule, silence, sizes
from twin.scenario import Scenario, Suite
from twin.spaces import Layout
from twin.telemetry.dialects import absent
from twin.telemetry.features import FEATURES, hidden
from twin.world import World

CLUSTERS: Mapping[str, Cluster] = {"inference": inference, "openstack": openstack}  # type: ignore[dict-item]
"""By `spec.cluster.kind`."""
EPISODES = 16
"""Seeds of each scenario that are drawn beforehand, where nothing else is asked."""
TICKS = 10
"""Ticks of a decision."""
EPISODE = 2
"""Tells the draw of an episode from others."""
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
    scraped: Scraped
    """What the monitoring system holds of it."""


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
    scraped: Scraped
    """[E, …] what the monitoring system holds of it."""
    layouts: Layouts
    """[E, …] what never changes in observations."""
    rules: Rules
    """That alarms follow from."""
    scrapes: Schedule
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

    @cached_property
    def _common(self) -> tuple[Any, Any]:
        return pools.common(self.pool), pools.common(self.layouts)

    def world(self, number: Array) -> Any:
        """One episode of the pool."""
        return pools.one(self.pool, self._common[0], number)

    def _ahead(self, number: Array, since: Array) -> Any:
        """The episode as far as the decision at tick `since` sees of it: of what is given tick by tick its own ticks,
        which is less to read than all of them."""
        ticks = since + jnp.arange(self.ticks)
        rows = {name: getattr(self.pool, name) for name in self.cluster.TIMED}
        near = {name: every[number, jnp.minimum(ticks, every.shape[1] - 1)] for name, every in rows.items()}
        return replace(self.world(number), since=since, **near)

    def layout(self, number: Array) -> Layouts:
        """What never changes in the observations of one episode of the pool."""
        found: Layouts = pools.one(self.layouts, self._common[1], number)
        return found

    def reset(self, key: Array, params: Params | None = None) -> tuple[dict[str, Array], Lane]:
        """Begin an episode, drawn from the pool."""
        return self.begin(self._drawn(key), key)

    def step(
        self, key: Array, lane: Lane, action: Array, params: Params | None = None
    ) -> tuple[dict[str, Array], Lane, Array, Array, dict[str, Array]]:
        """Order an action [3], live until the next decision, and begin anew where the episode is over.

        Returns observation, lane, reward, done and info: `loss` and `violated` seconds of the decision, `illegal`
        actions of the episode so far."""
        return lanes_last(self._onward)(key, lane, action)

    def begin(self, number: Array, luck: Array) -> tuple[dict[str, Array], Lane]:
        """Begin one episode of the pool, after its warm-up."""
        lane = self._lane(number, luck)
        return self.observe(lane), lane

    def go_on(self, lane: Lane, action: Array) -> tuple[dict[str, Array], Lane, Array, Array, dict[str, Array]]:
        """As `step`, without beginning anew: what is told after the end of the episode means nothing."""
        return lanes_last(self._on)(lane, action)

    def observe(self, lane: Lane) -> dict[str, Array]:
        """What a policy sees of a lane between two decisions."""
        return lanes_last(self._observed)(lane)

    def _observed(self, lane: Lane) -> dict[str, Array]:
        world, layout = self.world(lane.episode), self.layout(lane.episode)
        now = lane.state.tick * self.tick_seconds
        return observe(self.cluster, self.rules, world, layout, lane.scraped, lane.state, now)

    def _onward(
        self, key: Array, lane: Lane, action: Array
    ) -> tuple[dict[str, Array], Lane, Array, Array, dict[str, Array]]:
        lived, reward, info = self._decide(lane, action)
        done = self._over(lived)
        anew = self._lane(self._drawn(key), key)
        following = jax.tree.map(partial(jnp.where, done), anew, lived)
        return self._observed(following), following, reward, done, info

    def _on(self, lane: Lane, action: Array) -> tuple[dict[str, Array], Lane, Array, Array, dict[str, Array]]:
        lived, reward, info = self._decide(lane, action)
        return self._observed(lived), lived, reward, self._over(lived), info

    def _decide(self, lane: Lane, action: Array) -> tuple[Lane, Array, dict[str, Array]]:
        """One decision: lane, reward and info."""
        world = self._ahead(lane.episode, lane.state.tick)
        ordered, legal = self._ordered(world, lane, action)
        state, told = lived(self.cluster, world, ordered.state, self.scrapes, self.chance)
        following = replace(ordered, state=state)
        reward = -told.loss - jnp.where(legal, jnp.asarray(COST)[action[0]], 0.0)
        scraped = self._scraped(world, following, told.reading)
        info = {"loss": told.loss, "violated": told.violated, "illegal": following.illegal}
        return replace(following, scraped=scraped), reward, info

    def _ordered(self, world: Any, lane: Lane, action: Array) -> tuple[Lane, Array]:
        """With an action begun; and whether it was legal."""
        state, legal = self.cluster.order(world, lane.state, action, lane.state.tick * self.tick_seconds)
        return replace(lane, state=state, illegal=lane.illegal + ~legal), legal

    def _over(self, lane: Lane) -> Array:
        over: Array = lane.state.tick >= self.last[lane.episode]
        return over

    def whole(self, number: Array, actions: Array, luck: Array) -> Tick:
        """An episode of the pool from the end of its warm-up, with `actions` [D, 3]; what is told of each of D x k
        ticks."""
        world = self.world(number)

        def live(state: Any, _: None) -> tuple[Any, Tick]:
            return self.cluster.live(world, state, self.tick_seconds, self.chance)

        def decision(lane: Lane, action: Array) -> tuple[Lane, Tick]:
            ordered, _ = self._ordered(world, lane, action)
            state, told = jax.lax.scan(live, ordered.state, None, length=self.ticks)
            return replace(ordered, state=state), told

        _, told = jax.lax.scan(decision, self._lane(number, luck), actions)
        flat: Tick = jax.tree.map(lambda field: field.reshape(-1, *field.shape[2:]), told)
        return flat

    def _drawn(self, key: Array) -> Array:
        """Which episode of the pool is the next, of a key that becomes the luck of that life."""
        count = len(self.last)
        draw = draws.uniform(draws.seed(key), jnp.uint32(0), EPISODE, 1)[0]
        return jnp.minimum((draw * count).astype(jnp.int32), count - 1)

    def _lane(self, number: Array, luck: Array) -> Lane:
        state, scraped = jax.tree.map(lambda field: field[number], (self.begun, self.scraped))
        return Lane(number, replace(state, luck=luck), jnp.int32(0), scraped)

    def _scraped(self, world: Any, lane: Lane, told: Reading) -> Scraped:
        """After a decision that ended at the lane's tick."""
        end, interval = lane.state.tick * self.tick_seconds, self.default_params.interval_seconds
        layout = self.layout(lane.episode)
        luck = (draws.seed(lane.state.luck), lane.state.tick) if self.chance else None
        return scrape(self.cluster, self.rules, self.scrapes, world, layout, lane.scraped, told, end, interval, luck)


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
        ("telemetry.scrape", {spec.telemetry.scrape for spec in specs}),
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

    rules, layouts_ = _layouts(worlds, layouts, size, cluster)
    plan = schedule(spec.control.interval, spec.telemetry.scrape, ticks)
    everything = sizes([[component.kind for component in world.components.values()] for world in worlds])
    kinds_of = {kind: number for kind, number in everything.items() if kind in cluster.SEEN}

    def warmed(number: Array, luck: Array) -> Any:
        """Lived up to the first decision, and scraped as before any other."""
        world = jax.tree.map(lambda field: field[number], pool)
        layout = layouts_.of(number)
        state = cluster.first(world, luck, window, tick)
        held = nothing(kinds_of, rules.number, cluster.EVENTS, cluster.remembered(world))

        def live(state: Any, _: None) -> tuple[Any, None]:
            return cluster.live(world, state, tick, chance)[0], None

        def decision(carry: Any, _: None) -> tuple[Any, None]:
            state, held = carry
            state, told = lived(cluster, world, state, plan, chance)
            end = state.tick * tick
            held = scrape(cluster, rules, plan, world, layout, held, told.reading, end, spec.control.interval, None)
            return (state, held), None

        if warm % ticks:
            state = jax.lax.scan(live, state, None, length=warm % ticks)[0]
        state, held = jax.lax.scan(decision, (state, held), None, length=warm // ticks)[0]
        # Lines are counted from the first decision on.
        return _strict((state, replace(held, lines=silence(kinds_of, cluster.EVENTS))))

    lucks = jax.random.split(jax.random.key(0), len(worlds))
    begun, scraped = jax.jit(jax.vmap(warmed))(jnp.arange(len(worlds)), lucks)
    return FastTwin(
        cluster=cluster,
        pool=pool,
        begun=begun,
        scraped=scraped,
        layouts=layouts_,
        rules=rules,
        scrapes=plan,
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
    scrape: float


def shared(world: World) -> Shared:
    """What a world must share with others to be compiled with them."""
    spec = world.spec
    size = _size(Layout(world.topology), world)
    control = spec.control
    return Shared(spec.cluster.kind, size, control.interval, control.warmup, spec.slo.window, spec.telemetry.scrape)


def cluster_of(kind: str) -> Cluster:
    """The functions of a kind of cluster. Raises NotCompiledError."""
    if kind not in CLUSTERS:
        raise NotCompiledError(f"a cluster of kind {kind}")
    return CLUSTERS[kind]


def _strict(stands: Any) -> Any:
    """Without weak types, which no step leaves: else the first step is compiled for them, and the second one again."""
    return jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), stands)


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


def _layouts(worlds: Sequence[World], layouts: Sequence[Layout], size: int, cluster: Cluster) -> tuple[Rules, Layouts]:
    rules, about = alarms.compiled(worlds, cluster.SEEN)
    kinds = [[component.kind for component in world.components.values()] for world in worlds]
    most = sizes(kinds)
    kind = np.zeros((len(layouts), size), np.int32)
    adjacent = np.zeros((len(layouts), size, size), np.int8)
    shown = np.ones((len(layouts), len(FEATURES)), np.bool_)
    masks = {k: np.zeros((len(worlds), n, len(rules.tests.get(k, ()))), np.bool_) for k, n in most.items()}
    for i, (world, layout) in enumerate(zip(worlds, layouts, strict=True)):
        kind[i, : layout.size] = layout.kind
        adjacent[i, : layout.size, : layout.size] = layout.adjacent
        telemetry = world.spec.telemetry
        shown[i, hidden(telemetry.profile, absent(world.dialect, FEATURES))] = False
        scraped = telemetry.mode == "scraped"
        shown[i] &= scraped
        for k, mask in about[i].items():
            masks[k][i, : len(mask)] = mask & scraped
    row = np.stack([rows(names, size) for names in kinds])
    logged = np.array([float(world.spec.telemetry.mode != "off") for world in worlds], np.float32)
    found = Layouts(kind, adjacent, row, shown, logged, masks)  # type: ignore[arg-type]
    return rules, jax.tree.map(jnp.asarray, found)
