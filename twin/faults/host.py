"""Faults of machines: their power, disks and clocks. Chaos Mesh's IOChaos and TimeChaos, and NodeChaos in its style."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.host import DISK_USED
from twin.mechanics.layers import Layer
from twin.node import Node
from twin.process import Process
from twin.quantities import Ratio, go_duration
from twin.scenario.schema import Model


def _delay(value: Any) -> float:
    seconds = go_duration(value)
    if seconds <= 0:
        raise ValueError(f"expected a duration above 0, got {value!r}")
    return seconds


def _offset(value: Any) -> float:
    seconds = go_duration(value)
    if seconds == 0:
        raise ValueError("an offset of 0 is no fault")
    return seconds


class _Files(Model):
    """Chaos Mesh's IOChaos, in the container of a replica. It is felt when files are read: when weights are loaded."""

    volume_path: str = Field(description="where the volume is mounted; a replica's weights are the only large files")
    percent: Annotated[int, Field(ge=1, le=100)] = 100
    container_names: tuple[str, ...] | None = None


class FileLatency(_Files):
    """Each file operation takes longer."""

    delay: Annotated[float, BeforeValidator(_delay, json_schema_input_type=str)]


class FileFault(_Files):
    """File operations fail."""

    errno: Literal[5] = Field(5, description="EIO is the only one whose message is known")


FILE_UNSUPPORTED = {
    "path": "all files of the volume are affected",
    "methods": "all operations are affected",
    "attr": "attributes of files are not modelled",
    "mistake": "contents of files are not modelled",
}


class Time(Model):
    """Chaos Mesh's TimeChaos: the programs of a pod read another time; here also a whole machine's clock."""

    time_offset: Annotated[float, BeforeValidator(_offset, json_schema_input_type=str)]
    clock_ids: tuple[Literal["CLOCK_REALTIME"], ...] | None = None
    container_names: tuple[str, ...] | None = None


class PowerLoss(Model):
    """A machine's power supply has no input. When it is back, the machine boots."""


class DiskFull(Model):
    """Foreign files take the room on a machine's disk. They are there until somebody deletes them."""

    fill: Annotated[Ratio, Field(gt=0, le=1)] = Field(1.0, description="share of the free room that they take")


class DiskSlow(Model):
    """A machine's disk takes `factor` times as long: a drive near its end."""

    factor: Annotated[Ratio, Field(gt=1.0)]


def _replica(component: Component) -> Component | None:
    return component if component.kind == "vllm" else None


def _pod_or_node(component: Component) -> Component | None:
    return component if isinstance(component, (Process, Node)) else None


def _node(component: Component) -> Component | None:
    """The node itself, or that of a pod or a GPU."""
    return next((c for c in (component, *component.places()) if isinstance(c, Node)), None)


def _time(parameters: Time, cause: str, component: Component) -> tuple[Condition, ...]:
    layer = Layer.OS if isinstance(component, Node) else Layer.PROCESS  # a new process reads the real time
    return (Condition(layer, "clock_offset", parameters.time_offset, cause),)


def _fill(parameters: DiskFull, cause: str, component: Component) -> tuple[Condition, ...]:
    assert isinstance(component, Node)
    return (Condition(Layer.DATA, "disk_taken", parameters.fill * (component.disk_size - DISK_USED), cause),)


NODES = "a node, or a pod or GPU on one"

KINDS: dict[str, dict[str, FaultKind]] = {
    "IOChaos": {
        "latency": FaultKind(
            "disk",
            "a replica's pod",
            FileLatency,
            _replica,
            lambda p, cause, _: (Condition(Layer.CONTAINER, "io_latency", p.delay * p.percent / 100.0, cause),),
            FILE_UNSUPPORTED,
        ),
        "fault": FaultKind(
            "disk",
            "a replica's pod",
            FileFault,
            _replica,
            lambda p, cause, _: (Condition(Layer.CONTAINER, "io_errors", p.percent / 100.0, cause),),
            FILE_UNSUPPORTED,
        ),
    },
    "TimeChaos": {"": FaultKind("clock", "a pod or a node", Time, _pod_or_node, _time)},
    "NodeChaos": {
        "powerLoss": FaultKind(
            "power",
            NODES,
            PowerLoss,
            _node,
            lambda _, cause, __: (Condition(Layer.BOARD, "power_lost", 1.0, cause),),
        ),
        "diskFull": FaultKind("disk", NODES, DiskFull, _node, _fill),
        "diskSlow": FaultKind(
            "disk",
            NODES,
            DiskSlow,
            _node,
            lambda p, cause, _: (Condition(Layer.BOARD, "disk_slowdown", p.factor, cause),),
        ),
    },
}
