"""Faults of GPUs: conditions on their contexts, settings, engines, firmware, links and boards.

A fault says what is physically wrong. Which XID the driver prints, what else follows and what DCGM shows is the
driver's doing (`twin.inference.gpu_driver`); the XID is named here for orientation only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from twin.components import Component
from twin.faults.kind import FaultKind
from twin.mechanics.conditions import Condition
from twin.mechanics.gpu_link import nvlinks
from twin.mechanics.layers import Layer
from twin.quantities import Power, Ratio
from twin.scenario.errors import ScenarioError
from twin.scenario.schema import Model

HITS = "a GPU, a pod or a node with a GPU"

Left = Annotated[Ratio, Field(gt=0, lt=1)]
"""A share that is left of something."""


def _gpu(component: Component) -> Component | None:
    """The GPU itself, a pod's GPU, or the first GPU of a node."""
    candidates = (component, *component.places(), *component.residents)
    return next((c for c in candidates if c.kind == "gpu"), None)


def _gpu_with_nvlink(component: Component) -> Component | None:
    gpu = _gpu(component)
    return gpu if gpu is not None and nvlinks(gpu.model) else None  # type: ignore[attr-defined]


class PowerCap(Model):
    """`nvidia-smi -pl`: the board power limit is lowered. A volatile setting of the device."""

    power_limit: Annotated[Power, Field(gt=0)]


class PowerBrake(Model):
    """The server's power supply asserts the brake signal: the clock is divided by two or more. A supply or a cable that
    a power cycle (`power`) or only a replacement (`board`) puts right."""

    layer: Literal["power", "board"] = "power"


class ThermalThrottle(Model):
    """Heat does not get away. `software`: dust, a dead fan or dried paste multiply the thermal resistance of the board
    and the driver lowers the clock; `hardware`: a hot spot, such as a regulator, trips the hardware's own slowdown."""

    slowdown: Literal["software", "hardware"] = "software"
    heat_path: float = Field(2.5, gt=1, le=10, allow_inf_nan=False)
    """Thermal resistance as a multiple of a sound board's (software only)."""


class HbmBandwidthLoss(Model):
    """Part of the memory's channels or their clock is gone: reads take longer, nothing is reported."""

    left: Left = 0.6


class PcieWidthLow(Model):
    """The link to the host trained to fewer lanes. A warm reboot trains it anew (`bus`), unless the slot, riser or
    retimer needs a power cycle (`power`) or is damaged (`board`)."""

    lanes: Literal[1, 2, 4, 8] = 4
    """Of 16."""
    layer: Literal["bus", "power", "board"] = "bus"


class SilentDataCorruption(Model):
    """A defect in the arithmetic: a share of the output tokens is wrong, and nothing says so."""

    share: Annotated[Ratio, Field(gt=0, le=1)] = 0.02


class FallOffBus(Model):
    """XID 79: the GPU stops answering on PCIe. A reboot enumerates it again (`bus`), or its power state must go
    (`power`), or it is dead (`board`, the same as `persistent`)."""

    persistent: bool = False
    layer: Literal["bus", "power", "board"] = "bus"


class NvlinkDown(Model):
    """XID 74: links to the peers fail for good. A reset trains them anew, unless the connector is damaged."""

    links: int = Field(1, ge=1, le=18)
    persistent: bool = False


class NvlinkDegraded(Model):
    """CRC errors make a link send its flits again: less bandwidth, no XID, a climbing counter."""

    left: Left = 0.5
    errors: float = Field(1000.0, gt=0, allow_inf_nan=False)
    """Wrong flits per second."""


class CorrectableErrors(Model):
    """XID 92: ageing memory cells; single-bit errors are corrected, faster than the driver cares to hear of."""

    rate: float = Field(50.0, gt=0, allow_inf_nan=False)
    """Per second."""


class RowRemap(Model):
    """XID 63: damaged memory rows are marked; spares take their place at the next reset."""

    rows: int = Field(1, ge=1, le=512)


class Plain(Model):
    """A fault without parameters."""


def _kind(
    family: str,
    parameters: type[Model],
    conditions: Callable[[Any], tuple[tuple[Layer, str, float], ...]],
    lands_on: Callable[[Component], Component | None] = _gpu,
    hits: str = HITS,
) -> FaultKind:
    """A fault kind whose conditions do not depend on the component."""
    return FaultKind(
        family,
        hits,
        parameters,
        lands_on,
        lambda p, cause, _: tuple(Condition(layer, name, value, cause) for layer, name, value in conditions(p)),
    )


