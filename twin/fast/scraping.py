"""What the monitoring system holds: values as old as the last scrape, and who answered when.

Exporters are asked every `telemetry.scrape` seconds, which is a whole share of the time between two decisions. What
they show is computed at a scrape and held until the next one: kind by kind, one row a component and one column a
feature that the kind has, so that nothing is computed or kept of what a component does not have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from twin.fast.errors import NotCompiledError
from twin.fast.once import once
from twin.telemetry.features import FEATURES, IS_COUNTER, KINDS, SHOWN
from twin.telemetry.records import LEVELS

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: tuple(name for name in FEATURES if name in SHOWN[kind]) for kind in KINDS
}
"""By kind: its features, in the order of `FEATURES`."""
NEVER: Final = -1e9
"""When somebody answered who never did, seconds."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Reading:
    """What exporters are told of the ticks between two scrapes."""

    counts: Any
    """What happened: a sum over these ticks."""
    gauges: Any
    """How it is at the end."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Block:
    """What the exporters of one kind show: R components of the kind in the order of the topology, f = its `COLUMNS`.
    Counters are rates per second."""

    values: Array
    """[R, f]"""
    present: Array
    """[R, f] bool"""


def block(kind: str, columns: Mapping[str, Array], there: Array, silent: Mapping[tuple[str, ...], Array]) -> Block:
    """The columns [R] of a kind; `there` [R] says who answers, `silent` [R] whose columns of some names are missing all
    the same. What has no column is absent."""
    names, rows = COLUMNS[kind], there.shape[0]
    there, silent = once((there, dict(silent)))
    nothing = jnp.zeros(rows)
    values = jnp.stack([jnp.broadcast_to(columns.get(name, nothing), (rows,)) for name in names], axis=1)
    present = there[:, None] & np.isin(names, list(columns))[None, :]
    for missing, where in silent.items():
        present = present & ~(where[:, None] & np.isin(names, list(missing))[None, :])
    return Block(jnp.where(present, values, 0.0), present)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scraped:
    """What is held of one lane. By kind: R components of it."""

    blocks: dict[str, Block]
    """What the last scrape found."""
    answered: dict[str, Array]
    """[R] seconds: when each answered last."""
    since: dict[str, Array]
    """[R, A] seconds: since when each test of an alert rule has held (`twin.fast.alarms`); infinite where it does
    not."""
    lines: dict[str, Array]
    """[R, L] log lines since the last decision, by level; not of kinds that log nothing."""
    memory: Any
    """What the cluster's exporters remember from one scrape to the next."""


@dataclass(frozen=True)
class Schedule:
    """When exporters are asked: at the ends of the ticks `ends` of a decision."""

    ends: tuple[int, ...]
    tick: float
    """Seconds of a tick."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Ticks before each scrape, since the one before."""
        return tuple(end - begin for begin, end in zip((0, *self.ends[:-1]), self.ends, strict=True))

    @property
    def parts(self) -> tuple[int, ...]:
        """Which scrape is the next, tick by tick of a decision."""
        return tuple(number for number, length in enumerate(self.lengths) for _ in range(length))

    def times(self, interval: float, end: Array) -> Array:
        """[s] seconds of the scrapes of a decision that ends at second `end`."""
        scrapes = len(self.ends)
        return end - interval * (scrapes - 1 - jnp.arange(scrapes)) / scrapes


def schedule(interval: float, scrape: float, ticks: int) -> Schedule:
    """The scrapes of a decision of `ticks` ticks; a scrape within a tick sees its end.

    Raises NotCompiledError where decisions are not whole numbers of scrapes apart."""
    scrapes = round(interval / scrape)
    if scrapes < 1 or not math.isclose(scrapes * scrape, interval):
        raise NotCompiledError(f"a scrape every {scrape:g} s beside a decision every {interval:g} s")
    if scrapes > ticks:
        raise NotCompiledError(f"{scrapes} scrapes in the {ticks} ticks of a decision")
    return Schedule(tuple(math.ceil((i + 1) * ticks / scrapes) for i in range(scrapes)), interval / ticks)


def nothing(sizes: Mapping[str, int], tests: Mapping[str, int], logs: Iterable[str], memory: Any) -> Scraped:
    """Nobody has been asked yet. `sizes`: components by kind; `tests`: of alert rules, by kind; `logs`: kinds that
    do."""
    return Scraped(
        {k: Block(jnp.zeros((n, len(COLUMNS[k]))), jnp.zeros((n, len(COLUMNS[k])), bool)) for k, n in sizes.items()},
        {kind: jnp.full(n, NEVER) for kind, n in sizes.items()},
        {kind: jnp.full((n, tests.get(kind, 0)), jnp.inf) for kind, n in sizes.items()},
        silence(sizes, logs),
        memory,
    )


def silence(sizes: Mapping[str, int], logs: Iterable[str]) -> dict[str, Array]:
    """No lines."""
    return {kind: jnp.zeros((sizes[kind], len(LEVELS))) for kind in logs if kind in sizes}


def rates(found: Mapping[str, Block], before: Mapping[str, Block]) -> dict[str, Block]:
    """A counter shows a rate only where the scrape before found it too; else 0, as in `twin.spaces`."""
    shown = {}
    for kind, now in found.items():
        counter = np.array([bool(IS_COUNTER[FEATURES.index(name)]) for name in COLUMNS[kind]])
        known = before[kind].present | ~counter[None, :]
        shown[kind] = Block(jnp.where(known, now.values, 0.0), now.present)
    return shown


# --- from kinds to components ----------------------------------------------------------------------------------------


def sizes(kinds: Sequence[Sequence[str]]) -> dict[str, int]:
    """How many components of each kind there are at most, given the kinds of the components of several clusters."""
    return {
        kind: max(names.count(kind) for names in map(list, kinds)) for kind in KINDS if any(kind in k for k in kinds)
    }


def rows(kinds: Sequence[str], size: int) -> NDArray[np.int32]:
    """[N] the row of each component among those of its kind, padded to `size`."""
    seen: dict[str, int] = {}
    found = np.zeros(size, np.int32)
    for i, kind in enumerate(kinds):
        found[i] = seen.get(kind, 0)
        seen[kind] = found[i] + 1
    return found


def runs(kinds: Sequence[str]) -> list[tuple[tuple[str, ...], int, int]]:
    """The feature axis in stretches (kinds that have these features, first, last + 1)."""
    owners = [tuple(kind for kind in kinds if name in SHOWN[kind]) for name in FEATURES]
    found: list[tuple[tuple[str, ...], int, int]] = []
    for i, owner in enumerate(owners):
        if found and found[-1][0] == owner:
            found[-1] = (owner, found[-1][1], i + 1)
        else:
            found.append((owner, i, i + 1))
    return found
