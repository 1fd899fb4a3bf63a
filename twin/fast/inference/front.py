"""What the programs before the replicas show: Ray Serve's on the head, and the gateway."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import Episode
from twin.fast.inference.exposed import SIGN
from twin.fast.inference.told import Counts, Gauges
from twin.mechanics.serving import (
    CONTROL_LOOP_INTERVAL,
    CONTROL_LOOP_SECONDS,
    PROXY_HEALTHY,
)


def of_head(world: Episode, counts: Counts, gauges: Gauges, sign: Array) -> dict[str, Array]:
    """[] by feature."""
    passes = 1.0 / (CONTROL_LOOP_INTERVAL + CONTROL_LOOP_SECONDS)
    return {
        "ray_serve_num_router_requests_total": counts.arrived - counts.refused,
        'ray_serve_num_http_error_requests_total{error_code="500"}': counts.lost.sum(),
        'ray_serve_num_http_error_requests_total{error_code="503"}': jnp.zeros(()),
        # Whole ones, too. What a proxy that hangs has taken waits for no replica.
        "ray_serve_deployment_queued_queries": jnp.where(counts.hung > 0.0, 0.0, jnp.round(gauges.waiting)),
        "ray_serve_num_ongoing_http_requests": gauges.inside,
        "ray_serve_deployment_replica_healthy": gauges.up[: world.exists.shape[0]].sum(),
        "ray_serve_health_check_failures_total": jnp.zeros(()),
        "ray_serve_proxy_status": jnp.full((), PROXY_HEALTHY),
        "ray_serve_controller_num_control_loops": passes * (1.0 - sign[SIGN["stuck"]]),
    }


def of_gateway(counts: Counts, gauges: Gauges) -> dict[str, Array]:
    """[] by feature."""
    return {
        "nginx_http_requests_total": counts.arrived,
        "nginx_connections_active": gauges.inside,
        # A status line that has been sent stands, whatever comes after it.
        'nginx_http_response_count_total{status="2xx"}': counts.completed.sum() + counts.broken.sum(),
        'nginx_http_response_count_total{status="4xx"}': jnp.zeros(()),
        'nginx_http_response_count_total{status="5xx"}': counts.failed.sum() + counts.refused + counts.given_up,
        "nginx_http_upstream_time_seconds_sum": counts.whole.sum() + counts.upstream,
    }
