"""Faults of programs: they die, once or at every start."""

from __future__ import annotations

from typing import Literal

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.process import Process
from twin.scenario.schema import Model


def _process(component: Component) -> Component | None:
    return component if isinstance(component, Process) else None


class Crash(Model):
    """The process dies. What kills it sits in its memory (`process`: a new process is healthy) or in its writable
    layer (`container`: every new process dies as well)."""

    layer: Literal["process", "container"] = "process"


class Freeze(Model):
    """No thread of a replica's container runs (SIGSTOP, the cgroup freezer): it neither answers nor dies."""


class PodKill(Model):
    """Chaos Mesh's PodChaos `container-kill` and `pod-kill`: the program is killed; its supervisor starts another."""

    container_names: tuple[str, ...] | None = None
    grace_period: Literal[0] = 0
    """Only Chaos Mesh's default, an immediate kill, is modelled."""


KINDS: dict[str, dict[str, FaultKind]] = {
    "ProcessChaos": {
        "crash": FaultKind(
            "process",
            "a component that is a process",
            Crash,
            _process,
            lambda p, cause, _: (Condition(Layer(p.layer), "crash", 1.0, cause),),
        ),
        "freeze": FaultKind(
            "process",
            "a replica's pod",
            Freeze,
            lambda component: component if component.kind == "vllm" else None,
            lambda _, cause, __: (Condition(Layer.PROCESS, "frozen", 1.0, cause),),
        ),
    },
    "PodChaos": {
        action: FaultKind(
            "process",
            "a component that is a process",
            PodKill,
            _process,
            lambda p, cause, _: (Condition(Layer.PROCESS, "killed", 1.0, cause),),
        )
        for action in ("container-kill", "pod-kill")
    },
}