def _plain(family: str, *conditions: tuple[Layer, str]) -> FaultKind:
    """A fault kind without parameters, of conditions that are there or not."""
    there = tuple((layer, name, 1.0) for layer, name in conditions)
    return _kind(family, Plain, lambda _: there)


def _power_cap(p: PowerCap, cause: str, component: Component) -> tuple[Condition, ...]:
    board = component.model  # type: ignore[attr-defined]
    if p.power_limit >= board.power:
        raise ScenarioError(
            f"{p.power_limit:g} W caps nothing: {component.name} ({board.name}) has a limit of {board.power:g} W",
            ("powerLimit",),
        )
    return (Condition(Layer.SETTINGS, "power_limit", p.power_limit, cause),)


def _throttle(p: ThermalThrottle) -> tuple[tuple[Layer, str, float], ...]:
    if p.slowdown == "hardware":
        return ((Layer.BOARD, "thermal_alert", 1.0),)
    return ((Layer.BOARD, "heat_path", p.heat_path),)


KINDS: dict[str, dict[str, FaultKind]] = {
    "GPUChaos": {
        # Power and heat
        "powerCap": FaultKind("gpu-power", HITS, PowerCap, _gpu, _power_cap),
        "powerBrake": _kind("gpu-power", PowerBrake, lambda p: ((Layer(p.layer), "power_brake", 1.0),)),
        "thermalThrottle": _kind("gpu-thermal", ThermalThrottle, _throttle),
        # A process's own mistakes: XIDs 13 and 43, 31, 43, 45
        "illegalInstruction": _plain("gpu-context", (Layer.CONTEXT, "illegal_instruction")),
        "illegalAddress": _plain("gpu-context", (Layer.CONTEXT, "illegal_address")),
        "softwareException": _plain("gpu-context", (Layer.CONTEXT, "software_exception")),
        "contextRemoved": _plain("gpu-context", (Layer.CONTEXT, "context_removed")),
        # An engine that does not switch contexts any more: XID 109
        "contextSwitchTimeout": _plain("gpu-context", (Layer.GPU, "context_switch_hang")),
        # Memory: XIDs 94; 48, 63 and 94; 63; 48, 64 and 94; 95; 92
        "containedError": _plain("gpu-memory", (Layer.CONTEXT, "poisoned_page")),
        "doubleBitError": _plain("gpu-memory", (Layer.CONTEXT, "poisoned_page"), (Layer.GPU, "row_to_remap")),
        "rowRemap": _kind("gpu-memory", RowRemap, lambda p: ((Layer.GPU, "row_to_remap", float(p.rows)),)),
        "rowRemapFailure": _plain("gpu-memory", (Layer.BOARD, "no_spare_rows")),
        "uncontainedError": _plain("gpu-memory", (Layer.GPU, "uncontained_error")),
        "correctableErrors": _kind(
            "gpu-memory", CorrectableErrors, lambda p: ((Layer.BOARD, "correctable_errors", p.rate),)
        ),
        "hbmBandwidthLoss": _kind(
            "gpu-memory", HbmBandwidthLoss, lambda p: ((Layer.BOARD, "memory_bandwidth", p.left),)
        ),
        # The management processor: XIDs 119 and 120
        "gspTimeout": _plain("gpu-firmware", (Layer.FIRMWARE, "gsp_silent")),
        "gspCrash": _plain("gpu-firmware", (Layer.FIRMWARE, "gsp_fault")),
        # Links: XIDs 79 and 74
        "fallOffBus": _kind(
            "gpu-bus", FallOffBus, lambda p: ((Layer.BOARD if p.persistent else Layer(p.layer), "off_bus", 1.0),)
        ),
        "pcieWidthLow": _kind("gpu-bus", PcieWidthLow, lambda p: ((Layer(p.layer), "pcie_width", p.lanes / 16.0),)),
        "nvlinkDown": _kind(
            "gpu-link",
            NvlinkDown,
            lambda p: ((Layer.BOARD if p.persistent else Layer.GPU, "nvlink_down", float(p.links)),),
            _gpu_with_nvlink,
            "a GPU with NVLink, a pod or a node with one",
        ),
        "nvlinkDegraded": _kind(
            "gpu-link",
            NvlinkDegraded,
            lambda p: ((Layer.BOARD, "nvlink_bandwidth", p.left), (Layer.BOARD, "nvlink_errors", p.errors)),
            _gpu_with_nvlink,
            "a GPU with NVLink, a pod or a node with one",
        ),
        # Results
        "silentDataCorruption": _kind(
            "gpu-data", SilentDataCorruption, lambda p: ((Layer.BOARD, "silent_corruption", p.share),)
        ),
    },
}
