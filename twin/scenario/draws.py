"""Randomised fields: ``{uniform: [a, b]}`` and ``{choice: [...]}`` in faults and in the workload.

A draw is keyed by (seed, name of the fault, key path in it), so another fault, or another order, changes no draw.
Two whole numbers draw a whole number, both ends included; quantities keep their unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twin.quantities import split
from twin.scenario.errors import Path, ScenarioError
from twin.streams import Key, Stream, Streams

FIXED = ("name", "kind", "action", "mode", "manifest", "benign")
"""Fields of a fault that cannot be drawn: they say what the fault is, not how strong or where."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One randomised field: where it is, what its luck is keyed by, and what it may become."""

    path: Path
    key: tuple[Key, ...]
    options: tuple[Any, ...]
    """Of a choice: every option; of a uniform: lowest and highest."""
    scale: Scale | None = None
    """Of a uniform: what lies between its ends. None for a choice."""

    def sample(self, stream: Stream) -> Any:
        """The value that luck gives this field."""
        return stream.choice(self.options, *self.key) if self.scale is None else self.scale.sample(stream, self.key)


@dataclass(frozen=True, slots=True)
class Scale:
    """The values of a uniform draw: whole numbers, or quantities of a unit."""

    low: float
    high: float
    unit: str | None
    whole: bool

    def sample(self, stream: Stream, key: tuple[Key, ...]) -> Any:
        """A value between the ends, written as the scenario writes them."""
        if self.whole:
            return stream.integer(int(self.low), int(self.high), *key)
        return _quantity(stream.between(self.low, self.high, *key), self.low, self.high, self.unit)


def find(data: Mapping[str, Any]) -> tuple[Draw, ...]:
    """The randomised fields of a scenario's data. Raises ScenarioError for one that is misplaced or malformed."""
    return tuple(_walk(data, (), data))


def drawn(data: Mapping[str, Any], draws: tuple[Draw, ...], seed: int) -> dict[str, Any]:
    """The data with every randomised field drawn from the seed."""
    stream = Streams(seed)["scenario/draw"]
    return filled(data, {draw.path: draw.sample(stream) for draw in draws})


def extremes(data: Mapping[str, Any], draws: tuple[Draw, ...]) -> Iterator[dict[str, Any]]:
    """The data at its ends: all lowest, all highest, and every other option alone beside all lowest."""
    low = {draw.path: draw.options[0] for draw in draws}
    yield filled(data, low)
    if draws:
        yield filled(data, {draw.path: draw.options[-1] for draw in draws})
    for draw in draws:
        for option in draw.options[1:]:
            if len(draws) > 1 or option is not draw.options[-1]:
                yield filled(data, {**low, draw.path: option})


def filled(data: Mapping[str, Any], values: Mapping[Path, Any]) -> dict[str, Any]:
    """A copy of the data with other values at the given paths."""
    return {key: _filled(child, values, (key,)) for key, child in data.items()}


def _filled(data: Any, values: Mapping[Path, Any], path: Path) -> Any:
    if path in values:
        return values[path]
    if isinstance(data, dict):
        return {key: _filled(child, values, (*path, key)) for key, child in data.items()}
    if isinstance(data, list):
        return [_filled(child, values, (*path, i)) for i, child in enumerate(data)]
    return data


def _walk(data: Any, path: Path, root: Mapping[str, Any]) -> Iterator[Draw]:
    if isinstance(data, dict):
        if len(data) == 1 and (form := next(iter(data))) in ("uniform", "choice"):
            key = _key(path, root)
            if key is None:
                raise ScenarioError(
                    "cannot be drawn: random values are for the workload and for a fault's at, duration, magnitudes "
                    "and targets",
                    path,
                )
            yield _draw(form, data[form], path, key)
            return
        for name, child in data.items():
            yield from _walk(child, (*path, name), root)
    elif isinstance(data, list):
        for i, child in enumerate(data):
            yield from _walk(child, (*path, i), root)


def _key(path: Path, root: Mapping[str, Any]) -> tuple[Key, ...] | None:
    """What a draw at `path` is keyed by, or None where nothing may be drawn."""
    if path[:2] == ("spec", "workload") and len(path) > 2:
        return ("workload", *path[2:])
    if path[:2] == ("spec", "faults") and len(path) > 3 and path[3] not in FIXED:
        fault = root["spec"]["faults"][path[2]]
        return ("fault", str(fault.get("name", path[2])), *path[3:])
    return None


def _draw(form: str, options: Any, path: Path, key: tuple[Key, ...]) -> Draw:
    inside = (*path, form)
    if not isinstance(options, list) or not options:
        raise ScenarioError(f"expected {form}: [...], got {options!r}", inside)
    if form == "choice":
        if any(True for option in options for _ in _nested(option)):
            raise ScenarioError("a draw inside a choice is not possible", inside)
        return Draw(path, key, tuple(options))
    if len(options) != 2:
        raise ScenarioError(f"expected uniform: [lowest, highest], got {options!r}", inside)
    (low, unit, whole_low), (high, other, whole_high) = (_number(o, (*inside, i)) for i, o in enumerate(options))
    if unit != other:
        raise ScenarioError(f"both ends need the same unit, got {options[0]!r} and {options[1]!r}", inside)
    if low > high:
        raise ScenarioError(f"the lowest value comes first, got {options!r}", inside)
    return Draw(path, key, tuple(options), Scale(low, high, unit, whole_low and whole_high))


def _nested(data: Any) -> Iterator[Any]:
    """Every draw inside a value."""
    if isinstance(data, dict):
        if len(data) == 1 and next(iter(data)) in ("uniform", "choice"):
            yield data
        data = list(data.values())
    if isinstance(data, list):
        for child in data:
            yield from _nested(child)


def _number(value: Any, path: Path) -> tuple[float, str | None, bool]:
    """Number, unit (None for a bare number) and whether it is a whole number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        parts: tuple[float, str | None] | None = (float(value), None)
    else:
        parts = split(value) if isinstance(value, str) else None
    if parts is None:
        raise ScenarioError(f"expected a number or a quantity such as 240s, got {value!r}", path)
    if not math.isfinite(parts[0]):
        raise ScenarioError(f"must be a finite number, got {value!r}", path)
    return parts[0], parts[1], isinstance(value, int)


def _quantity(number: float, low: float, high: float, unit: str | None) -> float | str:
    """The number with its unit, to six digits unless that leaves the interval."""
    short = float(f"{number:.6g}")
    number = short if low <= short <= high else number
    return number if unit is None else f"{number!r}{unit}"
