"""The kinds of fault by kind and action: one entry each, in the module of what breaks."""

from __future__ import annotations

from twin.faults import (
    balancer,
    broker,
    configuration,
    database,
    engine,
    gpu,
    host,
    hypervisor,
    identity,
    mutation,
    network,
    neutron_network,
    process,
    service,
    serving,
    storage,
    stress,
    workload,
)
from twin.faults.kind import FaultKind

KINDS: dict[str, dict[str, FaultKind]] = {
    **gpu.KINDS,
    **process.KINDS,
    **service.KINDS,
    **serving.KINDS,
    **stress.KINDS,
    **network.KINDS,
    **host.KINDS,
    **engine.KINDS,
    **database.KINDS,
    **broker.KINDS,
    **balancer.KINDS,
    **mutation.KINDS,
    **workload.KINDS,
    **hypervisor.KINDS,
    **neutron_network.KINDS,
    **storage.KINDS,
    **identity.KINDS,
    **configuration.KINDS,
}
"""Fault kinds by kind and action (the empty action is that of a kind that has none)."""
