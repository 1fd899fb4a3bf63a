"""Every log call gives its statement as many fields as it takes: texts are rendered late, and failures are rare."""

from __future__ import annotations

import ast
import importlib
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from twin import openstack
from twin.openstack.dialects import SPOKEN
from twin.telemetry.records import Level, LogTemplate

ROOT = Path(openstack.__path__[0])
MODULES = sorted(path for path in ROOT.rglob("*.py") if not path.stem.endswith("logs"))


def fields(text: str) -> int:
    """How many message args a text takes."""
    numbers, anonymous = [0], 0
    for _, name, _, _ in string.Formatter().parse(text):
        if name is None or name == "instance":
            continue
        anonymous += not name
        numbers.append(int(name) + 1 if name else anonymous)
    return max(numbers)


def taken(template: LogTemplate) -> int:
    """The fields that a statement takes in the dialect that prints most of them."""
    variants = [spoken.get(template.id, template) for spoken in SPOKEN.values()]
    return max([fields(template.text), *(fields(variant.text) for variant in variants if variant is not None)])


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, LogTemplate]]:
    """The calls of `say`, `debug` and `exception` with a statement of a catalogue, by name."""
    catalogues = {
        alias.asname or alias.name: importlib.import_module(f"{node.module}.{alias.name}")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
        if alias.name.endswith("logs")
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        first = node.args[0]
        if node.func.attr not in ("say", "debug", "exception") or not isinstance(first, ast.Attribute):
            continue
        if isinstance(first.value, ast.Name) and first.value.id in catalogues:
            template = getattr(catalogues[first.value.id], first.attr)
            if isinstance(template, LogTemplate):
                yield node, template


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_statement_gets_the_fields_that_it_takes(path):
    for call, template in calls(ast.parse(path.read_text())):
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            continue
        assert isinstance(call.func, ast.Attribute)
        # after the statement and the context; `exception` has the error third, and its text becomes the last field
        given = len(call.args) - 2
        if call.func.attr == "exception" and template.level in (Level.DEBUG, Level.INFO):
            given -= 1  # below a warning the trace is printed, and no summary
        assert given == taken(template), f"{path.name}:{call.lineno}: {template.text!r} gets {given} fields"


def test_there_are_calls_to_look_at():
    found = sum(len(list(calls(ast.parse(path.read_text())))) for path in MODULES)
    assert found > 200
