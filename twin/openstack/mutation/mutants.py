"""Mutants: the flows of one component with some of their calls changed, as if it had been given a bad release.

The changed function is compiled from the flow's own source and hung over the flow of that component only; what is not
mutated runs the code that it always ran. Lines keep their numbers, so that a traceback points where it should. A
generator that runs already finishes in its old code: a mutation concerns calls of its function from then on.
"""

from __future__ import annotations
import __future__

import ast
import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MethodType
from typing import TYPE_CHECKING, Any

from twin.openstack.mutation.operators import Mutation, Operator, corrupted, parse
from twin.openstack.mutation.sites import CallSite, Place, flow_functions, places

if TYPE_CHECKING:
    from twin.openstack.oslo.flow import Flow
    from twin.openstack.oslo.service import Service

Change = Callable[[Place], ast.AST]
"""What becomes of a site: the node in place of the whole."""

_THROW, _LEFT_OUT, _WRONG, _NOTE = "<throw>", "<left out>", "<wrong>", "<note>"
"""What changed code calls; no program has such names."""


@dataclass(slots=True)
class Activation:
    """When the program came by a mutation first, simulated seconds, and how often it has."""

    first: float
    count: int = 0


class Mutants:
    """The mutations of one component."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.present: frozenset[Mutation] = frozenset()
        self.activations: dict[str, Activation] = {}
        """By the mutation's text. Ground truth."""
        self.released: dict[str, set[str]] = {}
        """Texts of the mutations that it has had so far, by the fault that brought them. Ground truth."""
        self._stream = service.world.streams["openstack/mutation"]
        self._changed: list[tuple[Flow, str]] = []

    def become(self, wanted: frozenset[Mutation]) -> None:
        """Have these mutations and no others."""
        if wanted == self.present:
            return
        for flow, function in self._changed:
            restore(flow, function)
        self._changed.clear()
        self.present = wanted
        functions: dict[tuple[type[Flow], str], list[Mutation]] = {}
        for mutation in sorted(wanted, key=lambda m: m.text):
            functions.setdefault((mutation.site.owner, mutation.site.function), []).append(mutation)
        for (owner, function), mutations in functions.items():
            program = rebuilt(owner, function, changes(mutations), self._helpers())
            for flow in self.service.flows:
                if runs(flow, owner, function):
                    replace(flow, function, program)
                    self._changed.append((flow, function))

    def _helpers(self) -> dict[str, Callable[..., Any]]:
        return {_THROW: self._throw, _LEFT_OUT: self._note, _WRONG: self._wrong, _NOTE: self._note}

    def _note(self, text: str, value: Any = None) -> Any:
        now = self.service.world.now
        self.activations.setdefault(text, Activation(now)).count += 1
        return value

    def _throw(self, text: str) -> None:
        """The study's campaigns raise a plain Exception, without a word."""
        self._note(text)
        raise Exception

    def _wrong(self, text: str, value: Any) -> Any:
        return corrupted(self._note(text, value), self._stream, self.service.name, text)


def keep(service: Service) -> None:
    """Make a component's program what its conditions say."""
    releases = {c.cause: parse(c.code) for c in service.conditions if c.parameter == "mutation"}
    wanted = frozenset(releases.values())
    if service.mutants is None:
        if not wanted:
            return
        service.mutants = Mutants(service)
    if wanted:
        service.site.mutated = True
    for fault, mutation in releases.items():
        service.mutants.released.setdefault(fault, set()).add(mutation.text)
    service.mutants.become(wanted)


def replace(flow: Flow, function: str, program: Callable[..., Any]) -> None:
    """Hang a changed function over a flow, and put it where the service has handed the function out."""
    changed = MethodType(program, flow)
    _handed_out(flow, function, changed)
    setattr(flow, function, changed)


def restore(flow: Flow, function: str) -> None:
    """Let a flow run its own function again."""
    del vars(flow)[function]
    _handed_out(flow, function, getattr(flow, function))


def _handed_out(flow: Flow, function: str, changed: Callable[..., Any]) -> None:
    """Change a service's tables of procedures and operations, which hold the functions themselves."""
    for table in vars(flow.service).values():
        if isinstance(table, dict):
            for key, handler in table.items():
                if getattr(handler, "__self__", None) is flow and handler.__name__ == function:
                    table[key] = changed


def runs(flow: Flow, owner: type[Flow], function: str) -> bool:
    """Whether a flow's function is the one that `owner` defines."""
    definer = next((kind for kind in type(flow).__mro__ if function in vars(kind)), None)
    return definer is owner


def runs_site(flow: Flow, site: CallSite) -> bool:
    """Whether a flow runs the function that a site is in."""
    return runs(flow, site.owner, site.function)


