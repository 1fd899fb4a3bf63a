"""The kinds of fault: their parameters, what they can hit, and the conditions they put there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from twin.components import Component
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.process import Process
from twin.quantities import Power, Ratio, Size
from twin.scenario.schema import Model


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault kind.

    `lands_on` maps a selected component to the one that carries the conditions (a pod to its GPU, say), or None where
    this fault cannot hit it. `family` groups kinds for the split into known and unknown faults; where it follows from
    the parameters, it is a function of them.
    """

    family: str | Callable[[Any], str]
    hits: str
    """What it can hit, in words, for error messages."""
    parameters: type[Model]
    lands_on: Callable[[Component], Component | None]
    conditions: Callable[[Any, str, Component], tuple[Condition, ...]]
    """(parameters, name of the fault, component hit) -> the conditions it puts there."""


def _gpu(component: Component) -> Component | None:
    """The GPU itself, a pod's GPU, or the first GPU of a node."""
    candidates = (component, *component.places(), *component.residents)
    return next((c for c in candidates if c.kind == "gpu"), None)


def _process(component: Component) -> Component | None:
    return component if isinstance(component, Process) else None


def _pod_or_node(component: Component) -> Component | None:
    """Where foreign memory and threads can live: inside a pod's container, or on a node."""
    return component if component.kind in ("vllm", "node") else None


def _database(component: Component) -> Component | None:
    return component if component.kind == "mysql" else None


class PowerCap(Model):
    """`nvidia-smi -pl`: the board power limit is lowered. A volatile setting of the device."""

    power_limit: Annotated[Power, Field(gt=0)]


class FallOffBus(Model):
    """The GPU stops answering on PCIe. With `persistent`, a re-enumeration of the bus does not bring it back."""

    persistent: bool = False


class Crash(Model):
    """The process dies. What kills it sits in its memory (`process`: a new process is healthy) or in its writable
    layer (`container`: every new process dies as well)."""

    layer: Literal["process", "container"] = "process"


class PodKill(Model):
    """Chaos Mesh's PodChaos `container-kill` and `pod-kill`: the program is killed; its supervisor starts another."""

    container_names: tuple[str, ...] | None = None
    grace_period: Literal[0] = 0
    """Only Chaos Mesh's default, an immediate kill, is modelled."""


class _MemoryStressor(Model):
    workers: int = Field(1, ge=1)
    size: Annotated[Size, Field(gt=0)]
    growth: Size = Field(1e9, gt=0, description="bytes a second and worker, until `size` is reached")
    oom_score_adj: int = Field(0, ge=-1000, le=1000, description="-1000: the kernel never kills the stressor")


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


class Slow(Model):
    """Every statement takes `factor` times as long: sessions hold locks. A restart ends the sessions."""

    factor: Annotated[Ratio, Field(gt=1.0)]


def family(kind: FaultKind, parameters: Any) -> str:
    """The family of a fault of this kind with these parameters."""
    return kind.family if isinstance(kind.family, str) else kind.family(parameters)


def _stress_family(parameters: Stress) -> str:
    return "memory" if parameters.stressors.memory is not None else "cpu"


def _stress(parameters: Stress, cause: str, component: Component) -> tuple[Condition, ...]:
    layer = Layer.OS if component.kind == "node" else Layer.CONTAINER
    conditions: list[Condition] = []
    memory, cpu = parameters.stressors.memory, parameters.stressors.cpu
    if memory is not None:
        conditions += [
            Condition(layer, "memory_taken", memory.size * memory.workers, cause),
            Condition(layer, "memory_growth", memory.growth * memory.workers, cause),
            Condition(layer, "memory_adjustment", memory.oom_score_adj / 1000.0, cause),
        ]
    if cpu is not None:
        conditions.append(Condition(layer, "cpu_stress", cpu.workers * cpu.load / 100.0, cause))
    return tuple(conditions)


KINDS: dict[str, dict[str, FaultKind]] = {
    "GPUChaos": {
        "powerCap": FaultKind(
            "gpu-power",
            "a GPU, a pod or a node with a GPU",
            PowerCap,
            _gpu,
            lambda p, cause, _: (Condition(Layer.GPU, "power_limit", p.power_limit, cause),),
        ),
        "fallOffBus": FaultKind(
            "gpu-bus",
            "a GPU, a pod or a node with a GPU",
            FallOffBus,
            _gpu,
            lambda p, cause, _: (Condition(Layer.BOARD if p.persistent else Layer.BUS, "off_bus", 1.0, cause),),
        ),
    },
    "ProcessChaos": {
        "crash": FaultKind(
            "process",
            "a component that is a process",
            Crash,
            _process,
            lambda p, cause, _: (Condition(Layer(p.layer), "crash", 1.0, cause),),
        ),
    },
    "PodChaos": {
        action: FaultKind(
            "process",
            "a component that is a process",
            PodKill,
            _process,
            lambda p, cause, _: (Condition(Layer.PROCESS, "crash", 1.0, cause),),
        )
        for action in ("container-kill", "pod-kill")
    },
    "StressChaos": {"": FaultKind(_stress_family, "a replica's pod or a node", Stress, _pod_or_node, _stress)},
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
"""Fault kinds by kind and action (the empty action is that of a kind that has none)."""
