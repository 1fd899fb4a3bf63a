"""From the scenario's fault list to a plan: when which conditions go where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from twin.components import Component
from twin.faults.kind import FaultKind, family
from twin.faults.kinds import KINDS
from twin.faults.pods import matching
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
        conditions = tuple(
            (component, c) for component in hit for c in kind.conditions(parameters, fault.name, component)
        )
        until = None if fault.duration is None else fault.at + fault.duration
        plans.append(Plan(fault.name, fault.at, until, conditions))
        label = f"{fault.kind}/{fault.action}" if fault.action else fault.kind
        world.truth.plan(Incident(fault.name, label, family(kind, parameters), tuple(c.name for c in hit)))
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
    candidates = _select(world, fault, kind, path)
    for component in candidates:  # all of them, so that an error shows at every seed
        if kind.lands_on(component) is None:
            raise ScenarioError(
                f"{fault.kind} {fault.action} cannot hit '{component.name}', a {component.kind}: it hits {kind.hits}",
                (*path, "selector"),
            )
    landings = (kind.lands_on(component) for component in _choose(world, fault, candidates, path))
    return list(dict.fromkeys(landing for landing in landings if landing is not None))


def _select(world: World, fault: Fault, kind: FaultKind, path: tuple[Any, ...]) -> list[Component]:
    """What the selector names, and of what its labels match, whatever the fault can hit."""
    selector = fault.selector
    names: list[tuple[str, str]] = [("components", n) for n in selector.components or ()]
    names += [("nodes", n) for n in selector.nodes or ()]
    names += [("pods", n) for pods in (selector.pods or {}).values() for n in pods]
    selected = []
    for field, name in names:
        component = world.components.get(name)
        if component is None:
            hint = nearest(name, world.components)
            raise ScenarioError(
                f"the selector matches nothing: no component '{name}'{hint}", (*path, "selector", field)
            )
        selected.append(component)
    if selector.namespaces is not None or selector.label_selectors is not None:
        everything, cluster = world.components.values(), world.spec.cluster.kind
        pods = matching(everything, cluster, selector.namespaces, selector.label_selectors)
        selected += [pod for pod in pods if kind.lands_on(pod) is not None]
    if not selected:
        raise ScenarioError("the selector matches nothing", (*path, "selector"))
    return list(dict.fromkeys(selected))


def _choose(world: World, fault: Fault, candidates: list[Component], path: tuple[Any, ...]) -> list[Component]:
    """Chaos Mesh's modes. Which ones are hit is drawn per fault, so that another fault changes nothing."""
    stream = world.streams["fault/target"]
    number = _number(fault, path)
    if fault.mode == "all":
        return candidates
    shuffled = sorted(candidates, key=lambda c: stream.uniform(fault.name, c.name))
    if fault.mode == "random-max-percent":
        number *= stream.uniform(fault.name, "share")
    count = len(candidates) * number / 100.0 if "percent" in fault.mode else number
    return shuffled[: max(1, round(count))]


def _number(fault: Fault, path: tuple[Any, ...]) -> float:
    """How many to hit, or what share in per cent: the mode's value."""
    if fault.mode in ("one", "all"):
        return 1.0
    try:
        number = float(fault.value or "")
    except ValueError:
        number = 0.0
    if not 0 < number <= (100.0 if "percent" in fault.mode else 1e6):
        what = "a percentage" if "percent" in fault.mode else "a number above 0"
        raise ScenarioError(f"mode {fault.mode} needs {what} as value, got {fault.value!r}", (*path, "value"))
    return number
