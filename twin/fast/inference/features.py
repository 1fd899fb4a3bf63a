"""What exporters of the inference cluster show of the arrays, from the same quantities as in the SimPy twin.

`SEEN` says what is computed of each kind of component; other features are absent, as behind an exporter that does not
have them. Values are those of the decision's last tick, rates those of the whole decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import GATEWAY, GPU, HEAD, NODE, NOWHERE, OTHERS, PROGRAM, Episode
from twin.fast.inference.state import State
from twin.telemetry.features import FEATURES


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Flow:
    """What came through in a decision, per second: [R] each but for those of the gateway."""

    prompts: Array
    completed: Array
    failed: Array
    first_token: Array
    """[R] seconds to first token, summed over what came in a second."""
    whole: Array
    """[R] seconds to the last token, summed alike."""
    busy: Array
    """[R] share of the time in which a kernel was resident."""
    arrived: Array
    """[] at the gateway."""
    refused: Array
    """[] there."""


def still(world: Episode) -> Flow:
    """What comes through where nothing happens."""
    rows, nothing = jnp.zeros(world.exists.shape[0]), jnp.float32(0.0)
    return Flow(rows, rows, rows, rows, rows, rows, nothing, nothing)


Column = Callable[[Episode, State, Flow], Array]
"""-> [R] of replicas or of seats' GPUs, [D] of nodes, [] of head and gateway."""

OF_REPLICA: Final[Mapping[str, Column]] = {
    "vllm:num_requests_running": lambda w, s, f: s.decoding.sum(axis=1),
    "vllm:num_requests_waiting": lambda w, s, f: s.queued,
    "vllm:kv_cache_usage_perc": lambda w, s, f: jnp.minimum(
        1.0, s.decoding.sum(axis=1) * (s.asked[0] + s.asked[1] / 2.0) / w.most[1]
    ),
    "vllm:prompt_tokens_total": lambda w, s, f: f.prompts * s.asked[0],
    "vllm:generation_tokens_total": lambda w, s, f: f.completed * s.asked[1],
    'vllm:request_success_total{finished_reason="stop"}': lambda w, s, f: f.completed,
    "vllm:time_to_first_token_seconds_sum": lambda w, s, f: f.first_token,
    "vllm:time_to_first_token_seconds_count": lambda w, s, f: f.prompts,
    "vllm:e2e_request_latency_seconds_sum": lambda w, s, f: f.whole,
    "vllm:e2e_request_latency_seconds_count": lambda w, s, f: f.completed,
}
OF_GPU: Final[Mapping[str, Column]] = {
    "DCGM_FI_DEV_GPU_UTIL": lambda w, s, f: 100.0 * f.busy,
}
OF_HEAD: Final[Mapping[str, Column]] = {
    "ray_serve_num_router_requests_total": lambda w, s, f: f.arrived - f.refused,
    "ray_serve_deployment_queued_queries": lambda w, s, f: s.waiting,
    "ray_serve_num_ongoing_http_requests": lambda w, s, f: s.decoding.sum() + s.queued.sum() + s.waiting,
    "ray_serve_deployment_replica_healthy": lambda w, s, f: s.up[:-OTHERS].sum(),
}
OF_GATEWAY: Final[Mapping[str, Column]] = {
    "nginx_http_requests_total": lambda w, s, f: f.arrived,
    "nginx_connections_active": lambda w, s, f: 2.0 * (s.decoding.sum() + s.queued.sum() + s.waiting),
    'nginx_http_response_count_total{status="2xx"}': lambda w, s, f: f.completed.sum(),
    'nginx_http_response_count_total{status="5xx"}': lambda w, s, f: f.failed.sum() + f.refused,
}
SEEN: Final = (*OF_REPLICA, *OF_GPU, *OF_HEAD, *OF_GATEWAY)
"""Features that are computed."""


def features(world: Episode, state: State, flow: Flow) -> tuple[Array, Array]:
    """[N, F] values of `FEATURES`, and whether they are there."""
    role, index = jnp.asarray(world.role), jnp.asarray(world.index)
    replicas = world.exists.shape[0]
    number = jnp.where(role == PROGRAM, index, 0)
    replica = (role == PROGRAM) & (index < replicas)
    rows = {
        "replica": (replica, jnp.minimum(number, replicas - 1), OF_REPLICA),
        "gpu": (role == GPU, jnp.where(role == GPU, index, 0), OF_GPU),
        "head": ((role == PROGRAM) & (index == replicas + HEAD), None, OF_HEAD),
        "gateway": ((role == PROGRAM) & (index == replicas + GATEWAY), None, OF_GATEWAY),
    }
    there = _answers(world, state)
    columns: dict[str, tuple[Array, Array]] = {}
    for mask, at, table in rows.values():
        for name, column in table.items():
            value = column(world, state, flow)
            columns[name] = (mask & there, value if at is None else value[at])
    empty = jnp.zeros(role.shape[0])
    values = jnp.stack([jnp.where(*columns[n], 0.0) if n in columns else empty for n in FEATURES], axis=1)
    present = jnp.stack([columns[n][0] if n in columns else empty.astype(bool) for n in FEATURES], axis=1)
    return values, present


def _answers(world: Episode, state: State) -> Array:
    """[N] whether a component's exporter answers: it is up, and its machine."""
    role, index = jnp.asarray(world.role), jnp.asarray(world.index)
    up = state.up[jnp.where(role == PROGRAM, index, 0)]
    return jnp.where(role == PROGRAM, up, (role == GPU) | (role == NODE)) & (role != NOWHERE)


def unseen() -> list[str]:
    """Features of the inference cluster's components that are not computed."""
    from twin import inference
    from twin.telemetry.features import SHOWN

    shown = {name for kind in inference.KINDS for name in SHOWN[kind.kind]}
    return [name for name in FEATURES if name in shown - set(SEEN)]
