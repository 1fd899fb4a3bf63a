"""What exporters of an OpenStack cloud show of the arrays. Features that are not computed are absent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from twin.fast.conditions import present
from twin.fast.openstack import jobs
from twin.fast.openstack.components import HOSTED, ROLE, WEB
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.exposed import SIGN, TAKE
from twin.fast.openstack.state import State
from twin.fast.scraping import NEVER, Block, Reading, block
from twin.mechanics import cinder, neutron
from twin.mechanics import openstack as facts
from twin.mechanics.host import IDLE_BYTES_PER_SECOND
from twin.mechanics.rabbitmq import MEMORY_WATERMARK
from twin.node import KERNEL_RESERVE
from twin.openstack.infrastructure.mysql import SYNCED, UNDEFINED
from twin.openstack.tenants.capacity import MIB

OF_NOVA: Final = ("nova-conductor", "nova-scheduler", "nova-compute")
OF_NEUTRON: Final = (
    "neutron-openvswitch-agent", "neutron-dhcp-agent", "neutron-l3-agent", "neutron-metadata-agent",
)  # fmt: skip
OF_CINDER: Final = ("cinder-scheduler", "cinder-volume")
AGENTS: Final = (*OF_NOVA, *OF_NEUTRON, *OF_CINDER)
"""Kinds whose life somebody judges by their heartbeats."""
_BEATS: Final = {
    **dict.fromkeys(OF_NOVA, (facts.REPORT_INTERVAL, facts.SERVICE_DOWN_TIME)),
    **dict.fromkeys(OF_NEUTRON, (neutron.REPORT_INTERVAL, neutron.AGENT_DOWN_TIME)),
    **dict.fromkeys(OF_CINDER, (cinder.REPORT_INTERVAL, cinder.SERVICE_DOWN_TIME)),
}
"""Kind -> seconds between two heartbeats, and after which one counts as dead."""


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
    born: Array
    """When each began to run."""
    present: Array
    trusted: Array
    member: Array
    """[members] of the database."""
    drained: Array
    heard: Array
    """[H] the last heartbeat of a host's nova-compute."""
    forced: Array
    """[H] whether nova was told that it is down."""
    seen: Array
    """[H] servers on it as nova last said."""
    tenants: Array
    """[H] tenants' servers that run on it."""
    runs: Array
    """[H] servers of runs on it."""
    healed: Array
    """[K]"""


def gauges(world: Episode, state: State, now: Array) -> Gauges:
    """How it is now."""
    programs, hosts = state.programs, state.hosts
    size = hosts.seen.shape[0]
    tenants = hosts.running.sum(axis=0)
    return Gauges(
        up=programs.up,
        born=programs.born,
        present=programs.present,
        trusted=programs.trusted,
        member=state.member,
        drained=state.drained,
        heard=jnp.maximum(hosts.heard, NEVER),
        forced=hosts.forced,
        seen=hosts.seen,
        tenants=tenants,
        runs=jobs.on_hosts(state, size) - tenants - hosts.dead.sum(axis=0),
        healed=state.healed,
    )


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Memory:
    """What exporters remember between two scrapes. [N]"""

    heard: Array
    """When each was last known to write heartbeats, seconds."""
    booted: Array
    """When each machine booted."""
    up: Array


def remembered(world: Episode) -> Memory:
    """At the beginning: all that is deployed runs."""
    running = jnp.asarray(world.components.running)
    return Memory(jnp.where(running, 0.0, NEVER), jnp.zeros(running.shape), running)


@dataclass(frozen=True)
class Look:
    """What a scrape has to do with."""

    world: Episode
    gauges: Gauges
    counts: Counts
    memory: Memory
    now: Array
    signs: Array
    """[N, M] the strongest of the conditions on each."""
    foreign: Array
    """[N] bytes of foreign memory, or leaked."""


Column = Callable[[Look], Array]
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


def _everywhere(value: Array, world: Episode) -> Array:
    return jnp.broadcast_to(value.astype(jnp.float32), world.role.shape)


# --- programs --------------------------------------------------------------------------------------------------------


def _resident(look: Look) -> Array:
    return jnp.asarray(look.world.exposed.resident) + look.foreign


def _too_much(look: Look) -> Array:
    """Whether a broker holds more of its machine's memory than its watermark allows."""
    machine = jnp.asarray(look.world.exposed.machine)[jnp.asarray(look.world.components.node), 0]
    return (_resident(look) > MEMORY_WATERMARK * machine).astype(jnp.float32)


