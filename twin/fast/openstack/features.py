"""What exporters of an OpenStack cloud show of the arrays. Features that are not computed are absent.

Values are those of the decision's last tick, rates those of the whole decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast.openstack.components import NOWHERE, ROLE, WEB
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.state import State
from twin.telemetry.features import FEATURES


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Flow:
    """What came through in a decision, per second: [W] of the services behind the balancer, [] of the database."""

    requests: Array
    failed: Array
    seconds: Array
    queries: Array
    """Statements."""
    threads: Array
    """Sessions at work."""


def still(world: Episode) -> Flow:
    """What comes through where nothing happens."""
    rows, nothing = jnp.zeros(len(WEB)), jnp.float32(0.0)
    return Flow(rows, rows, rows, nothing, nothing)


Column = Callable[[Episode, State, Flow], Array]
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


COLUMNS: Final[Mapping[str, tuple[tuple[str, ...], Column]]] = {
    "haproxy_backend_active_servers": (WEB, lambda w, s, f: s.programs.trusted.astype(jnp.float32)),
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
        ("nova-compute",), lambda w, s, f: _of_host(~s.hosts.forced & (s.tick > 0) & _alive(w, s), w),
    ),
}  # fmt: skip
"""Feature -> kinds that have it, values."""


def features(world: Episode, state: State, flow: Flow) -> tuple[Array, Array]:
    """[N, F] values, and whether they are there."""
    role = jnp.asarray(world.role)
    answers = state.programs.up & (role != NOWHERE)
    empty = jnp.zeros(role.shape)
    values, present = [], []
    for name in FEATURES:
        if name not in COLUMNS:
            values.append(empty)
            present.append(empty > 1.0)
            continue
        kinds, column = COLUMNS[name]
        there = jnp.isin(role, jnp.asarray([ROLE[kind] for kind in kinds]))
        always = kinds in (WEB, ("nova-compute",))  # their exporter is the balancer's, or nova's
        shown = there & (state.programs.present if always else answers)
        values.append(jnp.where(shown, column(world, state, flow), 0.0))
        present.append(shown)
    return jnp.stack(values, axis=1), jnp.stack(present, axis=1)


def _alive(world: Episode, state: State) -> Array:
    from twin.mechanics.openstack import SERVICE_DOWN_TIME

    dt = 1.0
    return jnp.abs(state.tick * dt - state.hosts.heard) <= SERVICE_DOWN_TIME


def _writer(world: Episode, state: State) -> Array:
    """[N] 1 at the database server that gets the sessions."""
    group = jnp.asarray(world.components.group[0])
    usable = (group >= 0) & state.programs.trusted[jnp.maximum(group, 0)] & ~state.drained
    return (jnp.arange(world.role.shape[0]) == group[jnp.argmax(usable)]).astype(jnp.float32)