def changes(mutations: Iterable[Mutation]) -> dict[int, Change]:
    """What becomes of the sites of one function, by number. Several mutations of one call add up; where it throws or is
    left out, the others have nothing to change."""
    at: dict[int, list[Mutation]] = {}
    for mutation in mutations:
        at.setdefault(mutation.site.number, []).append(mutation)
    return {number: _change(those) for number, those in at.items()}


def _change(mutations: list[Mutation]) -> Change:
    by_operator = {mutation.operator: mutation for mutation in mutations}

    def change(place: Place) -> ast.AST:
        if isinstance(place.node, ast.Return):
            assert place.node.value is not None
            text = by_operator[Operator.WRONG_RETURN_VALUE].text
            place.node.value = _call(_WRONG, text, place.node.value)
            return place.node
        for operator, helper in ((Operator.THROW_EXCEPTION, _THROW), (Operator.MISSING_CALL, _LEFT_OUT)):
            if operator in by_operator:
                return _call(helper, by_operator[operator].text)
        _change_arguments(place.node, mutations)
        if Operator.WRONG_RETURN_VALUE not in by_operator:
            return place.whole
        assert isinstance(place.whole, ast.expr)
        return _call(_WRONG, by_operator[Operator.WRONG_RETURN_VALUE].text, place.whole)

    return change


def _change_arguments(call: ast.Call, mutations: list[Mutation]) -> None:
    """Corrupt arguments, and drop arguments. Positions are those of the program as it was."""
    for mutation in mutations:
        if mutation.operator is Operator.WRONG_PARAMETER:
            if mutation.argument.isdigit():
                at = int(mutation.argument) - 1
                call.args[at] = _call(_WRONG, mutation.text, call.args[at])
            else:
                keyword = next(k for k in call.keywords if k.arg == mutation.argument)
                keyword.value = _call(_WRONG, mutation.text, keyword.value)
    missing = [m for m in mutations if m.operator is Operator.MISSING_PARAMETER]
    for mutation in missing:
        call.func = _call(_NOTE, mutation.text, call.func)
    gone = {mutation.argument for mutation in missing}
    call.args = [argument for i, argument in enumerate(call.args, 1) if str(i) not in gone]
    call.keywords = [keyword for keyword in call.keywords if keyword.arg not in gone]


def _call(helper: str, text: str, *values: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(helper, ast.Load()), [ast.Constant(text), *values], [])


# --- compiling ---------------------------------------------------------------------------------------------------


def rebuilt(
    owner: type[Flow], function: str, changed: Mapping[int, Change], helpers: Mapping[str, Callable[..., Any]]
) -> Callable[..., Any]:
    """A function of a flow with changed sites (by number), compiled among the globals of its module.

    It is compiled inside a class of the flow's name, for the mangling of private names, inside a function whose
    parameters are the helpers; ``super()`` finds the flow's own class.
    """
    module = import_module(owner.__module__)
    assert module.__file__ is not None
    definition = copy.deepcopy(flow_functions(module)[owner.__name__][function])
    _rewrite(definition, changed)
    factory = ast.parse(
        f"def factory():\n class {owner.__name__}:\n  def _class(self): return __class__\n return {owner.__name__}"
    )
    shell = factory.body[0]
    assert isinstance(shell, ast.FunctionDef)
    shell.args.args = [ast.arg(name) for name in helpers]
    inside = shell.body[0]
    assert isinstance(inside, ast.ClassDef)
    inside.body.append(definition)
    names: dict[str, Any] = {}
    ast.fix_missing_locations(factory)
    exec(compile(factory, module.__file__, "exec", __future__.annotations.compiler_flag), vars(module), names)
    made = names["factory"](*helpers.values())
    vars(made)["_class"].__closure__[0].cell_contents = owner
    program: Callable[..., Any] = vars(made)[function]
    program.__qualname__ = vars(owner)[function].__qualname__
    return program


def _rewrite(function: ast.FunctionDef, changed: Mapping[int, Change]) -> None:
    """Change sites in place. What was a generator stays one, even where nothing is left in it to wait for."""
    was_generator = _waits(function)
    found = places(function)
    _Rewriter({id(found[number].whole): (found[number], change) for number, change in changed.items()}).visit(function)
    if was_generator:
        function.body.append(ast.If(ast.Constant(False), [ast.Expr(ast.Yield())], []))


def _waits(function: ast.AST) -> bool:
    """Whether a function yields; what is defined inside it does not count."""
    return any(
        isinstance(node, ast.Yield | ast.YieldFrom)
        or (not isinstance(node, ast.FunctionDef | ast.Lambda) and _waits(node))
        for node in ast.iter_child_nodes(function)
    )


class _Rewriter(ast.NodeTransformer):
    def __init__(self, changed: Mapping[int, tuple[Place, Change]]) -> None:
        self.changed = changed

    def visit(self, node: ast.AST) -> Any:
        self.generic_visit(node)
        if id(node) not in self.changed:
            return node
        place, change = self.changed[id(node)]
        return ast.copy_location(change(place), node)
