"""Where the program of Nova, Cinder and Neutron may go wrong: every call in their flows, and every value they return.

A site is found in the source of the flows (`twin.openstack.oslo.flow`), as the injector of Cotroneo et al. found its
own in the source of OpenStack ("How bad can a bug get?", ESEC/FSE 2019): a call on something that the flow knows,
``self.network_api.allocate_for_instance(...)``, or ``return`` with a value.
"""

from __future__ import annotations

import ast
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

from twin.openstack.oslo.flow import MACHINERY, Flow

PACKAGES = ("twin.openstack.nova", "twin.openstack.neutron", "twin.openstack.cinder")
"""Where the flows are whose program may be wrong: the three projects of the study."""

NOT_THE_PROGRAMS = frozenset((*MACHINERY, "debug"))
"""Names of the twin's own functions: log statements, time, SQL."""

REMOTE_CALLS = ("call", "cast", "request")
"""What the program does through its service all the same: RPC and HTTP."""

CONTAINER_METHODS = frozenset(
    name for kind in (dict, list, set, str, deque) for name in dir(kind) if not name.startswith("_")
)
"""Methods of Python's own containers. ``self.volume_api.get(context, …)`` is none of them: see `_of_container`."""

TWIN_ATTRIBUTES = ("service", "site", "world", "clock", "tables")
"""Attributes of a flow that are the twin's: what is called on them is not the program's. Where the real program has a
function of its own for a row, so has the flow (``self.db.…``)."""

RETURN = "return"
"""The callee of a site that returns a value."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call in a flow, or a return of a value.

    `id` is the real module, the class, the function and the callee; a later call of the same in one function has a
    number, ``….spawn/self._create_image#2``.
    """

    id: str
    project: str
    """``nova``, ``neutron`` or ``cinder``."""
    module: str
    """The twin's module that the flow is in."""
    flow: str
    """The flow's class."""
    function: str
    callee: str
    positional: tuple[str, ...]
    """The arguments as they are written."""
    keywords: tuple[str, ...]
    used: bool
    """Whether the program does something with the value."""
    waited: bool
    """Whether the value is an event of the simulation, which the flow waits for."""
    line: int
    number: int
    """Its place among the sites of its function."""

    @property
    def owner(self) -> type[Flow]:
        """The class that the flow is written in."""
        found: type[Flow] = getattr(import_module(self.module), self.flow)
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """A site in a syntax tree: the call and, where it is one of a generator, the ``yield from`` around it."""

    node: ast.Call | ast.Return
    whole: ast.Call | ast.YieldFrom | ast.Return
    used: bool
    waited: bool


@cache
def sites(packages: tuple[str, ...] = PACKAGES) -> tuple[CallSite, ...]:
    """All sites of the flows in `packages`, in the order of modules and lines."""
    return tuple(site for package in packages for module in _modules(package) for site in sites_in(module, package))


@cache
def by_id(packages: tuple[str, ...] = PACKAGES) -> dict[str, CallSite]:
    """All sites by their id."""
    return {site.id: site for site in sites(packages)}


def sites_in(module: ModuleType, package: str = "") -> Iterator[CallSite]:
    """The sites of the flows in one module."""
    project = package.rpartition(".")[2]
    for name, functions in flow_functions(module).items():
        flow: type[Flow] = getattr(module, name)
        real = flow.chapter_of or name
        for function, definition in functions.items():
            seen: Counter[str] = Counter()
            for number, place in enumerate(places(definition)):
                callee, positional, keywords = _written(place)
                seen[callee] += 1
                again = f"#{seen[callee]}" if seen[callee] > 1 else ""
                yield CallSite(
                    f"{flow.source}.{real}.{function}/{callee}{again}",
                    project,
                    module.__name__,
                    name,
                    function,
                    callee,
                    positional,
                    keywords,
                    place.used,
                    place.waited,
                    place.node.lineno,
                    number,
                )


@cache
def flow_functions(module: ModuleType) -> dict[str, dict[str, ast.FunctionDef]]:
    """The functions of each flow that a module defines, as syntax trees (which nobody may change)."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    found: dict[str, dict[str, ast.FunctionDef]] = {}
    for node in tree.body:
        flow = getattr(module, node.name, None) if isinstance(node, ast.ClassDef) else None
        if isinstance(node, ast.ClassDef) and isinstance(flow, type) and issubclass(flow, Flow) and _named(flow):
            found[node.name] = {
                part.name: part
                for part in node.body
                if isinstance(part, ast.FunctionDef)
                and part.name != "__init__"
                and isfunction(vars(flow).get(part.name))
            }
    return found


def places(function: ast.FunctionDef) -> list[Place]:
    """The sites of a function in the order of its source, an outer call before those in its arguments."""
    return [place for statement in function.body for place in _places(statement, None, nested=False)]


def _places(node: ast.AST, parent: ast.AST | None, nested: bool) -> Iterator[Place]:
    whole = parent is not None and isinstance(node, ast.Call) and isinstance(parent, ast.YieldFrom)
    if isinstance(node, ast.Call) and not whole and _is_site(node, waits=False):
        yield Place(node, node, not isinstance(parent, ast.Expr), isinstance(parent, ast.Yield))
    elif isinstance(node, ast.YieldFrom) and isinstance(node.value, ast.Call) and _is_site(node.value, waits=True):
        yield Place(node.value, node, not isinstance(parent, ast.Expr), False)
    elif isinstance(node, ast.Return) and not nested and _returns_something(node):
        yield Place(node, node, True, False)
    inner = nested or isinstance(node, ast.FunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(node):
        yield from _places(child, node, inner)


def _is_site(call: ast.Call, waits: bool) -> bool:
    names = _chain(call.func)
    if len(names) < 2 or names[0] != "self" or names[-1] in NOT_THE_PROGRAMS:
        return False
    if names[1] in TWIN_ATTRIBUTES and not (names[1] == "service" and names[-1] in REMOTE_CALLS):
        return False
    return waits or not _of_container(call, names[-1])


def _of_container(call: ast.Call, name: str) -> bool:
    """Whether a dict, list or string is asked rather than the program: nobody gives those the request's context."""
    first = ast.unparse(call.args[0]) if call.args else ""
    return name in CONTAINER_METHODS and not ("context" in first or "ctxt" in first)


def _chain(node: ast.expr) -> list[str]:
    """The names of ``self.a.b``; empty where anything else stands in between."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _returns_something(node: ast.Return) -> bool:
    return node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None)


def _written(place: Place) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Callee and arguments as they stand in the source."""
    if isinstance(place.node, ast.Return):
        return RETURN, (), ()
    positional = tuple(ast.unparse(argument) for argument in place.node.args)
    keywords = tuple(keyword.arg for keyword in place.node.keywords if keyword.arg is not None)
    return ast.unparse(place.node.func), positional, keywords


def _named(flow: type[Flow]) -> bool:
    """Whether it stands for a class of the real program."""
    return hasattr(flow, "source")


def _modules(package: str) -> Iterator[ModuleType]:
    """A package and all modules below it."""
    root = import_module(package)
    yield root
    for found in sorted(walk_packages(root.__path__, f"{package}."), key=lambda found: found.name):
        yield import_module(found.name)
