"""``--set spec.x=y``: one value of a scenario replaced on the command line."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from twin.scenario.errors import Path, ScenarioError, nearest
from twin.scenario.source import Document, value


def override(document: Document, assignments: Sequence[str]) -> Document:
    """The document with every ``key.path=value`` applied, in order.

    Values are YAML. A list item is named by its number or, where the items have names, by its name
    (``spec.faults.cap.powerLimit=200W``). Raises ScenarioError that names the assignment.
    """
    for assignment in assignments:
        document = _assign(document, assignment)
    return document


def _assign(document: Document, assignment: str) -> Document:
    where = f"--set {assignment}"
    dotted, equals, text = assignment.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise ScenarioError("expected key.path=value, such as spec.seed=7", where=where)
    new, positions = value(text, where)
    data = copy.deepcopy(document.data)
    return document.replaced(_put(data, keys, new, where), data, positions)


def _put(data: Any, keys: list[str], new: Any, where: str) -> Path:
    """Put a value in place, with the mappings that lead to it; return its path."""
    path: Path = ()
    for key in keys[:-1]:
        step = _step(data, key, path, where)
        path = (*path, step)
        if isinstance(data, dict) and data.get(key) is None:
            data[key] = {}
        data = data[step]
    step = _step(data, keys[-1], path, where)
    data[step] = new
    return (*path, step)


def _step(data: Any, key: str, path: Path, where: str) -> str | int:
    """`key` as a key or an index of `data`."""
    if isinstance(data, list):
        return _index(data, key, (*path, key), where)
    if isinstance(data, dict):
        return key
    raise ScenarioError(f"'{'.'.join(map(str, path))}' is a value, it has no key '{key}'", path, where)


def _index(items: list[Any], key: str, path: Path, where: str) -> int:
    names = [str(item.get("name", "")) if isinstance(item, dict) else "" for item in items]
    if key in names:
        return names.index(key)
    if key.isdecimal() and int(key) < len(items):
        return int(key)
    raise ScenarioError(f"no item '{key}' in a list of {len(items)}{nearest(key, names)}", path, where)
