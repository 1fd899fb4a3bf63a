"""Faults of databases."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.quantities import Ratio
from twin.scenario.schema import Model


def _database(component: Component) -> Component | None:
    return component if component.kind == "mysql" else None


class Slow(Model):
    """Every statement takes `factor` times as long: sessions hold locks. A restart ends the sessions."""

    factor: Annotated[Ratio, Field(gt=1.0)]


KINDS: dict[str, dict[str, FaultKind]] = {
    "DatabaseChaos": {
        "slow": FaultKind(
            "database",
            "a database",
            Slow,
            _database,
            lambda p, cause, _: (Condition(Layer.PROCESS, "service_time", p.factor, cause),),
        ),
    },
}
