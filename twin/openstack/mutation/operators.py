"""The five ways in which a call goes wrong, as in the campaigns of Cotroneo et al. (ESEC/FSE 2019).

What the study's injector did is to be seen in the published differences of its mutated files (dessertlab/
Fault-Injection-Dataset): a statement that is a call became ``raise Exception``, or ``pass``, or the call with its first
argument corrupted, or the call without its first argument; and a ``return`` gave back its value corrupted. The missing
call is G-SWFIT's MFC, which asks for a call whose value nobody uses (Durães and Madeira, IEEE TSE 32(11), 2006).

Here each may hit any call of a flow and any of its arguments (`points`); `as_in_study` is the study's own selection.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from twin.openstack.mutation.sites import PACKAGES, RETURN, CallSite, by_id
from twin.scenario.errors import ScenarioError
from twin.streams import Key, Stream


class Operator(StrEnum):
    """What is wrong with a call."""

    THROW_EXCEPTION = "throwException"
    WRONG_RETURN_VALUE = "wrongReturnValue"
    MISSING_CALL = "missingCall"
    WRONG_PARAMETER = "wrongParameter"
    MISSING_PARAMETER = "missingParameter"


OF_ARGUMENTS = (Operator.WRONG_PARAMETER, Operator.MISSING_PARAMETER)
"""Those that concern one argument."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fault in the program: what is wrong with which call.

    `argument` is the name of a keyword argument, or the position of another one, counted from 1.
    """

    site: CallSite
    operator: Operator
    argument: str = ""

    @property
    def text(self) -> str:
        """A form that `parse` reads: ``nova.compute.api.API.create/self.f|missingParameter|2``."""
        return "|".join(part for part in (self.site.id, self.operator.value, self.argument) if part)


def parse(text: str, packages: tuple[str, ...] = PACKAGES) -> Mutation:
    """The mutation that a text stands for. Raises ScenarioError."""
    site, _, rest = text.partition("|")
    operator, _, argument = rest.partition("|")
    return mutation(site, operator, argument or None, packages)


def mutation(
    site: str, operator: str, argument: str | int | None = None, packages: tuple[str, ...] = PACKAGES
) -> Mutation:
    """A mutation by the names that a user writes; an argument may be left out where the call has one.

    Raises ScenarioError with the key that is wrong: `site`, `mutation` or `argument`.
    """
    found = by_id(packages).get(site)
    if found is None:
        raise ScenarioError(
            f"no call site '{site}'{_nearest_sites(site, packages)}; `healtwin scenario sites` prints them all",
            ("site",),
        )
    possible = points(found)
    kinds = tuple(dict.fromkeys(point.operator.value for point in possible))
    if operator not in kinds:
        why = _why_not(found, operator)
        raise ScenarioError(
            f"'{operator}' cannot happen at {site}: {why} (possible: {', '.join(kinds)})", ("mutation",)
        )
    matching = {point.argument: point for point in possible if point.operator == operator}
    if argument is None and len(matching) == 1:
        return next(iter(matching.values()))
    name = _position(found, argument)
    if name not in matching:
        raise ScenarioError(_which_argument(found, operator, argument, tuple(matching)), ("argument",))
    return matching[name]


def points(site: CallSite) -> tuple[Mutation, ...]:
    """Everything that can go wrong at a site.

    A value that nobody uses cannot be wrong, and where it is used, a call cannot be missing: None instead of a value is
    a wrong return value. An event that the flow waits for is the simulation's and stays what it is.
    """
    if site.callee == RETURN:
        return (Mutation(site, Operator.WRONG_RETURN_VALUE),)
    found = [Mutation(site, Operator.THROW_EXCEPTION)]
    if not site.used:
        found.append(Mutation(site, Operator.MISSING_CALL))
    elif not site.waited:
        found.append(Mutation(site, Operator.WRONG_RETURN_VALUE))
    found += [Mutation(site, operator, argument) for operator in OF_ARGUMENTS for argument in arguments(site)]
    return tuple(found)


def every_call(site: CallSite) -> tuple[Mutation, ...]:
    """Each way in which the call itself may go wrong; of its arguments the first, as in the study. No site counts for
    more because its call has many arguments."""
    first = arguments(site)[:1]
    return tuple(point for point in points(site) if point.operator not in OF_ARGUMENTS or point.argument in first)


def as_in_study(site: CallSite) -> tuple[Mutation, ...]:
    """The points of `points` that the study's injector would have chosen: see the head of the module."""
    if site.callee == RETURN:
        return points(site)
    return () if site.used else every_call(site)