def _agent(look: Look) -> Array:
    """Whether a heartbeat of it is fresh."""
    role, limit = jnp.asarray(look.world.role), jnp.zeros(look.world.role.shape)
    for kind, (_, seconds) in _BEATS.items():
        limit = jnp.where(role == ROLE[kind], seconds, limit)
    return (jnp.abs(look.now - look.memory.heard) <= limit).astype(jnp.float32)


def _on_host(look: Look, column: int) -> Array:
    """[N] of what a host offers, what its servers take."""
    world, server = look.world, jnp.asarray(look.world.exposed.server)[:, column]
    tenants = jnp.minimum(look.gauges.tenants, look.gauges.seen)
    return _of_host(tenants * server[0] + (look.gauges.seen - tenants) * server[1], world)


def _member(look: Look) -> tuple[Array, Array]:
    """[N] whether a database server is in the primary component; and the one that gets the sessions."""
    group = jnp.asarray(look.world.components.group[0])
    numbers = jnp.arange(look.world.role.shape[0])
    inside = ((group[None, :] == numbers[:, None]) & look.gauges.member[None, :]).any(axis=1)
    usable = (group >= 0) & look.gauges.trusted[jnp.maximum(group, 0)] & ~look.gauges.drained
    return inside & look.gauges.up, (numbers == group[jnp.argmax(usable)]).astype(jnp.float32)


def _balanced(look: Look, first: bool) -> Array:
    """Database servers that the balancer takes for up: the first, or those behind it."""
    group = jnp.asarray(look.world.components.group[0])
    usable = (group >= 0) & look.gauges.trusted[jnp.maximum(group, 0)] & ~look.gauges.drained
    return _everywhere(jnp.where((jnp.arange(len(group)) == 0) == first, usable, False).sum(), look.world)


# --- machines --------------------------------------------------------------------------------------------------------


def _aboard(look: Look, values: Array) -> Array:
    """[N] sums over the programs that run on each machine."""
    node = jnp.asarray(look.world.components.node)
    numbers = jnp.arange(node.shape[0])
    on = (node[None, :] == numbers[:, None]).astype(jnp.float32)
    return on @ jnp.where(look.gauges.up & jnp.asarray(look.world.components.process), values, 0.0)


def _guests(look: Look, column: int) -> Array:
    """[N] what the servers that run on a machine take."""
    server = jnp.asarray(look.world.exposed.server)[:, column]
    machine = jnp.asarray(look.world.role) == ROLE["node"]
    hosts = machine & (jnp.asarray(look.world.components.host) >= 0)
    taken = _of_host(look.gauges.tenants * server[0] + look.gauges.runs * server[1], look.world)
    return jnp.where(hosts, taken, 0.0)


def _available(look: Look) -> Array:
    used = KERNEL_RESERVE + _aboard(look, _resident(look)) + _guests(look, TAKE["touched"]) + look.foreign
    return jnp.maximum(jnp.asarray(look.world.exposed.machine)[:, 0] - used, 0.0)


def _load(look: Look) -> Array:
    threads = _aboard(look, jnp.asarray(look.world.exposed.threads)) + _guests(look, TAKE["cores"])
    return threads + look.signs[:, SIGN["cpu_stress"]]


def _offset(look: Look) -> Array:
    return look.signs[:, SIGN["clock_offset"]]


def _boot_time(look: Look) -> Array:
    return jnp.asarray(look.world.exposed.epoch) + look.memory.booted + _offset(look)


def _room(look: Look) -> Array:
    return jnp.maximum(jnp.asarray(look.world.exposed.machine)[:, 1] - look.signs[:, SIGN["disk_taken"]], 0.0)


def _nothing(look: Look) -> Array:
    return jnp.zeros(look.world.role.shape)


