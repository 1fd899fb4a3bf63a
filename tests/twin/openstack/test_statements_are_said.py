"""A catalogue of log statements holds what the services can say, and what real ones were recorded to say."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

from twin import openstack
from twin.openstack.neutron import logs as neutron
from twin.openstack.nova.compute import logs as compute
from twin.openstack.nova.virt import logs as virt
from twin.telemetry.records import LogTemplate

ROOT = Path(openstack.__path__[0])
RECORDED = {
    neutron.NO_CONTROLLER.id,
    compute.ALLOCATION_NOT_IN_DATABASE.id,
    virt.DESCRIPTION_FAILED.id,
    virt.DISK_REMOVED.id,
}
"""Statements of recorded clouds that the twin's services have no cause to say; their modules tell why."""


def named(tree: ast.Module) -> set[str]:
    """Ids of the statements that a module names."""
    catalogues, found = {}, set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        for alias in node.names:
            if alias.name.endswith("logs"):
                catalogues[alias.asname or alias.name] = importlib.import_module(f"{node.module}.{alias.name}")
            elif node.module.endswith("logs"):
                found.add(getattr(importlib.import_module(node.module), alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in catalogues:
            found.add(getattr(catalogues[node.value.id], node.attr))
    return {value.id for value in found if isinstance(value, LogTemplate)}


def test_every_statement_is_said_by_some_service_or_was_recorded(statements):
    programs = [path for path in ROOT.rglob("*.py") if path.stem != "dialects" and not path.stem.endswith("logs")]
    said = set().union(*(named(ast.parse(path.read_text())) for path in programs))
    assert set(statements) - said == RECORDED
