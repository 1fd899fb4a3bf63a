"""Faults of databases: what strangers do to a server while it runs. A restart ends their sessions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.galera import MAX_CONNECTIONS
from twin.mechanics.layers import Layer
from twin.quantities import Ratio, go_duration
from twin.scenario.schema import Model


def _database(component: Component) -> Component | None:
    return component if component.kind == "mysql" else None


def _held(value: Any) -> float:
    seconds = go_duration(value)
    if seconds <= 0:
        raise ValueError(f"expected a duration above 0, got {value!r}")
    return seconds


class Slow(Model):
    """Every statement takes `factor` times as long: sessions hold locks. A restart ends the sessions."""

    factor: Annotated[Ratio, Field(gt=1.0)]


class Exhaustion(Model):
    """Foreign sessions hold connections and do not let go. Those that are open stay; new ones are refused (1040)."""

    share: Annotated[Ratio, Field(gt=0.0, le=1.0)] = Field(1.0, description="of max_connections that they hold")


class Deadlocks(Model):
    """A runaway writer locks rows, transaction after transaction: others wait for it, or are rolled back (1213)."""

    share: Annotated[Ratio, Field(gt=0.0, le=1.0)] = Field(0.3, description="of write transactions that meet its rows")
    hold: Annotated[float, BeforeValidator(_held, json_schema_input_type=str)] = Field(
        5.0, description="how long each of its transactions lasts"
    )


def _locks(parameters: Deadlocks, cause: str, _: Component) -> tuple[Condition, ...]:
    return (
        Condition(Layer.PROCESS, "lock_share", parameters.share, cause),
        Condition(Layer.PROCESS, "lock_hold", parameters.hold, cause),
    )


HITS = "a database server"

KINDS: dict[str, dict[str, FaultKind]] = {
    "DatabaseChaos": {
        "slow": FaultKind(
            "database",
            HITS,
            Slow,
            _database,
            lambda p, cause, _: (Condition(Layer.PROCESS, "service_time", p.factor, cause),),
        ),
        "connectionExhaustion": FaultKind(
            "database",
            HITS,
            Exhaustion,
            _database,
            lambda p, cause, _: (Condition(Layer.PROCESS, "foreign_sessions", p.share * MAX_CONNECTIONS, cause),),
        ),
        "deadlocks": FaultKind("database", HITS, Deadlocks, _database, _locks),
    },
}