def arguments(site: CallSite) -> tuple[str, ...]:
    """The names of a call's arguments: positions from 1, then keywords. What is unpacked with stars is left alone."""
    numbers = (str(i) for i, written in enumerate(site.positional, 1) if not written.startswith("*"))
    return (*numbers, *site.keywords)


def corrupted(value: Any, stream: Stream, *key: Key) -> Any:
    """A value as the study's injector corrupts it, by its type.

    An integer becomes -1, and so does a boolean, which Python counts among the integers; of a string one bit is turned
    over or, as often, None is left; of a dict one key is corrupted, in a copy, so that only whoever is given it sees
    it; what is empty stays; and everything else (objects, lists, floats) becomes None. The same value is always
    corrupted in the same way: what a bug makes of it does not change from call to call.
    """
    if isinstance(value, int):
        return -1
    if isinstance(value, str):
        return _corrupted_text(value, stream, *key, value) if value else value
    if isinstance(value, dict):
        if not value:
            return value
        wrong = stream.choice(list(value), *key, "key")
        return {corrupted(k, stream, *key, "key") if k == wrong else k: v for k, v in value.items()}
    return None


def _corrupted_text(text: str, stream: Stream, *key: Key) -> str | None:
    if stream.uniform(*key) < 0.5:
        return None
    place = stream.integer(0, len(text) - 1, *key, "place")
    bit = stream.integer(0, 7, *key, "bit")
    return text[:place] + chr(ord(text[place]) ^ (1 << bit)) + text[place + 1 :]


# --- what is wrong with what the user wrote ----------------------------------------------------------------------


def _nearest_sites(site: str, packages: tuple[str, ...]) -> str:
    """Sites of the same function, else of one that is called alike, else any, the most alike first."""
    known = tuple(by_id(packages))
    where, _, callee = site.rpartition("/")
    alike = [name for name in known if name.rpartition("/")[0] == where]
    for part in (where.rpartition(".")[2], callee.rpartition(".")[2]):
        alike = alike or [name for name in known if part and part.lower() in name.lower()]
    return f" (near: {', '.join(get_close_matches(site, alike or known, n=3, cutoff=0.0))})"


def _why_not(site: CallSite, operator: str) -> str:
    if operator not in tuple(Operator):
        return "there is no such mutation"
    if site.callee == RETURN:
        return "it is no call"
    if operator in OF_ARGUMENTS:
        return "the call has no argument"
    if operator == Operator.MISSING_CALL:
        return "the program uses its value; what is None in its place is a wrongReturnValue"
    return "the program waits for it" if site.waited else "nobody uses its value"


def _position(site: CallSite, argument: str | int | None) -> str:
    """An argument's position or keyword, where it may be given as it is written in the call."""
    given = "" if argument is None else str(argument)
    if given in site.positional:
        return str(site.positional.index(given) + 1)
    return given


def _which_argument(site: CallSite, operator: str, argument: str | int | None, known: tuple[str, ...]) -> str:
    names = ", ".join(f"{name} ({site.positional[int(name) - 1]})" if name.isdigit() else name for name in known)
    if operator not in OF_ARGUMENTS:
        return f"{operator} concerns no argument; leave it out"
    if argument is None:
        return f"{operator} needs one of the call's arguments: {names}"
    return f"the call {site.id} has no argument '{argument}' (its arguments: {names})"
