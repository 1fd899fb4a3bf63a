"""Tenants' servers, which have been there since before: whether they run, and whether their probes find them."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from twin.fast.openstack import jobs
from twin.fast.openstack.components import ROLE
from twin.fast.openstack.episodes import Episode
from twin.fast.openstack.felt import Felt
from twin.fast.openstack.services import Services
from twin.fast.openstack.state import ERROR, State
from twin.mechanics.openstack import REPORT_INTERVAL
from twin.mechanics.tenants import PROBE_INTERVAL


def live(world: Episode, state: State, services: Services, channel: Felt, came: Array, now: Array, dt: float) -> State:
    """A tick of the hosts: guests go with their machine, probes look, heartbeats are written, nova is asked. `came`
    [N]: programs that came up in it."""
    hosts, parts = state.hosts, world.components
    machine = jnp.maximum(jnp.asarray(parts.machine), 0)
    agent = jnp.maximum(jnp.asarray(parts.hosted[2]), 0)
    libvirt = jnp.maximum(jnp.asarray(parts.hosted[1]), 0)
    single = jnp.maximum(jnp.asarray(parts.single), 0)
    conductor = single[ROLE["nova-conductor"]]
    dark = (channel.of("dark")[machine] > 0.0) | ~state.programs.up[machine]
    dead = jnp.where(dark[None, :], hosts.dead + hosts.running, hosts.dead)
    running = jnp.where(dark[None, :], 0.0, hosts.running)

    # Probes of those that were first on a host, all in one moment of each minute.
    router = jnp.asarray(parts.node)[single[ROLE["neutron-l3-agent"]]]
    outside = state.programs.up[router] & (channel.of("cut")[router] == 0.0)
    connected = (channel.of("cut")[machine] == 0.0) & ~dark
    stuck = channel.of("stuck")[libvirt]
    share = 1.0 - channel.of("lost")[agent]
    guests = running.sum(axis=0)
    answer = jnp.clip(guests - stuck, 0.0, None) / jnp.maximum(guests, 1.0)
    answering = running * (answer * share * connected)[None, :] * outside
    total = jnp.asarray(world.tenants)
    moment = jnp.asarray(world.probed)
    probes = jnp.floor((now + dt - moment) / PROBE_INTERVAL) > jnp.floor((now - moment) / PROBE_INTERVAL)
    missing = jnp.round(total - answering.sum(axis=1))
    down = jnp.where(probes, jnp.maximum(missing, 0.0), hosts.down)

    # Heartbeats go by way of nova-conductor, and have its clock.
    writes = services.host & services.owner[ROLE["nova-conductor"]] & services.database
    clock = now + dt + channel.of("skewed")[conductor]
    phase = jnp.mod(now + jnp.arange(total.shape[0]) * 0.37 * REPORT_INTERVAL, REPORT_INTERVAL)
    # Those that have waited for nova-conductor are written as soon as it is back.
    heard = jnp.where(writes & ((phase < dt) | came[conductor]), clock, hosts.heard)

    # What nova says when it is asked.
    failed = state.runs.active & (state.runs.state == ERROR)
    asked = services.queries
    seen = jnp.where(asked, jobs.on_hosts(state, total.shape[0]), hosts.seen)
    takes = jnp.where(asked, jobs.candidates(world, state, channel, now), hosts.takes)
    broken = ((jnp.arange(total.shape[0])[:, None] == state.runs.host[None, :]) & failed[None, :]).any(axis=1)
    broken = jnp.where(asked, broken, hosts.broken)
    return replace(
        state,
        hosts=replace(
            hosts, running=running, dead=dead, down=down, heard=heard, seen=seen, takes=takes, broken=broken,
        ),
    )  # fmt: skip
