"""What exporters of the inference cluster show of the arrays, from the same quantities as in the SimPy twin.

`SEEN` says what is computed of each kind of component; other features are absent, as behind an exporter that does not
have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.fast import orders
from twin.fast.conditions import present
from twin.fast.inference.episodes import GATEWAY, HEAD, NODE, STORE, Episode
from twin.fast.inference.exposed import RANK, SIGN, SOFTWARE_CAP, SOFTWARE_HEAT
from twin.fast.inference.state import State
from twin.fast.orders import NUMBER, among
from twin.fast.scraping import COLUMNS, Block, Reading, block
from twin.inference.cgroup import (
    ANSWER_BYTES_PER_TOKEN,
    IDLE_TRAFFIC,
    PROMPT_BYTES_PER_TOKEN,
    REQUEST_MEMORY,
    SERVER_SECONDS_PER_TOKEN,
)
from twin.inference.gateway import BYTES_PER_TOKEN
from twin.inference.replica import ACTIVE_THREADS, CORE_THREADS, IDLE_THREADS
from twin.mechanics.gpu_clocks import ClockEvent
from twin.mechanics.gpu_power import DECODE_ACTIVITY, POWER_EXPONENT, PREFILL_ACTIVITY
from twin.mechanics.gpu_thermal import CONTROL_BAND, CORE_RISE, MAX_OPERATING, THERMAL_SECONDS
from twin.mechanics.host import IDLE_BYTES_PER_SECOND
from twin.mechanics.layers import RESETS, Layer, Part
from twin.mechanics.serving import (
    CLIENT_BANDWIDTH,
    CONTROL_LOOP_INTERVAL,
    CONTROL_LOOP_SECONDS,
    PROXY_HEALTHY,
    STORE_BANDWIDTH,
)

TARGET_RELOADS, RESIDENTS_RELOAD = (
    np.array([any(r.part is part and Layer.GPU in r.layers for r in RESETS[c]) for c in NUMBER])
    for part in (Part.TARGET, Part.RESIDENTS)
)
"""[C] categories after which the driver of the target, or of the target's residents, is a new one."""
NEVER_READY: Final = 1e9
"""Seconds at which nobody will ever start: a time that has not come, as a number."""
OF_GPUS: Final = 1
"""What `Exposed.kind` says of conditions of GPUs."""
DARKENS: Final = ("reboot", "power-cycle", "replace")
"""Categories that take a machine down."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts:
    """What happened in a tick: [R] of each replica, but where it says otherwise."""

    routed: Array
    """Requests that it was given."""
    admitted: Array
    """Requests whose prompts were computed."""
    first_token: Array
    """Seconds to first token, summed over them."""
    queue_time: Array
    """Seconds that those who were answered had waited for their prompt, summed."""
    tokens: Array
    """Output tokens but for the first ones."""
    gaps: Array
    """Seconds between tokens, summed over requests that decode."""
    completed: Array
    whole: Array
    """Seconds to the last token, summed over those."""
    broken: Array
    """Requests that had their first token and ended without the last one."""
    failed: Array
    """Requests that ended without any."""
    lost: Array
    """Requests that ended with their replica's process."""
    cancelled: Array
    """Requests that the gateway gave up."""
    given_up: Array
    """[] of them, those that no replica had."""
    died: Array
    """[P] whether a process died while it ran."""
    failed_starts: Array
    """[P] whether one died in its start."""
    came: Array
    """[P] whether one began to run."""
    upstream: Array
    """[] seconds that the gateway had waited for its upstream, summed over requests that failed."""
    decode: Array
    """Seconds of kernels of decode steps."""
    prefill: Array
    """Seconds of kernels of steps with prompts."""
    arrived: Array
    """[] requests at the gateway."""
    refused: Array
    """[] of them, those that no replica was asked for."""
    unheard: Array
    """[] of them, those that Serve's proxy took and did not hear."""
    hung: Array
    """[] seconds in which Serve's proxy hung."""
    reloaded: Array
    """[G] whether a GPU's driver was loaded anew."""
    booted: Array
    """[D] whether a machine booted."""
    met: Array
    """[K] whether a condition held."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gauges:
    """How it is at the end of a tick. [R], but where it says otherwise."""

    running: Array
    """Requests that get their answers."""
    queued: Array
    """Requests whose prompt is not computed."""
    tokens: Array
    """Tokens of context that they hold."""
    waiting: Array
    """[] at the router."""
    up: Array
    """[P]"""
    ready: Array
    """[P] when those that start will run; `NEVER_READY` of others."""
    fresh: Array
    """[P] which start it is."""
    seat: Array
    lengths: Array
    """[3] tokens of prompts, of answers, and of prompts that are computed."""
    inside: Array
    """[] requests that somebody works on or that wait, wherever."""
    grown: Array
    """Bytes of memory beyond an engine's usual: of its own, and of foreign processes in its container."""
    foreign: Array
    """[D] bytes of foreign processes on machines."""
    healed: Array
    """[K]"""
    down: Array
    """[D] machines that an operation has taken down."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """What exporters remember between two scrapes."""

    temperature: Array
    """[G] C."""
    xid: Array
    """[G] the last that the driver reported; 0 none."""
    booted: Array
    """[D] seconds."""


def remembered(world: Episode) -> Memory:
    """At the beginning: idle GPUs, machines that have just booted."""
    watts = jnp.asarray(world.exposed.gpu)[1] / jnp.asarray(world.exposed.gpu)[0]
    gpus, nodes = world.exposed.seat.shape[0], world.exposed.node.shape[0]
    return Memory(jnp.asarray(world.exposed.inlet) + CORE_RISE * watts, jnp.zeros(gpus), jnp.zeros(nodes))


def gauges(world: Episode, state: State, now: Array) -> Gauges:
    """How it is at second `now`."""
    running = state.decoding.sum(axis=1)
    return Gauges(
        running=running,
        queued=state.queued,
        tokens=running * (state.asked[0] + state.asked[1] / 2.0),
        waiting=state.waiting,
        up=state.up,
        ready=jnp.minimum(state.ready, NEVER_READY),
        fresh=state.fresh,
        seat=state.seat,
        lengths=state.asked,
        inside=running.sum() + (state.queued + state.undelivered + state.answered).sum() + state.waiting + state.unsent,
        grown=state.leaked + state.stressed,
        foreign=state.foreign,
        healed=state.healed,
        down=(_darkened(world, state) & (now >= state.orders.interrupts)[:, None]).any(axis=0),
    )


def reloads(world: Episode, state: State, now: Array) -> tuple[Array, Array]:
    """[G] drivers and [D] machines that operations which are done at second `now` have started anew."""
    finishing = orders.finishing(state.orders, now)[:, None]
    category, target = state.orders.category, state.orders.target
    seat = jnp.asarray(world.exposed.seat)
    node = _machine(world, target)[:, None]
    itself = jnp.asarray(world.exposed.card)[target][:, None] == jnp.arange(seat.shape[0])[None, :]
    below = node == jnp.asarray(world.node_of_seat)[seat][None, :]
    drivers = itself & jnp.asarray(TARGET_RELOADS)[category][:, None]
    drivers = drivers | (below & jnp.asarray(RESIDENTS_RELOAD)[category][:, None])
    return (drivers & finishing).any(axis=0), (_darkened(world, state) & finishing).any(axis=0)


def _machine(world: Episode, target: Array) -> Array:
    """[J] which node each target is; -1 of what is none."""
    return jnp.where(jnp.asarray(world.role)[target] == NODE, jnp.asarray(world.index)[target], -1)


def _darkened(world: Episode, state: State) -> Array:
    """[J, D] the machines that each operation takes down at some time."""
    machines = jnp.arange(world.exposed.node.shape[0])
    node = _machine(world, state.orders.target)[:, None] == machines[None, :]
    return node & among(state.orders.category, DARKENS)[:, None] & state.orders.active[:, None]


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
    of = _Signs(*(_on_rows(world, signs, kind, rows) for kind, rows in enumerate((programs, gpus, nodes))))
    work = _work(world, counts, gauges, of)
    memory = _moved_on(world, memory, counts, work, of.gpu, now, seconds)
    seen = _seen(world, on, programs, gpus)
    dark = gauges.down | _without_power(world, gauges, now)
    home = jnp.concatenate([jnp.asarray(world.node_of_seat)[gauges.seat], jnp.asarray(exposed.home)[replicas:]])
    runs = gauges.up & ~dark[home]
    answers = runs & seen[0]
    traffic, inflight = _sent(world, counts, gauges, now)
    one = {"ray-head": HEAD, "nginx": GATEWAY, "model-store": STORE}
    columns = {
        "ray-head": _head(world, counts, gauges, of.program[replicas + HEAD]),
        "nginx": _gateway(counts, gauges),
        "model-store": {
            "minio_s3_requests_total": jnp.zeros(()),
            "minio_s3_requests_errors_total": jnp.zeros(()),
            "minio_s3_requests_inflight_total": inflight,
            "minio_s3_traffic_sent_bytes": traffic[replicas + STORE],
        },
    }
    found = {kind: block(kind, columns[kind], answers[replicas + at][None], {}) for kind, at in one.items()}
    frozen = of.program[:replicas, SIGN["frozen"]] > 0.0
    of_replica = _replica(world, counts, gauges, of.program, traffic)
    found["vllm"] = block("vllm", of_replica, answers[:replicas], {OF_ENGINE: frozen})
    silent = of.gpu[:, SIGN["silent"]] > 0.0
    unknown = (of.gpu[:, SIGN["off_bus"]] > 0.0) & (memory.xid == 0.0)
    quiet = {OF_DEVICE: silent, OF_DRIVER: unknown}
    gpu_answers = ~dark[jnp.asarray(world.node_of_seat)[jnp.asarray(exposed.seat)]] & seen[1]
    gpu_answers = gpu_answers & (jnp.asarray(exposed.slots)[programs : programs + gpus] < world.role.shape[0])
    found["gpu"] = block("gpu", _gpu(world, memory, gauges, work, of, now), gpu_answers, quiet)
    node_answers = ~dark & seen[2] & (jnp.asarray(exposed.slots)[programs + gpus :] < world.role.shape[0])
    of_node = _node(world, memory, gauges, of, home, runs, traffic)
    found["node"] = block("node", of_node, node_answers, {})
    return memory, found


@dataclass(frozen=True)
class _Signs:
    """[P, M], [G, M], [D, M] the strongest sign of the conditions on each."""

    program: Array
    gpu: Array
    node: Array


def _on_rows(world: Episode, signs: Array, kind: int, rows: int) -> Array:
    """[rows, M] of conditions [K, M] on one kind of component."""
    here = (jnp.asarray(world.exposed.kind) == kind)[:, None] & (
        jnp.asarray(world.exposed.row)[:, None] == jnp.arange(rows)[None, :]
    )
    return jnp.where(here[:, :, None], signs[:, None, :], 0.0).max(axis=0)


def _seen(world: Episode, on: Array, programs: int, gpus: int) -> tuple[Array, Array, Array]:
    """[P], [G], [D] whom the monitoring system reaches."""
    blind = (jnp.asarray(world.exposed.blind) & on[:, None]).any(axis=0)
    seen = jnp.append(~blind, True)[jnp.asarray(world.exposed.slots)]
    return seen[:programs], seen[programs : programs + gpus], seen[programs + gpus :]


def _without_power(world: Episode, gauges: Gauges, now: Array) -> Array:
    """[D] machines without power, or that boot after they had none."""
    conditions, boots = world.conditions, jnp.asarray(world.exposed.signs)[:, SIGN["boots"]]
    begun, until = now >= jnp.asarray(conditions.begins), jnp.asarray(conditions.ends) + boots
    dark = (boots > 0.0) & begun & (now < until) & ~gauges.healed
    machines = jnp.arange(world.exposed.node.shape[0])
    return (dark[:, None] & (jnp.asarray(world.exposed.row)[:, None] == machines[None, :])).any(axis=0)


# --- GPUs ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Load:
    """What a GPU did since the last scrape. [G] shares of the time, and clocks as shares of the highest."""

    replica: Array
    """[G] int32: whose it is."""
    decode: Array
    prefill: Array
    decode_clock: Array
    prefill_clock: Array


OF_DRIVER: Final = ("DCGM_FI_DEV_XID_ERRORS",)
OF_DEVICE: Final = tuple(name for name in COLUMNS["gpu"] if name not in OF_DRIVER)
"""What the driver says by itself, and what it has to ask the device for."""


def _work(world: Episode, counts: Counts, gauges: Gauges, of: _Signs) -> _Load:
    seats = jnp.arange(gauges.seat.shape[0])
    holder = jnp.argmax(gauges.seat[None, :] == seats[:, None], axis=1)[jnp.asarray(world.exposed.seat)]
    working = gauges.up[holder] & (gauges.running[holder] + gauges.queued[holder] > 0.0)
    spins = working & (of.program[holder, SIGN["spins"]] > 0.0)
    return _Load(
        holder,
        jnp.where(spins, 1.0, counts.decode[holder]),
        counts.prefill[holder],
        1.0 - of.gpu[:, SIGN["decode_slow"]],
        1.0 - of.gpu[:, SIGN["prefill_slow"]],
    )


def _watts(world: Episode, work: _Load, decode_clock: Array, prefill_clock: Array) -> Array:
    """[G] mean power at these clocks."""
    limit, idle = jnp.asarray(world.exposed.gpu)[0], jnp.asarray(world.exposed.gpu)[1]
    drawn = work.decode * DECODE_ACTIVITY * decode_clock**POWER_EXPONENT
    drawn = drawn + work.prefill * PREFILL_ACTIVITY * prefill_clock**POWER_EXPONENT
    return idle + (limit - idle) * drawn / jnp.maximum(work.decode + work.prefill, 1.0)


def _moved_on(
    world: Episode, memory: Memory, counts: Counts, work: _Load, of_gpu: Array, now: Array, seconds: float
) -> Memory:
    """Temperatures, drivers and boots since the last scrape."""
    # The driver lets the device heat up at its full clock until it must hold it back.
    hottest = of_gpu[:, SIGN["hottest"]]
    cool = (hottest > 0.0) & (memory.temperature < MAX_OPERATING - CONTROL_BAND)
    watts = _watts(world, work, jnp.where(cool, 1.0, work.decode_clock), jnp.where(cool, 1.0, work.prefill_clock))
    share = watts / jnp.asarray(world.exposed.gpu)[0]
    target = jnp.asarray(world.exposed.inlet) + CORE_RISE * (1.0 + of_gpu[:, SIGN["heat_path"]]) * share
    warmer = target + (memory.temperature - target) * jnp.exp(-seconds / THERMAL_SECONDS)
    held = jnp.where(hottest > 0.0, jnp.maximum(hottest, memory.temperature - seconds), jnp.inf)
    reported = of_gpu[:, SIGN["xid"]] % RANK
    known = jnp.where(counts.reloaded > 0.0, 0.0, memory.xid)
    return Memory(
        temperature=jnp.minimum(warmer, held),
        xid=jnp.where(reported > 0.0, reported, known),
        booted=jnp.where(counts.booted > 0.0, now, memory.booted),
    )


def _gpu(world: Episode, memory: Memory, gauges: Gauges, work: _Load, of: _Signs, now: Array) -> dict[str, Array]:
    sign = of.gpu
    busy = work.decode + work.prefill
    heats = sign[:, SIGN["hottest"]] > 0.0
    hot = heats & (memory.temperature >= MAX_OPERATING - CONTROL_BAND)
    decode_clock = jnp.where(heats & ~hot, 1.0, work.decode_clock)
    prefill_clock = jnp.where(heats & ~hot, 1.0, work.prefill_clock)
    clock = (work.decode * decode_clock + work.prefill * prefill_clock) / jnp.maximum(busy, 1e-6)
    hardware = sign[:, SIGN["hardware"]]
    brake = hardware >= float(ClockEvent.HW_POWER_BRAKE_SLOWDOWN)
    alert = (hardware > 0.0) & ~brake
    capped = work.decode * sign[:, SIGN["decode_capped"]] + work.prefill * sign[:, SIGN["prefill_capped"]]
    bits = jnp.where(capped > 0.0, SOFTWARE_CAP, 0.0) + jnp.where(hot, SOFTWARE_HEAT, 0.0)
    bits = jnp.where(busy > 0.0, bits, float(ClockEvent.GPU_IDLE)) + hardware
    ready, warm = gauges.ready[work.replica], jnp.asarray(world.exposed.warm)[gauges.fresh[work.replica]]
    taken = gauges.up[work.replica] | ((ready < NEVER_READY) & (ready - now <= warm))
    megahertz, size = jnp.asarray(world.exposed.gpu)[2], jnp.asarray(world.exposed.gpu)[3]
    nanoseconds = 1e9
    return {
        "DCGM_FI_DEV_SM_CLOCK": jnp.round(megahertz * jnp.where(busy > 0.0, clock, 1.0)),
        "DCGM_FI_DEV_POWER_USAGE": _watts(world, work, decode_clock, prefill_clock),
        "DCGM_FI_DEV_GPU_TEMP": jnp.round(memory.temperature),
        "DCGM_FI_DEV_GPU_UTIL": jnp.round(100.0 * jnp.minimum(busy, 1.0)),
        "DCGM_FI_DEV_FB_USED": jnp.where(taken, size, 0.0),
        "DCGM_FI_DEV_XID_ERRORS": memory.xid,
        "DCGM_FI_DEV_POWER_VIOLATION": nanoseconds * jnp.where(brake, busy, capped),
        "DCGM_FI_DEV_THERMAL_VIOLATION": nanoseconds * jnp.where(hot | alert, busy, 0.0),
        "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": bits,
        "DCGM_FI_DEV_ROW_REMAP_PENDING": (sign[:, SIGN["remap_pending"]] > 0.0).astype(jnp.float32),
        "DCGM_FI_DEV_ROW_REMAP_FAILURE": (sign[:, SIGN["no_spare"]] > 0.0).astype(jnp.float32),
    }


# --- replicas --------------------------------------------------------------------------------------------------------

OF_ENGINE: Final = tuple(name for name in COLUMNS["vllm"] if name.startswith("vllm:"))
"""What the engine's own server says; the rest is the kubelet's."""


def _replica(world: Episode, counts: Counts, gauges: Gauges, of_program: Array, traffic: Array) -> dict[str, Array]:
    replicas = world.exists.shape[0]
    prompt = gauges.lengths[0]
    inside = gauges.running + gauges.queued
    tokens = counts.tokens + counts.admitted
    looping = jnp.where(inside > 0.5, CORE_THREADS, IDLE_THREADS) + of_program[:replicas, SIGN["threads"]]
    cores = jnp.asarray(world.exposed.cores)[:replicas]
    nothing = jnp.zeros(replicas)
    memory = jnp.asarray(world.exposed.resident)[:replicas] + gauges.grown
    return {
        "vllm:num_requests_running": jnp.round(gauges.running),  # whole ones: what is left of a fluid is none
        "vllm:num_requests_waiting": gauges.queued,
        "vllm:kv_cache_usage_perc": jnp.minimum(1.0, gauges.tokens / world.most[1]),
        "vllm:num_preemptions_total": nothing,
        "vllm:prompt_tokens_total": counts.admitted * prompt,
        "vllm:generation_tokens_total": tokens,
        "vllm:prefix_cache_queries_total": counts.admitted * prompt,
        "vllm:prefix_cache_hits_total": counts.admitted * (prompt - gauges.lengths[2]),
        'vllm:request_success_total{finished_reason="stop"}': counts.completed,
        'vllm:request_success_total{finished_reason="error"}': nothing,
        "vllm:time_to_first_token_seconds_sum": counts.first_token,
        "vllm:time_to_first_token_seconds_count": counts.admitted,
        "vllm:e2e_request_latency_seconds_sum": counts.whole,
        "vllm:e2e_request_latency_seconds_count": counts.completed,
        "vllm:request_queue_time_seconds_sum": counts.queue_time,
        "vllm:request_queue_time_seconds_count": counts.completed,
        "vllm:inter_token_latency_seconds_sum": counts.gaps,
        "vllm:inter_token_latency_seconds_count": counts.tokens,
        "container_memory_working_set_bytes": memory + REQUEST_MEMORY * inside,
        "container_cpu_usage_seconds_total": jnp.minimum(looping + SERVER_SECONDS_PER_TOKEN * tokens, cores),
        "container_network_transmit_bytes_total": traffic[:replicas],
    }


# --- machines and the programs on the head ---------------------------------------------------------------------------


def _sent(world: Episode, counts: Counts, gauges: Gauges, now: Array) -> tuple[Array, Array]:
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


def _node(
    world: Episode, memory: Memory, gauges: Gauges, of: _Signs, home: Array, runs: Array, traffic: Array
) -> dict[str, Array]:
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


def _head(world: Episode, counts: Counts, gauges: Gauges, sign: Array) -> dict[str, Array]:
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


def _gateway(counts: Counts, gauges: Gauges) -> dict[str, Array]:
    return {
        "nginx_http_requests_total": counts.arrived,
        "nginx_connections_active": gauges.inside,
        # A status line that has been sent stands, whatever comes after it.
        'nginx_http_response_count_total{status="2xx"}': counts.completed.sum() + counts.broken.sum(),
        'nginx_http_response_count_total{status="4xx"}': jnp.zeros(()),
        'nginx_http_response_count_total{status="5xx"}': counts.failed.sum() + counts.refused + counts.given_up,
        "nginx_http_upstream_time_seconds_sum": counts.whole.sum() + counts.upstream,
    }


# --- log lines -------------------------------------------------------------------------------------------------------


def events(world: Episode, told: Reading, seconds: float) -> dict[str, Array]:
    """By kind: [R, events] how often what `EVENTS` names happened to each component in the ticks [k, …] of a decision
    of `seconds`."""
    counts = jax.tree.map(lambda each: each.sum(axis=0), told.counts)
    gauges = told.gauges
    replicas, nodes = world.exists.shape[0], world.exposed.node.shape[0]
    runs = gauges.up.mean(axis=0) * seconds
    home = jnp.asarray(world.node_of_seat)[gauges.seat[-1]]
    life = jnp.stack([counts.died, counts.failed_starts, counts.came], axis=1)
    requests = jnp.stack([counts.completed, counts.lost, counts.cancelled], axis=1)
    of_replica = jnp.concatenate([runs[:replicas, None], requests, life[:replicas]], axis=1)
    on = (home[None, :] == jnp.arange(nodes)[:, None]).astype(jnp.float32)
    awake = (1.0 - gauges.down.mean(axis=0)) * seconds
    total = of_replica[:, 1:].sum(axis=0)
    head, gateway, store = (jnp.append(runs, 0.0)[replicas + i] for i in (HEAD, GATEWAY, STORE))
    began = counts.came[replicas:]
    total = total.at[2].add(counts.given_up - counts.unheard)
    return {
        "vllm": of_replica,
        "node": jnp.concatenate([awake[:, None], on @ life[:replicas]], axis=1),
        "ray-head": jnp.concatenate([head[None], total, jnp.stack([counts.hung, began[HEAD]])])[None],
        "nginx": jnp.stack([gateway, *total[:3], counts.refused, counts.unheard, began[GATEWAY]])[None],
        "model-store": jnp.stack([store, began[STORE]])[None],
    }


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
