"""What a condition does to the component that carries it and to what runs on it, as numbers.

Where several conditions meet on one component, the strongest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from twin.fast.conditions import Effects
from twin.fast.errors import NotCompiledError
from twin.mechanics import galera
from twin.mechanics import openstack as facts
from twin.mechanics.conditions import Condition
from twin.mechanics.host import DISK_USED, LEAST_FREE, host_slowdown
from twin.mechanics.network import RETRANSMISSIONS, retransmission_timeout
from twin.mechanics.rabbitmq import MEMORY_WATERMARK
from twin.node import Node
from twin.openstack.infrastructure.dataplane import INTERFACE_MTU

if TYPE_CHECKING:
    from twin.components import Component

CHANNELS: Final = (
    "after",  # seconds after its beginning at which it does what follows
    "doomed",  # the process dies, and dies at every start while this lasts
    "halted",  # it is stopped, and starts when this ends
    "dark",  # its machine is off
    "cut",  # no packet passes
    "apart",  # none passes to or from some others
    "late",  # seconds that a message takes longer, lost ones and their retransmission counted in
    "nameless",  # names do not resolve
    "slow",  # its work takes so many times longer, minus one
    "held",  # none of its workers is free
    "dropped",  # share of new connections that nobody takes
    "distrusted",  # no client accepts its certificate
    "mismatched",  # share of its processes with other keys than the rest
    "locked",  # share of writing transactions that meet locked rows
    "hold",  # seconds for which those are locked at most
    "crowded",  # share of its connections that strangers hold
    "full",  # there is no room on its disk, or in its pool
    "refused",  # the broker does not let it in
    "skewed",  # seconds that its clock is off
    "offered",  # share of the virtual processors that it does not offer any more
    "hung",  # its calls do not end
    "stuck",  # guests that answer nobody
    "busy",  # cores and streams that guests of one tenant take
    "lost",  # share of its bridge's flows that are gone
    "leaseless",  # nobody gets an address
    "narrow",  # full packets do not pass
    "closed",  # it takes no data
    "corrupt",  # what it has is not what it should be
    "blocking",  # it lets nobody publish
)
"""What the arrays know of conditions. Each is 0 where all is well."""
CHANNEL: Final[Mapping[str, int]] = {name: i for i, name in enumerate(CHANNELS)}


def effects(condition: Condition, component: Component) -> Effects:
    """The channels of a condition on a component. Raises NotCompiledError for a parameter that has none."""
    found = EFFECTS.get(condition.parameter)
    if found is None:
        raise NotCompiledError(
            f"the condition '{condition.parameter}' of fault '{condition.cause}' on {component.name}"
        )
    channels = found(condition.value, component)
    if "cut" in channels and condition.traffic.peers:  # from some only: those that form a group with it
        return {"apart": channels["cut"]}
    if "late" in channels and condition.traffic.direction != "both":  # every other message
        return {"late": channels["late"] / 2.0}
    return channels


def _always(channel: str) -> Callable[[float, Component], Effects]:
    return lambda value, component: {channel: 1.0 if value else 0.0}


def _as_it_is(channel: str) -> Callable[[float, Component], Effects]:
    return lambda value, component: {channel: value}


def _nothing(value: float, component: Component) -> Effects:
    return {}


def _stress(workers: float, component: Component) -> Effects:
    assert isinstance(component, Node)
    return {"slow": host_slowdown(0.0, (workers + 1.0) / component.cores) - 1.0}


def _memory(taken: float, component: Component) -> Effects:
    """Foreign memory: once it is all there."""
    assert isinstance(component, Node)
    growth = component.value("memory_growth") or next(
        (c.value for plan in component.world.plans for one, c in plan.conditions
         if one is component and c.parameter == "memory_growth"), 0.0,
    )  # fmt: skip
    share = min(1.0, taken / component.memory)
    return {"after": share * taken / growth if growth else 0.0, "slow": host_slowdown(share, 0.0) - 1.0}


def _loss(share: float, component: Component) -> Effects:
    """Expected seconds until a message has got through, there and back."""
    lost, late = share, 0.0
    for attempt in range(RETRANSMISSIONS):
        late += lost * retransmission_timeout(0.0, attempt)
        lost *= share
    return {"late": late}


def _disk(taken: float, component: Component) -> Effects:
    assert isinstance(component, Node)
    return {"full": float(component.disk_size - DISK_USED - taken < LEAST_FREE)}


def _leak(rate: float, component: Component) -> Effects:
    """A broker's memory passes its watermark."""
    assert isinstance(component.place, Node)
    room = MEMORY_WATERMARK * component.place.memory - facts.RESIDENT["rabbitmq"]
    return {"blocking": 1.0, "after": room / rate}


EFFECTS: dict[str, Callable[[float, Component], Effects]] = {
    "crash": _always("doomed"),
    "killed": _always("doomed"),
    "unit_stopped": _always("halted"),
    "power_lost": _always("dark"),
    "blocked": _always("cut"),
    "latency": _as_it_is("late"),
    "loss": _loss,
    "dns_failure": _always("nameless"),
    "service_time": lambda times, component: {"slow": times - 1.0},
    "cpu_stress": _stress,
    "memory_taken": _memory,
    "memory_growth": _nothing,
    "memory_adjustment": _nothing,
    "workers_held": _always("held"),
    "connect_failures": _as_it_is("dropped"),
    "certificate_expired": _always("distrusted"),
    "fernet_mismatch": _as_it_is("mismatched"),
    "lock_share": _as_it_is("locked"),
    "lock_hold": _as_it_is("hold"),
    "foreign_sessions": lambda sessions, component: {"crowded": min(1.0, sessions / galera.MAX_CONNECTIONS)},
    "disk_taken": _disk,
    "broker_password_wrong": _always("refused"),
    "clock_offset": _as_it_is("skewed"),
    "cpu_allocation_ratio": lambda ratio, component: {"offered": 1.0 - min(1.0, ratio / facts.CPU_ALLOCATION_RATIO)},
    "libvirt_hang": _always("hung"),
    "stuck_guests": _as_it_is("stuck"),
    "noisy_guests": _as_it_is("busy"),
    "guest_cpu": _nothing,
    "guest_streams": _nothing,
    "flows_lost": _as_it_is("lost"),
    "dhcp_dead": _always("leaseless"),
    "mtu": lambda size, component: {"narrow": float(size < INTERFACE_MTU)},
    "backend_taken": lambda share, component: {"full": float(share >= 1.0)},
    "target_down": _always("closed"),
    "store_refuses": _always("closed"),
    "image_corrupt": _always("corrupt"),
    "memory_leak": _leak,
    "leak_limit": _nothing,
}
"""What the fast twin makes of each parameter. What is not here cannot be compiled, and says so."""
