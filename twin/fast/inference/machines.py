"""What the exporter of a machine shows, and the bytes that programs send from it."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import Episode
from twin.fast.inference.exposed import SIGN
from twin.fast.inference.memory import Memory
from twin.fast.inference.signs import Signs
from twin.fast.inference.told import NEVER_READY, Counts, Gauges
from twin.inference.cgroup import (
    ANSWER_BYTES_PER_TOKEN,
    IDLE_TRAFFIC,
    PROMPT_BYTES_PER_TOKEN,
)
from twin.inference.gateway import BYTES_PER_TOKEN
from twin.inference.replica import ACTIVE_THREADS, IDLE_THREADS
from twin.mechanics.host import IDLE_BYTES_PER_SECOND
from twin.mechanics.serving import (
    CLIENT_BANDWIDTH,
    STORE_BANDWIDTH,
)


def sent(world: Episode, counts: Counts, gauges: Gauges, now: Array) -> tuple[Array, Array]:
    """[P] bytes a second that each program sends, and [] downloads in progress."""
    tokens = counts.tokens + counts.admitted
    of_replicas = ANSWER_BYTES_PER_TOKEN * tokens + IDLE_TRAFFIC
    head = PROMPT_BYTES_PER_TOKEN * gauges.lengths[0] * counts.admitted.sum()
    gateway = BYTES_PER_TOKEN * gauges.lengths[1] * counts.completed.sum()
    seconds = jnp.asarray(world.exposed.download)[0]
    elsewhere = ~gauges.up & (gauges.fresh == 2) & (gauges.ready < NEVER_READY)
    downloads = (elsewhere & (gauges.ready - now > jnp.asarray(world.start)[:, 2] - seconds)).sum()
    store = jnp.minimum(downloads * CLIENT_BANDWIDTH, STORE_BANDWIDTH)
    others = jnp.stack([head, gateway, store])
    return jnp.concatenate([of_replicas, others]), downloads.astype(jnp.float32)


def of_nodes(
    world: Episode, memory: Memory, gauges: Gauges, of: Signs, home: Array, runs: Array, traffic: Array
) -> dict[str, Array]:
    """[D] by feature, of machines on which the programs with `home` [P] run that `runs` [P] and send `traffic` [P]."""
    exposed, node = world.exposed, jnp.asarray(world.exposed.node)
    replicas, nodes = world.exists.shape[0], node.shape[0]
    on = ((home[:, None] == jnp.arange(nodes)[None, :]) & runs[:, None]).astype(jnp.float32)
    busy = jnp.where(gauges.running + gauges.queued > 0.5, ACTIVE_THREADS, IDLE_THREADS)
    threads = jnp.concatenate([busy, jnp.asarray(exposed.threads)[replicas:]]) + of.program[:, SIGN["threads"]]
    of_program = jnp.stack(
        [
            jnp.asarray(exposed.resident) + jnp.append(gauges.grown, jnp.zeros(home.shape[0] - replicas)),
            jnp.minimum(threads, jnp.asarray(exposed.cores)),
            traffic,
        ]
    )
    resident, runnable, sent = of_program @ on
    used = node[:, 2] + resident + gauges.foreign
    offset = of.node[:, SIGN["clock_offset"]]
    nothing = jnp.zeros(nodes)
    return {
        "node_memory_MemTotal_bytes": node[:, 0],
        "node_memory_MemAvailable_bytes": jnp.maximum(node[:, 0] - used, 0.0),
        "node_load1": runnable + of.node[:, SIGN["threads"]],
        "node_vmstat_oom_kill": nothing,
        "node_boot_time_seconds": exposed.epoch + memory.booted + offset,
        'node_filesystem_avail_bytes{mountpoint="/"}': jnp.maximum(node[:, 1] - of.node[:, SIGN["disk_taken"]], 0.0),
        "node_netstat_Tcp_RetransSegs": nothing,
        "node_timex_offset_seconds": offset,
        'node_network_transmit_bytes_total{device="eth0"}': sent + IDLE_BYTES_PER_SECOND,
    }
