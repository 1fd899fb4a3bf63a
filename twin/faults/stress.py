"""Foreign load on memory and cores: Chaos Mesh's StressChaos."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.quantities import Size, go_duration
from twin.scenario.schema import Model

DEFAULT_GROWTH = 1e9
"""Bytes a second that one stress-ng worker writes when nothing slows it (assumed: page faults of one thread)."""

UNSUPPORTED = {"stressngStressors": "only Chaos Mesh's own stressors are modelled; use stressors"}


def _pod_or_node(component: Component) -> Component | None:
    """Where foreign memory and threads can live: inside a pod's container, or on a node."""
    return component if component.kind in ("vllm", "node") else None


def _seconds(value: Any) -> float:
    seconds = go_duration(value)
    if seconds <= 0:
        raise ValueError(f"expected a duration above 0, got {value!r}")
    return seconds


class _MemoryStressor(Model):
    workers: int = Field(1, ge=1)
    size: Annotated[Size, Field(gt=0)]
    time: Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)] | None = Field(
        None, description="seconds over which it grows to `size`, linearly"
    )
    growth: Size | None = Field(None, gt=0, description="or bytes a second and worker until then")
    oom_score_adj: int = Field(0, ge=-1000, le=1000, description="-1000: the kernel never kills the stressor")

    @model_validator(mode="after")
    def _one_speed(self) -> _MemoryStressor:
        if self.time is not None and self.growth is not None:
            raise ValueError("time and growth say the same: give one of them")
        return self

    @property
    def speed(self) -> float:
        """Bytes a second and worker."""
        return self.size / self.time if self.time is not None else self.growth or DEFAULT_GROWTH


class _CpuStressor(Model):
    workers: int = Field(ge=1)
    load: int = Field(100, ge=0, le=100)


class _Stressors(Model):
    memory: _MemoryStressor | None = None
    cpu: _CpuStressor | None = None

    @model_validator(mode="after")
    def _some(self) -> _Stressors:
        if self.memory is None and self.cpu is None:
            raise ValueError("expected memory, cpu or both")
        return self


class Stress(Model):
    """Chaos Mesh's StressChaos: stress-ng runs in a container, or here also on a node."""

    stressors: _Stressors
    container_names: tuple[str, ...] | None = None


def _stress_family(parameters: Stress) -> str:
    return "memory" if parameters.stressors.memory is not None else "cpu"


def _stress(parameters: Stress, cause: str, component: Component) -> tuple[Condition, ...]:
    layer = Layer.OS if component.kind == "node" else Layer.CONTAINER
    conditions: list[Condition] = []
    memory, cpu = parameters.stressors.memory, parameters.stressors.cpu
    if memory is not None:
        conditions += [
            Condition(layer, "memory_taken", memory.size * memory.workers, cause),
            Condition(layer, "memory_growth", memory.speed * memory.workers, cause),
            Condition(layer, "memory_adjustment", memory.oom_score_adj / 1000.0, cause),
        ]
    if cpu is not None:
        conditions.append(Condition(layer, "cpu_stress", cpu.workers * cpu.load / 100.0, cause))
    return tuple(conditions)


KINDS: dict[str, dict[str, FaultKind]] = {
    "StressChaos": {
        "": FaultKind(_stress_family, "a replica's pod or a node", Stress, _pod_or_node, _stress, UNSUPPORTED)
    },
}
