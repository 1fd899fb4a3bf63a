"""Faults of compute hosts: the hypervisor's daemon, and tenants who take more than their share."""

from __future__ import annotations

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.scenario.model import Model


class Hang(Model):
    """libvirtd's threads wait for each other: calls do not return. Guests go on; a new daemon is healthy."""


class GuestStuck(Model):
    """The qemu of some guests waits for its storage and answers nobody: calls on them do not end, the next ones time
    out. A new libvirtd waits for them as well; to kill and start them anew (a hard reboot) helps."""

    guests: int = Field(1, ge=1, le=1000, description="of those that run on the host then")


class NoisyNeighbour(Model):
    """Guests of one tenant work as hard as they can. It is theirs to ask: what helps is to move guests apart."""

    guests: int = Field(1, ge=1, le=1000, description="of the tenant with most guests on the host")
    cpu: float = Field(1.0, ge=0, le=1024, description="cores that each wants; it gets at most its vCPUs")
    disk: float = Field(4.0, ge=0, le=1024, description="streams of requests that each keeps going on the host's disk")


def libvirt_of(component: Component) -> Component | None:
    """libvirt itself, or that of the compute host which is meant or on which the component is."""
    if component.kind == "libvirt":
        return component
    for machine in (component, *component.places()):
        found = next((resident for resident in machine.residents if resident.kind == "libvirt"), None)
        if found is not None:
            return found
    return None


def _noise(parameters: NoisyNeighbour, cause: str, _: Component) -> tuple[Condition, ...]:
    wants = {"noisy_guests": float(parameters.guests), "guest_cpu": parameters.cpu, "guest_streams": parameters.disk}
    return tuple(Condition(Layer.DEMAND, name, value, cause) for name, value in wants.items() if value)


_HITS = "a compute host, its libvirt or its nova-compute"

KINDS: dict[str, dict[str, FaultKind]] = {
    "HypervisorChaos": {
        "hang": FaultKind(
            "hypervisor",
            _HITS,
            Hang,
            libvirt_of,
            lambda _, cause, __: (Condition(Layer.PROCESS, "libvirt_hang", 1.0, cause),),
        ),
        "guestStuck": FaultKind(
            "hypervisor",
            _HITS,
            GuestStuck,
            libvirt_of,
            lambda p, cause, _: (Condition(Layer.OS, "stuck_guests", float(p.guests), cause),),
        ),
        "noisyNeighbour": FaultKind("workload", _HITS, NoisyNeighbour, libvirt_of, _noise),
    },
}