SHOWS: Final[Mapping[str, tuple[tuple[str, ...], Column]]] = {
    "haproxy_backend_active_servers": (WEB, lambda at: at.gauges.trusted.astype(jnp.float32)),
    'haproxy_backend_http_responses_total{code="2xx"}': (
        WEB, lambda at: _web(at.counts.requests - at.counts.failed, at.world),
    ),
    'haproxy_backend_http_responses_total{code="5xx"}': (WEB, lambda at: _web(at.counts.failed, at.world)),
    "haproxy_backend_total_time_average_seconds": (
        WEB, lambda at: _web(at.counts.seconds / jnp.maximum(at.counts.requests, 1e-6), at.world),
    ),
    'haproxy_backend_active_servers{proxy="mysql_back"}': (("haproxy",), lambda at: _balanced(at, True)),
    'haproxy_backend_backup_servers{proxy="mysql_back"}': (("haproxy",), lambda at: _balanced(at, False)),
    "process_resident_memory_bytes": ((*WEB, *AGENTS), _resident),
    "rabbitmq_process_resident_memory_bytes": (("rabbitmq",), _resident),
    "rabbitmq_alarms_memory_used_watermark": (("rabbitmq",), _too_much),
    "mysql_global_status_threads_running": (
        ("mysql",), lambda at: _member(at)[1] * (at.counts.threads - 1.0) + 1.0,
    ),
    "mysql_global_status_queries": (("mysql",), lambda at: _member(at)[1] * at.counts.queries),
    "mysql_global_status_uptime": (("mysql",), lambda at: at.now - at.gauges.born),
    "mysql_global_status_wsrep_cluster_size": (
        ("mysql",), lambda at: _everywhere(at.gauges.member.sum(), at.world),
    ),
    "mysql_global_status_wsrep_local_state": (
        ("mysql",), lambda at: jnp.where(_member(at)[0], float(SYNCED), float(UNDEFINED)),
    ),
    "openstack_nova_agent_state": (OF_NOVA, _agent),
    "openstack_neutron_agent_state": (OF_NEUTRON, _agent),
    "openstack_cinder_agent_state": (OF_CINDER, _agent),
    "openstack_nova_running_vms": (("nova-compute",), lambda at: _of_host(at.gauges.seen, at.world)),
    "openstack_nova_vcpus_used": (("nova-compute",), lambda at: _on_host(at, TAKE["processors"])),
    "openstack_nova_memory_used_bytes": (
        ("nova-compute",), lambda at: facts.RESERVED_MEMORY_MB * MIB + _on_host(at, TAKE["memory"]),
    ),
    "libvirt_up": (
        ("libvirt",), lambda at: (at.gauges.up & (at.signs[:, SIGN["hung"]] == 0.0)).astype(jnp.float32),
    ),
    "node_memory_MemTotal_bytes": (("node",), lambda at: jnp.asarray(at.world.exposed.machine)[:, 0]),
    "node_memory_MemAvailable_bytes": (("node",), _available),
    "node_load1": (("node",), _load),
    "node_vmstat_oom_kill": (("node",), _nothing),
    "node_boot_time_seconds": (("node",), _boot_time),
    'node_filesystem_avail_bytes{mountpoint="/"}': (("node",), _room),
    "node_netstat_Tcp_RetransSegs": (("node",), _nothing),
    "node_timex_offset_seconds": (("node",), _offset),
    'node_network_transmit_bytes_total{device="eth0"}': (
        ("node",), lambda at: _everywhere(jnp.float32(IDLE_BYTES_PER_SECOND), at.world),
    ),
}  # fmt: skip
"""Feature -> kinds that have it, values."""


SEEN: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(name for name, (kinds, _) in SHOWS.items() if kind in kinds)
    for kind in (*WEB, *AGENTS, "mysql", "rabbitmq", "haproxy", "libvirt", "node")
}
"""By kind: what is computed."""
STILL: Final[Mapping[str, str]] = {
    "node_vmstat_oom_kill": "nobody is killed for memory",
    "node_netstat_Tcp_RetransSegs": "no packet is lost",
}
"""Features that are there and do not move, and why."""
EVENTS: Final[Mapping[str, tuple[str, ...]]] = {}
"""Log lines are not counted yet."""


def events(world: Episode, told: Reading) -> dict[str, Array]:
    """None."""
    return {}


