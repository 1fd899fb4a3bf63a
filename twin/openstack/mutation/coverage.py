"""Coverage: which sites a run comes by, counted by flows whose sites note that they were reached; and which mutations
it has not come by."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twin.openstack.mutation.mutants import Change, Mutants, rebuilt, replace, runs
from twin.openstack.mutation.sites import PACKAGES, CallSite, Place, sites

if TYPE_CHECKING:
    from twin.components import Component
    from twin.openstack.oslo.flow import Flow

_NOTE = "<note>"


def count(components: Iterable[Component], packages: tuple[str, ...] = PACKAGES) -> Counter[tuple[str, str]]:
    """Have components count from now on how often they come by each site: (component, id of the site)."""
    counter: Counter[tuple[str, str]] = Counter()
    functions: dict[tuple[type[Flow], str], list[CallSite]] = {}
    for site in sites(packages):
        functions.setdefault((site.owner, site.function), []).append(site)
    for component in components:
        flows: list[Flow] = getattr(component, "flows", [])
        for (owner, function), those in functions.items():
            for flow in flows:
                if runs(flow, owner, function):
                    program = rebuilt(owner, function, _noting(those), {_NOTE: _note(counter, component.name)})
                    replace(flow, function, program)
    return counter


def never_reached(components: Iterable[Component]) -> dict[str, tuple[str, str]]:
    """Faults whose mutation no component came by while it had it: fault -> the mutation's text, a component."""
    missed: dict[str, tuple[str, str]] = {}
    reached: set[str] = set()
    for component in components:
        mutants: Mutants | None = getattr(component, "mutants", None)
        for fault, texts in mutants.released.items() if mutants is not None else ():
            assert mutants is not None
            for text in texts:
                if text in mutants.activations:
                    reached.add(fault)
                missed.setdefault(fault, (text, component.name))
    return {fault: where for fault, where in missed.items() if fault not in reached}


def _noting(those: list[CallSite]) -> dict[int, Change]:
    return {site.number: _reached(site.id) for site in those}


def _reached(name: str) -> Change:
    def change(place: Place) -> ast.AST:
        if isinstance(place.node, ast.Return):
            assert place.node.value is not None
            place.node.value = _noted(name, place.node.value)
        else:
            place.node.func = _noted(name, place.node.func)
        return place.whole

    return change


def _noted(name: str, value: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(_NOTE, ast.Load()), [ast.Constant(name), value], [])


def _note(counter: Counter[tuple[str, str]], component: str) -> Any:
    def note(name: str, value: Any) -> Any:
        counter[component, name] += 1
        return value

    return note
