"""Worlds of a small OpenStack site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twin import World
from twin.scenario import ResolvedScenario

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


@pytest.fixture
def on() -> Callable[..., dict[str, Any]]:
    """A fault on a component: `on("mysql", "DatabaseChaos", "slow", factor=40)`."""

    def make(component: str, kind: str, action: str = "", at: str = "120s", **fields: Any) -> dict[str, Any]:
        selector = {"components": [component]}
        return {"name": "fault", "kind": kind, "action": action, "at": at, "selector": selector, **fields}

    return make