def exporters(
    world: Episode, memory: Memory, reading: Reading, now: Array, seconds: float, sizes: Mapping[str, int]
) -> tuple[Memory, dict[str, Block]]:
    """What every exporter shows at second `now`, `seconds` after the last scrape."""
    role, counts, is_ = jnp.asarray(world.role), reading.counts, reading.gauges
    on = present(world.conditions, is_.healed, now)
    queries = _asked(world, is_)
    memory = _moved_on(world, memory, is_, now)
    look = Look(world, is_, counts, memory, now, *_shown(world, on, now))
    unseen = (jnp.asarray(world.exposed.blind) & on[:, None]).any(axis=0)
    node = jnp.asarray(world.components.node)
    awake = is_.up[node] & ~unseen
    itself = is_.up & awake
    balancer = jnp.maximum(jnp.asarray(world.components.single)[ROLE["haproxy"]], 0)
    of_neutron = queries & is_.up[jnp.maximum(jnp.asarray(world.components.single)[ROLE["neutron-server"]], 0)]
    columns = {name: column(look) for name, (_, column) in SHOWS.items()}
    found = {}
    for kind, size in sizes.items():
        mine = role == ROLE[kind]
        slots = jnp.nonzero(mine, size=size, fill_value=0)[0]
        silent: dict[tuple[str, ...], Array] = {}
        if kind in WEB:  # the balancer tells of them, and the process of itself
            there = itself[balancer] & is_.present
            silent[OWN] = ~is_.up[slots]
        elif kind in AGENTS:  # so does an exporter that asks nova's API
            there = (queries | itself) & is_.present
            silent[OWN] = ~is_.up[slots]
            told = of_neutron if kind in OF_NEUTRON else queries
            silent[OF_OTHERS] = jnp.broadcast_to(~told, (size,))
        else:
            there = awake if kind in ("libvirt", "node") else itself
        here = (mine & there)[slots] & (jnp.arange(size) < mine.sum())
        found[kind] = block(kind, {name: columns[name][slots] for name in sorted(SEEN[kind])}, here, silent)
    return memory, found


OWN: Final[tuple[str, ...]] = ("process_resident_memory_bytes",)
"""What only a process itself tells."""
OF_OTHERS: Final = tuple(name for name in SHOWS if name.startswith("openstack_"))
"""What is asked of APIs."""


def _asked(world: Episode, is_: Gauges) -> Array:
    """[] whether nova's API answers whoever asks about services."""
    single, group = jnp.maximum(jnp.asarray(world.components.single), 0), jnp.asarray(world.components.group[0])
    database = (is_.up[jnp.maximum(group, 0)] & is_.member & (group >= 0)).any()
    return is_.up[single[ROLE["keystone"]]] & is_.up[single[ROLE["nova-api"]]] & database


def _moved_on(world: Episode, memory: Memory, is_: Gauges, now: Array) -> Memory:
    """Heartbeats and boots since the last scrape. Of a host's nova-compute they are told."""
    parts, role = world.components, jnp.asarray(world.role)
    group = jnp.asarray(parts.group[0])
    database = (is_.up[jnp.maximum(group, 0)] & is_.member & (group >= 0)).any()
    server = is_.up[jnp.maximum(jnp.asarray(parts.single)[ROLE["neutron-server"]], 0)]
    neutral = np.isin(np.arange(len(ROLE) + 1), [ROLE[kind] for kind in OF_NEUTRON])
    writes = is_.up & database & (server | ~jnp.asarray(neutral)[role])
    half = jnp.zeros(role.shape)
    for kind, (interval, _) in _BEATS.items():
        half = jnp.where(role == ROLE[kind], interval / 2.0, half)
    heard = jnp.where(writes, now - half, memory.heard)
    compute = role == ROLE[HOSTED[0]]
    of_host = jnp.where(_of_host(is_.forced, world) > 0.0, NEVER, _of_host(is_.heard, world))
    machine = role == ROLE["node"]
    return Memory(
        heard=jnp.where(compute, of_host, heard),
        booted=jnp.where(machine & is_.up & ~memory.up, now, memory.booted),
        up=is_.up,
    )


def _shown(world: Episode, on: Array, now: Array) -> tuple[Array, Array]:
    """[N, M] the strongest sign of the conditions on each component, and [N] foreign or leaked bytes."""
    signs = jnp.where(on[:, None], jnp.asarray(world.exposed.signs), 0.0)
    here = jnp.asarray(world.conditions.place)[:, None] == jnp.arange(world.role.shape[0])[None, :]
    most, growth = signs[:, SIGN["memory"]], signs[:, SIGN["growth"]]
    since = jnp.where(on, now - jnp.asarray(world.conditions.begins), 0.0)
    grown = jnp.where(growth > 0.0, jnp.minimum(most, growth * since), most)
    strongest = jnp.where(here[:, :, None], signs[:, None, :], 0.0).max(axis=0)
    return strongest, jnp.where(here, grown[:, None], 0.0).max(axis=0)
