"""What exporters of the inference cluster show of the arrays, from the same quantities as in the SimPy twin.

`SEEN` says what is computed of each kind of component; other features are absent, as behind an exporter that does not
have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.fast.conditions import present
from twin.fast.inference.episodes import GATEWAY, HEAD, STORE, Episode
from twin.fast.inference.exposed import SIGN
from twin.fast.inference.front import of_gateway, of_head
from twin.fast.inference.gpu_load import load
from twin.fast.inference.gpus import OF_DEVICE, OF_DRIVER, of_gpus
from twin.fast.inference.machines import of_nodes, sent
from twin.fast.inference.memory import Memory, moved_on
from twin.fast.inference.replicas import OF_ENGINE, of_replicas
from twin.fast.inference.signs import Signs, on_rows, reached, without_power
from twin.fast.scraping import COLUMNS, Block, Reading, block

OF_GPUS: Final = 1
"""What `Exposed.kind` says of conditions of GPUs."""


def exporters(
    world: Episode, memory: Memory, reading: Reading, now: Array, seconds: float, sizes: Mapping[str, int]
) -> tuple[Memory, dict[str, Block]]:
    """What every exporter shows at second `now`, `seconds` after the last scrape."""
    counts, gauges = reading.counts, reading.gauges
    exposed = world.exposed
    replicas, programs = world.exists.shape[0], gauges.up.shape[0]
    gpus, nodes = exposed.seat.shape[0], exposed.node.shape[0]
    on, met = present(world.conditions, gauges.healed, now), counts.met > 0.0
    # A driver reacts to a condition when its clients do: in the tick that has felt it.
    on = on & (met | (jnp.asarray(exposed.kind) != OF_GPUS))
    reported = met[:, None] & (np.arange(len(SIGN)) == SIGN["xid"])[None, :]
    signs = jnp.where(on[:, None] | reported, jnp.asarray(exposed.signs), 0.0)
    of = Signs(*(on_rows(world, signs, kind, rows) for kind, rows in enumerate((programs, gpus, nodes))))
    work = load(world, counts, gauges, of)
    memory = moved_on(world, memory, counts, work, of.gpu, now, seconds)
    seen = reached(world, on, programs, gpus)
    dark = gauges.down | without_power(world, gauges, now)
    home = jnp.concatenate([jnp.asarray(world.node_of_seat)[gauges.seat], jnp.asarray(exposed.home)[replicas:]])
    runs = gauges.up & ~dark[home]
    answers = runs & seen[0]
    traffic, inflight = sent(world, counts, gauges, now)
    one = {"ray-head": HEAD, "nginx": GATEWAY, "model-store": STORE}
    columns = {
        "ray-head": of_head(world, counts, gauges, of.program[replicas + HEAD]),
        "nginx": of_gateway(counts, gauges),
        "model-store": {
            "minio_s3_requests_total": jnp.zeros(()),
            "minio_s3_requests_errors_total": jnp.zeros(()),
            "minio_s3_requests_inflight_total": inflight,
            "minio_s3_traffic_sent_bytes": traffic[replicas + STORE],
        },
    }
    found = {kind: block(kind, columns[kind], answers[replicas + at][None], {}) for kind, at in one.items()}
    frozen = of.program[:replicas, SIGN["frozen"]] > 0.0
    of_replica = of_replicas(world, counts, gauges, of.program, traffic)
    found["vllm"] = block("vllm", of_replica, answers[:replicas], {OF_ENGINE: frozen})
    silent = of.gpu[:, SIGN["silent"]] > 0.0
    unknown = (of.gpu[:, SIGN["off_bus"]] > 0.0) & (memory.xid == 0.0)
    quiet = {OF_DEVICE: silent, OF_DRIVER: unknown}
    gpu_answers = ~dark[jnp.asarray(world.node_of_seat)[jnp.asarray(exposed.seat)]] & seen[1]
    gpu_answers = gpu_answers & (jnp.asarray(exposed.slots)[programs : programs + gpus] < world.role.shape[0])
    found["gpu"] = block("gpu", of_gpus(world, memory, gauges, work, of, now), gpu_answers, quiet)
    node_answers = ~dark & seen[2] & (jnp.asarray(exposed.slots)[programs + gpus :] < world.role.shape[0])
    of_node = of_nodes(world, memory, gauges, of, home, runs, traffic)
    found["node"] = block("node", of_node, node_answers, {})
    return memory, found


SEEN: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(COLUMNS[kind]) for kind in ("vllm", "gpu", "node", "ray-head", "nginx", "model-store")
}
"""By kind: what is computed."""

STILL: Final[Mapping[str, str]] = {
    "vllm:num_preemptions_total": "engines do not preempt: requests wait for room instead",
    'vllm:request_success_total{finished_reason="error"}': "no request ends with an error of its own",
    "node_vmstat_oom_kill": "nobody is killed for memory",
    "node_netstat_Tcp_RetransSegs": "no packet is lost",
    'ray_serve_num_http_error_requests_total{error_code="503"}': "queues have no limit",
    "ray_serve_health_check_failures_total": "health checks are not modelled",
    "ray_serve_proxy_status": "the seconds in which a proxy is replaced are not told apart",
    'nginx_http_response_count_total{status="4xx"}': "no prompt is longer than the model takes",
    "minio_s3_requests_total": "only downloads that go on are told",
    "minio_s3_requests_errors_total": "a download that fails is not told apart from one that waits",
}
"""Features that are there and do not move, and why."""


def unseen() -> list[str]:
    """Features of the inference cluster's components that are not computed."""
    from twin import inference
    from twin.telemetry.features import SHOWN

    seen = frozenset().union(*SEEN.values())
    return sorted({name for kind in inference.KINDS for name in SHOWN[kind.kind]} - seen)
