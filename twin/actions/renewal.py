"""Actions that work on every cluster: stop what must stop, renew layers, start it again."""

from __future__ import annotations

from twin.actions.action import Ticket
from twin.actions.operation import Operation, Steps, drain
from twin.components import Component
from twin.mechanics.durations import seconds_of
from twin.mechanics.layers import RESETS
from twin.process import Process, State


def _process_there(target: Component) -> str:
    if not isinstance(target, Process):
        return "it is no process"
    return "it does not run anywhere" if target.state is State.ABSENT else ""


def _a_gpu(target: Component) -> str:
    return "" if target.kind == "gpu" else "it is no GPU"


def _a_node(target: Component) -> str:
    return "" if target.kind == "node" else "it is no node"


def _a_node_that_runs(target: Component) -> str:
    if target.kind != "node":
        return "it is no node"
    return "" if target.up else "the machine is off: its management controller can only switch it on"


def interrupt_and_renew(target: Component, ticket: Ticket) -> Steps:
    """Stop the processes that it reaches, renew the layers, start them again."""
    world, action = target.world, ticket.action
    affected = [c for c in (target, *target.all_residents()) if isinstance(c, Process)]
    affected = [p for p in affected if p.state is not State.ABSENT]
    if action.parameter == "gentle":
        yield from drain(world, affected)
    for process in affected:
        process.stop(action.category)
    dark = target.kind == "node" and not target.up and action.category == "power-cycle"
    devices = [c for c in (target, *target.all_residents()) if not isinstance(c, Process)]
    for device in devices:
        device.taken_down(action.category)
    off = seconds_of("reboot", gpus_on(target)) if dark else 0.0  # it boots by itself when power is back
    yield world.clock.timeout(seconds_of(action.category, gpus_on(target)) - off)
    ticket.relieved += target.reset(RESETS[action.category], by=str(action))
    for device in devices:
        device.brought_back(action.category)
    if dark:
        yield world.clock.timeout(off)
    for process in affected:
        process.start()


def renew_in_place(target: Component, ticket: Ticket) -> Steps:
    """Renew layers under whatever runs: nothing is interrupted."""
    yield target.world.clock.timeout(seconds_of(ticket.action.category))
    ticket.relieved += target.reset(RESETS[ticket.action.category], by=str(ticket.action))


def gpus_on(target: Component) -> int:
    """GPUs in a machine: its firmware initialises them one after the other."""
    return sum(resident.kind == "gpu" for resident in target.all_residents())


OPERATIONS: dict[str, Operation] = {
    "restart": Operation(_process_there, interrupt_and_renew),
    "recreate": Operation(_process_there, interrupt_and_renew),
    "rollback-config": Operation(_process_there, interrupt_and_renew),
    "restore-power-limit": Operation(_a_gpu, renew_in_place),
    "reset-gpu": Operation(_a_gpu, interrupt_and_renew),
    "reboot": Operation(_a_node_that_runs, interrupt_and_renew),
    "power-cycle": Operation(_a_node, interrupt_and_renew),
}
"""The categories that need to know nothing of the cluster's shape."""
