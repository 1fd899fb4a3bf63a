"""What exporters of an OpenStack cloud show of the arrays. Features that are not computed are absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast.openstack.components import ROLE, WEB
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.state import State
from twin.fast.scraping import Block, Reading, block


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts:
    """What came through, per second: [W] of the services behind the balancer, [] of the database."""

    requests: Array
    failed: Array
    seconds: Array
    queries: Array
    """Statements."""
    threads: Array
    """Sessions at work."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gauges:
    """How it is. [N] but where it says otherwise; H hosts."""

    up: Array
    present: Array
    trusted: Array
    member: Array
    """[members] of the database."""
    drained: Array
    agents: Array
    """[H] whether nova holds a host's agent for alive and allowed."""


def gauges(state: State) -> Gauges:
    """How it is now."""
    programs, hosts = state.programs, state.hosts
    agents = ~hosts.forced & (state.tick > 0) & _alive(state)
    return Gauges(programs.up, programs.present, programs.trusted, state.member, state.drained, agents)


Column = Callable[[Episode, Gauges, Counts], Array]
"""-> [N]"""


def _web(values: Array, world: Episode) -> Array:
    """[N] values [W] at the services they are of."""
    role = jnp.asarray(world.role)
    found = jnp.zeros(role.shape)
    for i, name in enumerate(WEB):
        found = jnp.where(role == ROLE[name], values[i], found)
    return found


def _of_host(values: Array, world: Episode) -> Array:
    """[N] values [H] at what belongs to a host."""
    return values[jnp.maximum(jnp.asarray(world.components.host), 0)].astype(jnp.float32)


SHOWS: Final[Mapping[str, tuple[tuple[str, ...], Column]]] = {
    "haproxy_backend_active_servers": (WEB, lambda w, s, f: s.trusted.astype(jnp.float32)),
    'haproxy_backend_http_responses_total{code="2xx"}': (WEB, lambda w, s, f: _web(f.requests - f.failed, w)),
    'haproxy_backend_http_responses_total{code="5xx"}': (WEB, lambda w, s, f: _web(f.failed, w)),
    "haproxy_backend_total_time_average_seconds": (
        WEB, lambda w, s, f: _web(f.seconds / jnp.maximum(f.requests, 1e-6), w),
    ),
    "mysql_global_status_threads_running": (("mysql",), lambda w, s, f: _writer(w, s) * (f.threads - 1.0) + 1.0),
    "mysql_global_status_queries": (("mysql",), lambda w, s, f: _writer(w, s) * f.queries),
    "mysql_global_status_wsrep_cluster_size": (
        ("mysql",), lambda w, s, f: jnp.broadcast_to(s.member.sum().astype(jnp.float32), w.role.shape),
    ),
    "openstack_nova_agent_state": (
        ("nova-compute",), lambda w, s, f: _of_host(s.agents, w),
    ),
}  # fmt: skip
"""Feature -> kinds that have it, values."""


SEEN: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(name for name, (kinds, _) in SHOWS.items() if kind in kinds)
    for kind in (*WEB, "mysql", "nova-compute")
}
"""By kind: what is computed."""
OF_OTHERS: Final = (*WEB, "nova-compute")
"""Kinds of which somebody else's exporter tells: the balancer's, or nova's."""
EVENTS: Final[Mapping[str, tuple[str, ...]]] = {}
"""Log lines are not counted yet."""


def remembered(world: Episode) -> tuple[()]:
    """Exporters remember nothing."""
    return ()


def events(world: Episode, told: Reading, seconds: float) -> dict[str, Array]:
    """None."""
    return {}


def exporters(
    world: Episode, memory: tuple[()], reading: Reading, now: Array, seconds: float, sizes: Mapping[str, int]
) -> tuple[tuple[()], dict[str, Block]]:
    """What every exporter shows."""
    role = jnp.asarray(world.role)
    told, is_ = reading.counts, reading.gauges
    columns = {name: column(world, is_, told) for name, (_, column) in SHOWS.items()}
    found = {}
    for kind, size in sizes.items():
        mine = role == ROLE[kind]
        slots = jnp.nonzero(mine, size=size, fill_value=0)[0]
        there = mine & (is_.present if kind in OF_OTHERS else is_.up)
        here = there[slots] & (jnp.arange(size) < mine.sum())
        found[kind] = block(kind, {name: columns[name][slots] for name in sorted(SEEN[kind])}, here, {})
    return (), found


def _alive(state: State) -> Array:
    from twin.mechanics.openstack import SERVICE_DOWN_TIME

    dt = 1.0
    return jnp.abs(state.tick * dt - state.hosts.heard) <= SERVICE_DOWN_TIME


def _writer(world: Episode, state: Gauges) -> Array:
    """[N] 1 at the database server that gets the sessions."""
    group = jnp.asarray(world.components.group[0])
    usable = (group >= 0) & state.trusted[jnp.maximum(group, 0)] & ~state.drained
    return (jnp.arange(world.role.shape[0]) == group[jnp.argmax(usable)]).astype(jnp.float32)
