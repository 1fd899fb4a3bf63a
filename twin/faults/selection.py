"""Which components a selector means, and which of those a mode takes: Chaos Mesh's grammar."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.faults.pods import matching
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import Selector

if TYPE_CHECKING:
    from twin.world import World


def select(
    world: World, selector: Selector, can_be_hit: Callable[[Component], bool], path: tuple[Any, ...]
) -> list[Component]:
    """What the selector names, whatever it is, and of what its labels match that which can be hit.

    Raises ScenarioError at `path`, the selector's place, where it matches nothing.
    """
    names: list[tuple[str, str]] = [("components", n) for n in selector.components or ()]
    names += [("nodes", n) for n in selector.nodes or ()]
    names += [("pods", n) for pods in (selector.pods or {}).values() for n in pods]
    selected = []
    for field, name in names:
        component = world.components.get(name)
        if component is None:
            hint = nearest(name, world.components)
            raise ScenarioError(f"the selector matches nothing: no component '{name}'{hint}", (*path, field))
        selected.append(component)
    if selector.namespaces is not None or selector.label_selectors is not None:
        everything, cluster = world.components.values(), world.spec.cluster.kind
        pods = matching(everything, cluster, selector.namespaces, selector.label_selectors)
        selected += [pod for pod in pods if can_be_hit(pod)]
    if not selected:
        raise ScenarioError("the selector matches nothing", path)
    return list(dict.fromkeys(selected))


def choose(
    world: World, key: str, mode: str, value: str | None, candidates: list[Component], path: tuple[Any, ...]
) -> list[Component]:
    """Chaos Mesh's modes. Which ones are taken is drawn by `key`, the fault's name, so that another changes nothing."""
    stream = world.streams["fault/target"]
    number = _number(mode, value, path)
    if mode == "all":
        return candidates
    shuffled = sorted(candidates, key=lambda c: stream.uniform(key, c.name))
    if mode == "random-max-percent":
        number *= stream.uniform(key, "share")
    count = len(candidates) * number / 100.0 if "percent" in mode else number
    return shuffled[: max(1, round(count))]


def _number(mode: str, value: str | None, path: tuple[Any, ...]) -> float:
    """How many to take, or what share in per cent: the mode's value."""
    if mode in ("one", "all"):
        return 1.0
    try:
        number = float(value or "")
    except ValueError:
        number = 0.0
    if not 0 < number <= (100.0 if "percent" in mode else 1e6):
        what = "a percentage" if "percent" in mode else "a number above 0"
        raise ScenarioError(f"mode {mode} needs {what} as value, got {value!r}", (*path, "value"))
    return number
