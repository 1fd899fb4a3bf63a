"""Faults of the serving control plane, of the gateway's and Serve's settings, and of the model store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.quantities import Duration, Ratio
from twin.scenario.schema import Model


def _only(*kinds: str) -> Callable[[Component], Component | None]:
    return lambda component: component if component.kind in kinds else None


class InMemory(Model):
    """What is wrong sits in the program's memory (`process`: a new process is healthy) or in its writable layer
    (`container`: every new process has it as well)."""

    layer: Literal["process", "container"] = "process"


class RolledOut(Model):
    """A setting that was rolled out; only another rollout takes it back."""


class TimeoutRollout(Model):
    """nginx's proxy_read_timeout is rolled out too short."""

    timeout: Annotated[Duration, Field(gt=0)] = 1.0


class ConnectionLimit(Model):
    """nginx's worker_connections is rolled out too low."""

    limit: int = Field(ge=1)


class ServeLimits(Model):
    """Serve's limits are rolled out too low: requests that a replica works on at a time, and that wait for one."""

    max_ongoing_requests: int | None = Field(None, ge=1)
    max_queued_requests: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _something(self) -> ServeLimits:
        if self.max_ongoing_requests is None and self.max_queued_requests is None:
            raise ValueError("changes nothing: give maxOngoingRequests, maxQueuedRequests or both")
        return self


class StoreSlow(Model):
    """The store sends at a share of its bandwidth."""

    share: Annotated[Ratio, Field(gt=0, lt=1.0)] = 0.1


def _in_memory(family: str, hits: str, kind: str, parameter: str) -> FaultKind:
    def conditions(given: Any, cause: str, _: Component) -> tuple[Condition, ...]:
        return (Condition(Layer(given.layer), parameter, 1.0, cause),)

    return FaultKind(family, hits, InMemory, _only(kind), conditions)


def _setting(hits: str, kind: str, parameter: str, parameters: type[Model], field: str | None = None) -> FaultKind:
    def conditions(given: Any, cause: str, _: Component) -> tuple[Condition, ...]:
        value = 1.0 if field is None else float(getattr(given, field))
        return (Condition(Layer.CONFIGURATION, parameter, value, cause),)

    return FaultKind("configuration", hits, parameters, _only(kind), conditions)


def _serve_limits(given: ServeLimits, cause: str, _: Component) -> tuple[Condition, ...]:
    limits = {"ongoing_limit": given.max_ongoing_requests, "queue_limit": given.max_queued_requests}
    return tuple(
        Condition(Layer.CONFIGURATION, parameter, float(limit), cause)
        for parameter, limit in limits.items()
        if limit is not None
    )


HEAD, GATEWAY, STORE = "Ray's head", "the nginx gateway", "the model store"

KINDS: dict[str, dict[str, FaultKind]] = {
    "ServingChaos": {
        "controllerStuck": _in_memory("control-plane", HEAD, "ray-head", "controller_stuck"),
        "gcsDown": _in_memory("control-plane", HEAD, "ray-head", "gcs_down"),
        "staleRouter": _in_memory("control-plane", HEAD, "ray-head", "router_stale"),
        "proxyHang": _in_memory("control-plane", HEAD, "ray-head", "proxy_hang"),
        "limits": FaultKind("configuration", HEAD, ServeLimits, _only("ray-head"), _serve_limits),
    },
    "GatewayChaos": {
        "timeout": _setting(GATEWAY, "nginx", "upstream_timeout", TimeoutRollout, "timeout"),
        "wrongPort": _setting(GATEWAY, "nginx", "upstream_port_wrong", RolledOut),
        "connectionLimit": _setting(GATEWAY, "nginx", "connection_limit", ConnectionLimit, "limit"),
    },
    "StoreChaos": {
        "unavailable": _in_memory("store", STORE, "model-store", "store_refuses"),
        "slow": FaultKind(
            "store",
            STORE,
            StoreSlow,
            _only("model-store"),
            lambda p, cause, _: (Condition(Layer.NETWORK, "store_rate", p.share, cause),),
        ),
        "objectsMissing": FaultKind(
            "store",
            STORE,
            RolledOut,
            _only("model-store"),
            lambda p, cause, _: (Condition(Layer.DATA, "objects_missing", 1.0, cause),),
        ),
    },
}
