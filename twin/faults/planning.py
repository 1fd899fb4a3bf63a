"""From the scenario's fault list to a plan: when which conditions go where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from twin.components import Component
from twin.faults.kind import FaultKind, family
from twin.faults.kinds import KINDS
from twin.faults.selection import choose, select
from twin.mechanics.conditions import Condition
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import Fault
from twin.truth import Benign, Incident

if TYPE_CHECKING:
    from twin.world import World


@dataclass(frozen=True, slots=True)
class Plan:
    """One fault, ready to happen. Times in simulated seconds; `until` is None where it stays until it is healed."""

    fault: str
    at: float
    until: float | None
    conditions: tuple[tuple[Component, Condition], ...]


def plan(world: World) -> list[Plan]:
    """Resolve every fault of the scenario against the cluster and note it in the truth, or as benign where it is.

    Raises ScenarioError, with the path of the key, for an unknown kind or action, bad parameters, a target that
    matches nothing, or one that the fault cannot hit.
    """
    plans = []
    for i, fault in enumerate(world.spec.faults):
        path = ("spec", "faults", i)
        kind = fault_kind(fault, path)
        parameters = fault_parameters(kind, fault, path)
        hit = _hit(world, fault, kind, path)
        try:
            conditions = tuple(
                (component, c) for component in hit for c in kind.conditions(parameters, fault.name, component)
            )
        except ScenarioError as error:  # in a parameter that can be judged only against the cluster
            raise ScenarioError(error.message, (*path, *error.path)) from None
        until = None if fault.duration is None else fault.at + fault.duration
        plans.append(Plan(fault.name, fault.at, until, conditions))
        label = f"{fault.kind}/{fault.action}" if fault.action else fault.kind
        targets = tuple(c.name for c in hit)
        if fault.benign:
            world.truth.expect(fault.name, Benign(label, targets, fault.at))
        else:
            world.truth.plan(Incident(fault.name, label, family(kind, parameters), targets))
    return plans


def fault_kind(fault: Fault, path: tuple[Any, ...]) -> FaultKind:
    """The fault kind that a fault names."""
    actions = KINDS.get(fault.kind)
    if actions is None:
        raise ScenarioError(f"no fault kind '{fault.kind}'{nearest(fault.kind, KINDS)}", (*path, "kind"))
    found = actions.get(fault.action)
    if found is None:
        raise ScenarioError(
            f"{fault.kind} has no action '{fault.action}'{nearest(fault.action, actions)}", (*path, "action")
        )
    return found


def fault_parameters(kind: FaultKind, fault: Fault, path: tuple[Any, ...]) -> Any:
    """The fault's own parameters, checked."""
    for key in fault.parameters:
        if key in kind.unsupported:
            raise ScenarioError(f"'{key}' is not supported: {kind.unsupported[key]}", (*path, key))
    try:
        return kind.parameters.model_validate(fault.parameters)
    except ValidationError as error:
        common = [f.alias or name for name, f in Fault.model_fields.items()]
        raise ScenarioError.from_validation(error, kind.parameters, path, also=common) from None


def _hit(world: World, fault: Fault, kind: FaultKind, path: tuple[Any, ...]) -> list[Component]:
    candidates = select(world, fault.selector, lambda c: kind.lands_on(c) is not None, (*path, "selector"))
    for component in candidates:  # all of them, so that an error shows at every seed
        if kind.lands_on(component) is None:
            raise ScenarioError(
                f"{fault.kind} {fault.action} cannot hit '{component.name}', a {component.kind}: it hits {kind.hits}",
                (*path, "selector"),
            )
    chosen = choose(world, fault.name, fault.mode, fault.value, candidates, path)
    landings = (kind.lands_on(component) for component in chosen)
    return list(dict.fromkeys(landing for landing in landings if landing is not None))
