"""What a policy sees of the arrays: the observation of `twin.spaces`, in either cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.actions import PARAMETERS
from twin.env import WINDOW
from twin.fast import alarms, lines
from twin.fast.alarms import Rules
from twin.fast.cluster import Cluster
from twin.fast.once import once
from twin.fast.scraping import COLUMNS, NEVER, Reading, Schedule, Scraped, rates, runs
from twin.spaces import AGE_LIMIT, SEVERITIES
from twin.telemetry.features import FEATURES, KINDS, SHOWN
from twin.telemetry.records import LEVELS

OWNED: Final = np.array([[name in SHOWN.get(kind, ()) for name in FEATURES] for kind in ("", *KINDS)])
"""[kinds, F] which features each kind has; none of padding."""
NUMBER: Final = {kind: i + 1 for i, kind in enumerate(KINDS)}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Layouts:
    """What never changes in an episode's observations. E episodes, N components; by kind R components, A tests."""

    kind: Array
    """[E, N] as `twin.spaces` numbers them."""
    adjacent: Array
    """[E, N, N]"""
    row: Array
    """[E, N] int32: its number among the components of its kind."""
    shown: Array
    """[E, F] bool: features that the scenario's telemetry profile and dialect leave in."""
    logged: Array
    """[E] 1 where telemetry is recorded, 0 where it is off."""
    about: dict[str, Array]
    """[E, R, A] bool, by kind: which components a test of an alert rule is about."""

    def of(self, number: Array) -> Layouts:
        """Those of one episode, without the leading axis."""
        return jax.tree.map(lambda field: field[number], self)  # type: ignore[no-any-return]


def scrape(
    cluster: Cluster,
    rules: Rules,
    plan: Schedule,
    world: Any,
    layout: Layouts,
    held: Scraped,
    told: Reading,
    end: Array,
    interval: float,
    luck: tuple[Array, Array] | None,
) -> Scraped:
    """The scrapes of a decision that ends at second `end`, given what was told before each [s, …], and its log lines.
    Without `luck`, lines are as many as are expected."""
    between = interval / len(plan.ends)
    members = {kind: len(when) for kind, when in held.answered.items()}

    def one(held: Scraped, what: tuple[Reading, Array, Array]) -> tuple[Scraped, None]:
        reading, now, seconds = what
        a_second = Reading(jax.tree.map(lambda sums: sums / seconds, reading.counts), reading.gauges)
        memory, found = cluster.exporters(world, held.memory, a_second, now, between, members)
        answers = {kind: each.present.any(axis=1) for kind, each in found.items()}
        before = {kind: when >= now - 1.5 * between for kind, when in held.answered.items()}
        answered = {kind: jnp.where(answers[kind], now, when) for kind, when in held.answered.items()}
        since = alarms.held(rules, layout.about, found, before, answered, held.since, now, between)
        return replace(held, blocks=rates(found, held.blocks), answered=answered, since=since, memory=memory), None

    lasted = jnp.array(plan.lengths, jnp.float32) * plan.tick
    after = jax.lax.scan(one, held, (told, plan.times(interval, end), lasted))[0]
    counts = jax.tree.map(lambda sums: sums.sum(axis=0), told.counts)
    happened = cluster.events(world, Reading(counts, jax.tree.map(lambda ends: ends[-1], told.gauges)))
    of_each = {kind: lines.known().by_level(kind, cluster.EVENTS[kind]) for kind in held.lines}
    expected = {kind: happened[kind] @ jnp.asarray(each) for kind, each in of_each.items()}
    return replace(after, lines=lines.drawn(expected, luck))


def observe(
    cluster: Cluster, rules: Rules, world: Any, layout: Layouts, held: Scraped, state: Any, now: Array
) -> dict[str, Array]:
    """The observation of one lane at second `now`, at which exporters have just been asked."""
    values, present, age = placed(layout, held, now)
    category, target, parameter = _masks(cluster.legal(world, state, now))
    return {
        "features": values,
        "present": present.astype(jnp.int8),
        "age": age,
        "kind": layout.kind,
        "adjacent": layout.adjacent,
        "busy": cluster.occupied(world, state).astype(jnp.int8),
        "lines": by_component(layout, held.lines, len(LEVELS)) * layout.logged,
        "alarms": by_component(layout, alarms.firing(rules, held.since, now), len(SEVERITIES)),
        "mask_category": category,
        "mask_target": target,
        "mask_parameter": parameter,
    }


def by_component(layout: Layouts, held: Mapping[str, Array], width: int) -> Array:
    """[N, width] what is held [R, width] by kind."""
    found = jnp.zeros((layout.kind.shape[0], width))
    for kind, rows in held.items():
        mine = layout.kind == NUMBER[kind]
        found = found + jnp.where(mine[:, None], rows[jnp.where(mine, layout.row, 0)], 0.0)
    return found


def placed(layout: Layouts, held: Scraped, now: Array) -> tuple[Array, Array, Array]:
    """[N, F] values, presence and age of features: what is held by kind, by component."""
    values, present = {}, {}
    away = jnp.full(layout.kind.shape[0], AGE_LIMIT)
    for kind, block in held.blocks.items():
        mine = layout.kind == NUMBER[kind]
        row = jnp.where(mine, layout.row, 0)
        columns = np.array([FEATURES.index(name) for name in COLUMNS[kind]], int)
        shown = block.present & layout.shown[columns][None, :]
        values[kind] = jnp.where(mine[:, None], jnp.where(shown, block.values, 0.0)[row], 0.0)
        present[kind] = mine[:, None] & shown[row]
        last = held.answered[kind][row]
        # Older than the window that a policy is given: nothing is known of it any more.
        known = mine & (last > NEVER) & (now - last <= WINDOW)
        away = jnp.where(known, now - last, away)
    n = layout.kind.shape[0]
    shown_values, shown_present = [], []
    for owners, first, end in runs(list(held.blocks)):
        begins = {kind: COLUMNS[kind].index(FEATURES[first]) for kind in owners}
        parts = [values[kind][:, begins[kind] : begins[kind] + end - first] for kind in owners]
        bits = [present[kind][:, begins[kind] : begins[kind] + end - first] for kind in owners]
        shown_values.append(reduce(jnp.add, parts) if parts else jnp.zeros((n, end - first)))
        shown_present.append(reduce(jnp.logical_or, bits) if bits else jnp.zeros((n, end - first), bool))
    there, away = once((jnp.concatenate(shown_present, axis=1), jnp.where(away > 0.0, away, AGE_LIMIT)))
    found = jnp.concatenate(shown_values, axis=1)
    owned = jnp.asarray(OWNED)[layout.kind] & layout.shown[None, :]
    age = jnp.where(there, 0.0, jnp.where(owned, away[:, None], AGE_LIMIT))
    return found, there, age


def _masks(legal: Array) -> tuple[Array, Array, Array]:
    """Category [C], target [C, N] and parameter [C, N, P] masks; waiting has target 0 and parameter 0."""
    target = legal.at[0].set(False).at[0, 0].set(True)
    parameter = jnp.repeat(target[:, :, None], len(PARAMETERS), axis=2).at[0, :, 1:].set(False)
    return tuple(mask.astype(jnp.int8) for mask in (target.any(axis=1), target, parameter))  # type: ignore[return-value]
