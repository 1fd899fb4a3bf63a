"""Live migration of one domain: pre-copy rounds, the switch-over, and how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.mechanics import hypervisor as facts
from twin.mechanics.openstack import MIGRATION_BANDWIDTH
from twin.openstack.infrastructure import errors
from twin.openstack.infrastructure.domains import Domain, DomainState
from twin.openstack.infrastructure.errors import LibvirtError
from twin.openstack.infrastructure.sharing import Steps
from twin.openstack.oslo.context import Context

if TYPE_CHECKING:
    from twin.openstack.infrastructure.libvirt import Libvirt

JOB = "remoteDispatchDomainMigratePerform3Params"


@dataclass(frozen=True, slots=True)
class Migrated:
    """How a live migration went, in seconds and rounds."""

    seconds: float
    downtime: float
    rounds: int


def dirty_rate(domain: Domain) -> float:
    """Bytes/s of memory that the guest makes dirty: more, the more it computes."""
    return facts.IDLE_DIRTY_RATE + facts.DIRTY_RATE_PER_CORE * min(float(domain.vcpus), domain.demand_cpu)


def migrate(
    source: Libvirt, target: Libvirt, context: Context, uuid: str, bandwidth: float = MIGRATION_BANDWIDTH
) -> Steps:
    """Move a running domain with its memory to another host (virDomainMigrateToURI3); return Migrated.

    Its job is held meanwhile: other changes of the domain fail after 30 s. A guest that writes faster than the network
    sends does not converge; nova cancels after `live_migration_completion_timeout`, and the guest runs on where it was.
    Raises LibvirtError: no route to the target's daemon, either side gone, cancelled. Events: Paused on the source;
    Started and Resumed on the target.
    """
    world, life = source.world, source.pid
    yield from source.answering(life)
    domain = source.domain(uuid)
    if domain.state is not DomainState.RUNNING:
        raise errors.not_running()
    _connect(source, target)
    yield from source.begin(domain, JOB)
    try:
        if domain.stuck is not None and (yield domain.stuck):
            raise errors.gone()
        began = world.now
        touched = domain.memory * domain.touched
        busy = facts.WORKING_SET * touched if domain.demand_cpu else 0.05 * touched
        plan = facts.precopy(touched, dirty_rate(domain), bandwidth, working_set=busy)
        limit = facts.MIGRATION_COMPLETION_PER_GIB * max(2.0, domain.memory / 2**30)
        for seconds in plan.rounds:
            yield world.clock.timeout(min(seconds, limit - (world.now - began)))
            _still_there(source, target, domain, life)
            if world.now - began >= limit:
                break
        if not plan.converged:
            rest = limit - (world.now - began)
            if rest > 0:
                yield world.clock.timeout(rest)
            _still_there(source, target, domain, life)
            text = "operation aborted: migration out: canceled by client"
            raise LibvirtError(text, errors.VIR_ERR_OPERATION_ABORTED)
        source.pause(domain)
        yield world.clock.timeout(plan.downtime)
        _still_there(source, target, domain, life)
        source.give_away(domain, target)
        domain.pid = target.next_pid(uuid)
        target.take_in(domain)
        return Migrated(world.now - began, plan.downtime, len(plan.rounds))
    finally:
        source.finish(domain)


def _connect(source: Libvirt, target: Libvirt) -> None:
    if not (target.up and source.world.network.reachable(source, target)):
        uri = f"qemu+tcp://{target.node.name}/system"
        text = (
            f"operation failed: Failed to connect to remote libvirt URI {uri}: unable to connect to server at "
            f"'{target.node.name}:16509': {'Connection refused' if target.node.up else 'No route to host'}"
        )
        raise LibvirtError(text, errors.VIR_ERR_OPERATION_FAILED)


def _still_there(source: Libvirt, target: Libvirt, domain: Domain, life: int) -> None:
    if source.pid != life or not source.up:
        raise errors.reset()
    if not (target.up and source.world.network.reachable(source, target)):
        if domain.state is DomainState.PAUSED:
            source.unpause(domain)
        text = "operation failed: migration out job: unexpectedly failed"
        raise LibvirtError(text, errors.VIR_ERR_OPERATION_FAILED)
    if not domain.active:
        text = "operation failed: domain is not running"
        raise LibvirtError(text, errors.VIR_ERR_OPERATION_FAILED)
