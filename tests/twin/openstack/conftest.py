"""Worlds of a small OpenStack site."""

from __future__ import annotations

import importlib
import pkgutil
import re
import string
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from twin import World, openstack
from twin.openstack.dialects import SPOKEN
from twin.openstack.tenants.workload import TESTS
from twin.scenario import ResolvedScenario
from twin.telemetry.dialects import Dialect
from twin.telemetry.records import LogTemplate

MakeWorld = Callable[..., World]


def make_world(*faults: dict[str, Any], rate: str = "0.15/s", seed: int = 5, **spec: Any) -> World:
    body = {
        "cluster": {"kind": "openstack", "preset": "small"},
        "workload": {"arrivals": {"poisson": rate}},
        "horizon": "2000s",
        "faults": list(faults),
        **spec,
    }
    document = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "test"}, "spec": body}
    return World(ResolvedScenario.model_validate(document), seed=seed)


@pytest.fixture(scope="session")
def openstack_world() -> MakeWorld:
    """`openstack_world(*faults, rate="0.15/s", seed=5, **spec)`."""
    return make_world


@pytest.fixture(scope="session")
def healthy() -> World:
    """Ten minutes without a fault."""
    world = make_world()
    world.run(until=900)
    return world


@pytest.fixture(scope="session")
def on() -> Callable[..., dict[str, Any]]:
    """A fault on a component: `on("mysql-0", "DatabaseChaos", "slow", factor=40)`."""

    def make(component: str, kind: str, action: str = "", at: str = "120s", **fields: Any) -> dict[str, Any]:
        selector = {"components": [component]}
        return {"name": "fault", "kind": kind, "action": action, "at": at, "selector": selector, **fields}

    return make


@pytest.fixture(scope="session")
def all_loads() -> Callable[..., dict[str, Any]]:
    """`all_loads(**workload)`: testers of each kind, one run after the other, and server lives."""

    def make(**more: Any) -> dict[str, Any]:
        loop = {"concurrency": {"users": 1, "think": "10s"}}
        lives = {"kind": "lifecycle", "arrivals": {"poisson": "6/min"}, "lifetime": "60s", "client": {"load": 0.2}}
        return {"loads": [lives, *({"kind": kind, "arrivals": loop} for kind in TESTS)], **more}

    return make


# --- log statements ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def statements() -> dict[str, LogTemplate]:
    """All log statements of the services, by id; a statement of two names is there once."""
    found: dict[str, LogTemplate] = {}
    for module in pkgutil.walk_packages(openstack.__path__, "twin.openstack."):
        if module.name.rpartition(".")[2].endswith("logs"):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, LogTemplate):
                    assert found.setdefault(value.id, value) is value, value.id
    return found


class Printed:
    """What a dialect may print through oslo.log."""

    def __init__(self, statements: dict[str, LogTemplate], dialect: Dialect) -> None:
        self._texts: dict[tuple[str, str], list[re.Pattern[str]]] = defaultdict(list)
        for id, template in statements.items():
            spoken = SPOKEN[dialect].get(id, template)
            if spoken is not None and spoken.dialect == "oslo":
                parts = string.Formatter().parse(spoken.text)
                text = "".join(re.escape(before) + ("" if name is None else "(.*)") for before, name, _, _ in parts)
                self._texts[spoken.level.value, spoken.origin].append(re.compile(text, re.DOTALL))

    def has(self, level: str, logger: str, message: str) -> bool:
        """Whether one of its statements prints this."""
        return any(text.fullmatch(message) for text in self._texts[level, logger])


@pytest.fixture(scope="session")
def printed_by(statements: dict[str, LogTemplate]) -> Callable[[Dialect], Printed]:
    """`printed_by("zed").has(level, logger, message)`."""
    return cache(lambda dialect: Printed(statements, dialect))
