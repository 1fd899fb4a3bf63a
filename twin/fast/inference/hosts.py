"""Memory and cores of machines and containers: who slows whom down, and whom the kernel kills.

The same mechanics as `twin.node` and `twin.inference.cgroup`, looked at once a tick: threads share cores, memory near
its end slows all host work, past it the kernel kills the worst of a machine, or the largest of a container.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from twin.fast.inference.episodes import OTHERS
from twin.inference.replica import ACTIVE_THREADS, IDLE_THREADS
from twin.mechanics.host import MEMORY_KNEE, MEMORY_SLOWDOWN
from twin.mechanics.supervision import MEMORY_EVICTION
from twin.mechanics.vllm import POD_MEMORY
from twin.node import KERNEL_RESERVE, POD_OOM_ADJUSTMENT

if TYPE_CHECKING:
    from twin.fast.inference.episodes import Episode
    from twin.fast.inference.levels import Levels
    from twin.fast.inference.state import State


@dataclass(frozen=True)
class Hosts:
    """What hosts did in a tick."""

    slowdown: Array
    """[R] how many times longer host work takes."""
    killed: Array
    """[R] engines that the kernel killed."""
    evicted: Array
    """[R] pods that the kubelet evicts for want of memory."""
    leaked: Array
    """[R] bytes by which processes have grown."""
    stressed: Array
    """[R] bytes of stressors in containers."""
    foreign: Array
    """[D] the same on machines."""


def hosts(world: Episode, state: State, own: Levels, machines: Levels, node: Array, dt: float) -> Hosts:
    """`own` [P], `machines` [D]: levels of programs and of machines; `node` [P] int."""
    replicas = world.exists.shape[0]
    calm = jnp.zeros(replicas)
    if world.limits.shape[0] == 0:  # nothing in these episodes takes memory or cores
        nobody = jnp.zeros(replicas, bool)
        return Hosts(calm + 1.0, nobody, nobody, state.leaked, state.stressed, state.foreign)
    pod_memory, pod_cores, memory, cores, of_another, its_threads = (each for each in jnp.asarray(world.limits))
    up = state.up
    stressed = _grown(state.stressed, own.of(slice(replicas)), dt, "taken", "growth")
    foreign = _grown(state.foreign, machines, dt, "node_taken", "node_growth")
    leaked = jnp.where(up[:replicas], state.leaked + own["leak"][:replicas] * dt, 0.0)
    leaked = jnp.where(own["leak"][:replicas] > 0.0, leaked, 0.0)
    resident = POD_MEMORY + leaked + stressed
    busy = state.decoding.sum(axis=1) + state.queued > 0.0
    threads = jnp.where(busy, ACTIVE_THREADS, IDLE_THREADS) + own["workers"][:replicas]
    of_pod = _slowdown(jnp.minimum(1.0, resident / pod_memory), threads / pod_cores)
    at = node[:, None] == jnp.arange(world.gpus_of_node.shape[0])[None, :]
    there = at & up[:, None]
    others = jnp.full(OTHERS, 1.0)
    runnable = jnp.concatenate([jnp.minimum(threads, pod_cores), others * its_threads])
    used = jnp.concatenate([resident, others * of_another])
    runnable_there = (there * runnable[:, None]).sum(axis=0) + machines["node_workers"]
    used_there = (there * used[:, None]).sum(axis=0) + foreign + KERNEL_RESERVE
    of_machine = _slowdown(used_there / memory, runnable_there / cores)
    # A machine out of memory: the worst of those on it, or the stressor, whose parent starts another.
    full = used_there > memory
    largest = jnp.where(there[:replicas], resident[:, None], 0.0)
    worst = largest.max(axis=0)
    spared = machines["spared"]
    takes_pod = (worst > 0.0) & (worst / memory + POD_OOM_ADJUSTMENT >= foreign / memory - spared)
    victim = (largest == worst[None, :]) & (largest > 0.0)
    killed = (victim & (full & takes_pod)[None, :]).any(axis=1)
    foreign = jnp.where(full & ~takes_pod, 0.0, foreign)
    # So is a container past its limit.
    over = resident > pod_memory
    takes_engine = (resident - stressed) > stressed - own["spared"][:replicas] * pod_memory
    killed = killed | (over & takes_engine & up[:replicas])
    stressed = jnp.where(over & ~takes_engine, 0.0, stressed)
    low = (memory - used_there < MEMORY_EVICTION) & ~full
    evicted = (victim & low[None, :]).any(axis=1)
    # A start is as slow as the machine, before it takes any memory itself.
    on_node = jnp.where(at[:replicas], of_machine[None, :], 0.0).max(axis=1)
    slowdown = of_pod * jnp.maximum(1.0, on_node)
    return Hosts(slowdown, killed, evicted, jnp.where(killed, 0.0, leaked), stressed, foreign)


def _grown(before: Array, channel: Levels, dt: float, size: str, growth: str) -> Array:
    """Bytes of stressors: `growth` bytes a second up to `size`, all at once where there is none."""
    most, rate = channel[size], channel[growth]
    return jnp.where(rate > 0.0, jnp.minimum(most, before + rate * dt), most)


def _slowdown(memory: Array, runnable: Array) -> Array:
    """`twin.mechanics.host.host_slowdown` of arrays."""
    thrashing = jnp.maximum(0.0, (jnp.minimum(memory, 1.0) - MEMORY_KNEE) / (1.0 - MEMORY_KNEE))
    return jnp.maximum(1.0, runnable) * (1.0 + thrashing * (MEMORY_SLOWDOWN - 1.0))
