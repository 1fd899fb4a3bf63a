"""From the scenario's fault list to a plan: when which conditions go where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from twin.components import Component
from twin.faults.kinds import KINDS, FaultKind
from twin.mechanics.conditions import Condition
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import Fault
from twin.truth import Incident

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
    """Resolve every fault of the scenario against the cluster and note it in the truth.

    Raises ScenarioError, with the path of the key, for an unknown kind or action, bad parameters, a target that
    matches nothing, or one that the fault cannot hit.
    """
    plans = []
    for i, fault in enumerate(world.spec.faults):
        path = ("spec", "faults", i)
        kind = fault_kind(fault, path)
        parameters = fault_parameters(kind, fault, path)
        hit = _hit(world, fault, kind, path)
        conditions = tuple((component, c) for component in hit for c in kind.conditions(parameters, fault.name, component))
        until = None if fault.duration is None else fault.at + fault.duration
        plans.append(Plan(fault.name, fault.at, until, conditions))
        label = f"{fault.kind}/{fault.action}" if fault.action else fault.kind
        world.truth.plan(Incident(fault.name, label, kind.family, tuple(c.name for c in hit)))
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
    try:
        return kind.parameters.model_validate(fault.parameters)
    except ValidationError as error:
        common = [f.alias or name for name, f in Fault.model_fields.items()]
        raise ScenarioError.from_validation(error, kind.parameters, path, also=common) from None


def _hit(world: World, fault: Fault, kind: FaultKind, path: tuple[Any, ...]) -> list[Component]:
    chosen = _choose(world, fault, _select(world, fault, path), path)
    hit: list[Component] = []
    for component in chosen:
        landing = kind.lands_on(component)
        if landing is None:
            raise ScenarioError(
                f"{fault.kind} {fault.action} cannot hit '{component.name}', a {component.kind}: it hits {kind.hits}",
                (*path, "selector"),
            )
        if landing not in hit:
            hit.append(landing)
    return hit


def _select(world: World, fault: Fault, path: tuple[Any, ...]) -> list[Component]:
    selector = fault.selector
    names: list[tuple[str, str]] = [("components", n) for n in selector.components or ()]
    names += [("nodes", n) for n in selector.nodes or ()]
    names += [("pods", n) for pods in (selector.pods or {}).values() for n in pods]
    selected = []
    for field, name in names:
        component = world.components.get(name)
        if component is None:
            hint = nearest(name, world.components)
            raise ScenarioError(f"the selector matches nothing: no component '{name}'{hint}", (*path, "selector", field))
        selected.append(component)
    if selector.namespaces or selector.label_selectors:
        labels = selector.label_selectors or {}
        wanted = set(labels.values())
        for component in world.components.values():
            if component.kind in ("vllm", "nginx", "ray-head") and (
                not labels or wanted & {component.name, component.kind, "ray"}
            ):
                selected.append(component)
    if not selected:
        raise ScenarioError("the selector matches nothing", (*path, "selector"))
    return selected


def _choose(world: World, fault: Fault, candidates: list[Component], path: tuple[Any, ...]) -> list[Component]:
    """Chaos Mesh's modes. Which ones are hit is drawn per fault, so that another fault changes nothing."""
    stream = world.streams["fault/target"]
    if fault.mode == "all" or len(candidates) == 1:
        return candidates
    shuffled = sorted(candidates, key=lambda c: stream.uniform(fault.name, c.name))
    if fault.mode == "one":
        return shuffled[:1]
    try:
        number = float(fault.value or "")
    except ValueError:
        raise ScenarioError(f"mode {fault.mode} needs a number as value, got {fault.value!r}", (*path, "value")) from None
    if fault.mode == "random-max-percent":
        number *= stream.uniform(fault.name, "share")
    count = number if fault.mode == "fixed" else len(candidates) * number / 100.0
    return shuffled[: max(1, round(count))]
