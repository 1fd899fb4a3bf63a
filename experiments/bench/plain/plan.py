"""From what JAX traced to a list of NumPy calls.

A plan is made once. In it calls of functions are gone into, what has only constants is computed, what is computed twice
is computed once, what nobody reads is left out, and of a scan's body what is the same in every turn is done before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core
from numpy.typing import NDArray

from experiments.bench.plain.primitives import call_of

Array = NDArray[Any]
CALLS: Final = {
    "jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr", "remat": "jaxpr", "checkpoint": "jaxpr",
}  # fmt: skip
"""Primitives that call a function, and the parameter that has it."""


@dataclass
class Step:
    """One call. Numbers of slots: what it reads, what it writes, what nobody reads after it."""

    call: Any
    """A function, or a loop that becomes one when it is known what is read of it."""
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    drops: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is done, in slots."""

    steps: Sequence[Step]
    slots: Sequence[Any]
    """The constants, in their slots."""
    takes: Sequence[int]
    gives: Sequence[int]

    def __call__(self, *arrays: Any) -> list[Any]:
        """The results for these inputs."""
        slots = list(self.slots)
        for slot, array in zip(self.takes, arrays, strict=True):
            slots[slot] = array
        _follow(self.steps, slots)
        return [slots[slot] for slot in self.gives]


def planned(function: Callable[..., Any], *arguments: Any) -> tuple[Plan, Any]:
    """The plan of a function of trees of arrays such as these, for the leaves of its arguments; and the tree of its
    results. Keys of random numbers are to be given as their words. Raises NotImplementedError."""
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    builder = _Builder()
    takes = [builder.slot() for _ in traced.jaxpr.invars]
    gives = builder.go_into(traced.jaxpr, [builder.constant(value) for value in traced.consts], takes)
    return builder.plan(takes, gives), jax.tree.structure(shapes)


def words(value: Any) -> Any:
    """A key of random numbers as its words, anything else as it is."""
    return jax.random.key_data(value) if _is_key(value) else value


def _is_key(value: Any) -> bool:
    return jnp.issubdtype(getattr(value, "dtype", np.float32), jax.dtypes.prng_key)


def _shape(aval: Any) -> tuple[int, ...]:
    """Of an array as NumPy has it: a key has an axis of two words."""
    return (*aval.shape, 2) if _is_key(aval) else tuple(aval.shape)


def _follow(steps: Sequence[Step], slots: list[Any]) -> None:
    for step in steps:
        found = step.call(*[slots[slot] for slot in step.reads])
        if len(step.writes) == 1:
            slots[step.writes[0]] = found
        else:
            for slot, value in zip(step.writes, found, strict=True):
                slots[slot] = value
        for slot in step.drops:
            slots[slot] = None


