"""Faults of inference engines: they hang, grow, or are rolled out with settings that do not work."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.quantities import Ratio, Size
from twin.scenario.schema import Model


def _engine(component: Component) -> Component | None:
    return component if component.kind == "vllm" else None


class Hang(Model):
    """A worker does not come back from its step: silence until the executor's time-out (300 s)."""


class MemoryLeak(Model):
    """The engine's own memory grows until its pod's limit."""

    rate: Annotated[Size, Field(gt=0, description="bytes a second")]


class BadRollout(Model):
    """Engine settings rolled out to the replica, which restarts with them."""

    max_num_seqs: int | None = Field(None, ge=1)
    gpu_memory_utilization: Annotated[Ratio, Field(gt=0.0, le=1.0)] | None = None

    @model_validator(mode="after")
    def _some(self) -> BadRollout:
        if self.max_num_seqs is None and self.gpu_memory_utilization is None:
            raise ValueError("expected maxNumSeqs, gpuMemoryUtilization or both")
        return self


def _rollout(parameters: BadRollout, cause: str, _: Component) -> tuple[Condition, ...]:
    settings = {
        "max_num_seqs": parameters.max_num_seqs,
        "gpu_memory_utilization": parameters.gpu_memory_utilization,
    }
    return tuple(
        Condition(Layer.CONFIGURATION, name, float(value), cause)
        for name, value in settings.items()
        if value is not None
    )


_HITS = "a replica's pod"

KINDS: dict[str, dict[str, FaultKind]] = {
    "EngineChaos": {
        "hang": FaultKind(
            "engine",
            _HITS,
            Hang,
            _engine,
            lambda p, cause, _: (Condition(Layer.PROCESS, "hang", 1.0, cause),),
        ),
        "collectiveHang": FaultKind(
            "engine",
            _HITS,
            Hang,
            _engine,
            lambda p, cause, _: (Condition(Layer.PROCESS, "collective_hang", 1.0, cause),),
        ),
        "memoryLeak": FaultKind(
            "engine",
            _HITS,
            MemoryLeak,
            _engine,
            lambda p, cause, _: (Condition(Layer.PROCESS, "memory_leak", p.rate, cause),),
        ),
        "badRollout": FaultKind("configuration", _HITS, BadRollout, _engine, _rollout),
    },
}