class _Builder:
    """A plan in the making."""

    def __init__(self) -> None:
        self._slots: list[Any] = []
        self._constants: set[int] = set()
        self._steps: list[Step] = []
        self._done: dict[Any, list[int]] = {}

    def slot(self) -> int:
        self._slots.append(None)
        return len(self._slots) - 1

    def constant(self, value: Any) -> int:
        array = np.asarray(words(value))
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 4096 else id(value)
        if key not in self._done:
            slot = self.slot()
            self._slots[slot] = array[()] if array.ndim == 0 else array
            self._constants.add(slot)
            self._done[key] = [slot]
        return self._done[key][0]

    def go_into(self, jaxpr: Any, constants: Sequence[int], inputs: Sequence[int]) -> list[int]:
        """Add what a traced function does; the slots of its results."""
        slots: dict[Any, int] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *inputs), strict=True))

        def read(atom: Any) -> int:
            if not isinstance(atom, core.Literal):
                return slots[atom]
            aval: Any = atom.aval
            return self.constant(np.asarray(atom.val, aval.dtype))

        for equation in jaxpr.eqns:
            results = self._equation(equation, [read(atom) for atom in equation.invars])
            slots.update(zip(equation.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: Any, reads: list[int]) -> list[int]:
        name, parameters = equation.primitive.name, equation.params
        if name in CALLS:
            called = parameters[CALLS[name]]
            inner, constants = (called.jaxpr, called.consts) if hasattr(called, "consts") else (called, ())
            return self.go_into(inner, [self.constant(value) for value in constants], reads)
        if name == "scan":
            return self._scan(parameters, reads)
        key = (name, tuple(reads), str(sorted((k, str(v)) for k, v in parameters.items())))
        if key not in self._done:
            call = call_of(name, parameters, _shape(equation.outvars[0].aval))
            if all(slot in self._constants for slot in reads):
                self._done[key] = [self.constant(call(*[self._slots[slot] for slot in reads]))]
            else:
                self._done[key] = self._step(call, reads, len(equation.outvars))
        return self._done[key]

    def _step(self, call: Any, reads: Sequence[int], results: int) -> list[int]:
        writes = [self.slot() for _ in range(results)]
        self._steps.append(Step(call, tuple(reads), tuple(writes)))
        return writes

    def _scan(self, parameters: Any, reads: list[int]) -> list[int]:
        return self._step(_Loop(self, parameters, reads), reads, len(parameters["jaxpr"].jaxpr.outvars))

    def filled(self, takes: Sequence[int], arrays: Sequence[Any]) -> list[Any]:
        """Slots with the constants and these arrays."""
        slots = list(self._slots)
        for slot, array in zip(takes, arrays, strict=True):
            slots[slot] = array
        return slots

    def value(self, slot: int) -> Any:
        """The constant in a slot; None where there is none."""
        return self._slots[slot] if slot in self._constants else None

    def plan(self, takes: Sequence[int], gives: Sequence[int]) -> Plan:
        """What was added, as far as it is read."""
        return Plan(_needed(self._steps, set(gives), self._constants | set(takes)), self._slots, takes, gives)

    def parted(self, same: set[int], read: set[int]) -> tuple[list[Step], list[Step]]:
        """The steps of a loop's body: those that are the same in every turn, where the slots `same` are, and those of
        each turn."""
        steps = _needed(self._steps, read, set())
        before: list[Step] = []
        turn: list[Step] = []
        for step in steps:
            if all(slot in same or slot in self._constants for slot in step.reads):
                same = same | set(step.writes)
                before.append(Step(step.call, step.reads, step.writes))
            else:
                turn.append(Step(step.call, step.reads, step.writes))
        return before, _needed(turn, read, same | self._constants)


def _needed(steps: Sequence[Step], read: set[int], kept: set[int]) -> list[Step]:
    """The steps whose results are read, each with the slots that nobody reads after it; `kept` are never dropped."""
    found: list[Step] = []
    later = set(read)
    for step in reversed(steps):
        if later.isdisjoint(step.writes):
            continue
        call = step.call.telling([slot in later for slot in step.writes]) if isinstance(step.call, _Loop) else step.call
        unread = {slot for slot in (*step.reads, *step.writes) if slot not in later and slot not in kept}
        found.append(Step(call, step.reads, step.writes, tuple(unread)))
        later |= set(step.reads)
    return found[::-1]


class _Loop:
    """A scan: constants, then what is carried, then what is gone through; it gives what is carried and what is told of
    each turn."""

    def __init__(self, outer: _Builder, parameters: Any, reads: Sequence[int]) -> None:
        closed = parameters["jaxpr"]
        self._fixed, self._carried = parameters["num_consts"], parameters["num_carry"]
        order = range(parameters["length"])
        self._order = order[::-1] if parameters["reverse"] else order
        self._body = _Builder()
        values = [outer.value(slot) if i < self._fixed else None for i, slot in enumerate(reads)]
        self._takes = [self._body.slot() if value is None else self._body.constant(value) for value in values]
        constants = [self._body.constant(value) for value in closed.consts]
        self._gives = self._body.go_into(closed.jaxpr, constants, self._takes)

    def telling(self, wanted: Sequence[bool]) -> Callable[..., list[Any]]:
        """The loop, as far as its results are wanted: of each turn nothing else is told."""
        body, takes, order, fixed, carried = self._body, self._takes, self._order, self._fixed, self._carried
        every = fixed + carried
        gives = self._gives[:carried]
        told = [slot if want else None for slot, want in zip(self._gives[carried:], wanted[carried:], strict=True)]
        unchanged = {taken for taken, given in zip(takes[fixed:every], gives, strict=True) if taken == given}
        read = {*gives, *(slot for slot in told if slot is not None)}
        before, turn = body.parted({*takes[:fixed], *unchanged}, read)

        def call(*arrays: Any) -> list[Any]:
            slots = body.filled(takes[:every], arrays[:every])
            _follow(before, slots)
            kept: list[list[Any]] = [[] for _ in told]
            for t in order:
                for slot, array in zip(takes[every:], arrays[every:], strict=True):
                    slots[slot] = array[t]
                _follow(turn, slots)
                for values, wants in zip(kept, told, strict=True):
                    if wants is not None:
                        values.append(slots[wants])
                after = [slots[slot] for slot in gives]
                for slot, value in zip(takes[fixed:every], after, strict=True):
                    slots[slot] = value
            turns = [values[:: order.step] if values else None for values in kept]
            return [*after, *(None if values is None else np.stack(values) for values in turns)]

        return call
