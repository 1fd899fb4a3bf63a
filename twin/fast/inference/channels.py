"""What a condition does to a program of the inference cluster, as numbers that a tensor can hold.

How many times longer a decode step takes, whether the process can live, whether packets pass: computed by the same
mechanics that the SimPy twin uses, so that the arrays hold no physics of their own (honesty rule 5). Where several
conditions meet on one program, the strongest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twin.fast.conditions import Effects
from twin.fast.errors import NotCompiledError
from twin.mechanics.conditions import Condition
from twin.mechanics.engine_step import step_cost
from twin.mechanics.gpu_power import DECODE_ACTIVITY, PREFILL_ACTIVITY, clock_ratio, slowed
from twin.mechanics.gpu_thermal import CORE_RISE, INLET_TEMPERATURE, MEMORY_RISE, governed_clock, settled
from twin.mechanics.hardware import Gpu, Model
from twin.mechanics.host import host_slowdown

if TYPE_CHECKING:
    from twin.components import Component

CHANNELS: Final = (
    "decode",  # a decode step takes so many times longer, minus one
    "prefill",  # so does the computation of a prompt
    "host",  # so does what an engine's host does
    "doomed",  # the process dies, and dies at every start while this lasts
    "halted",  # it is stopped, and starts when this ends
    "dark",  # its machine is off
    "hang",  # its steps do not end
    "frozen",  # none of its threads runs
    "latency",  # seconds that its messages take longer
    "cut",  # no message passes
    "refuses",  # it answers at once, and never well
    "silent",  # it takes requests and never answers
    "stale",  # the router does not learn who is there
    "unmanaged",  # nobody starts what the operators or the deployment want
    "storeless",  # no weights and no images can be had
    "starved",  # share of the store's bandwidth that is gone
    "demand",  # so many times the usual requests, minus one
    "prompts",  # so many times the usual prompt, minus one
    "outputs",  # so many times the usual answer, minus one
    "hurry",  # 1 / the seconds after which the gateway gives an answer up
)
"""What the arrays know of conditions. Each is 0 where all is well."""

CHANNEL: Final[Mapping[str, int]] = {name: i for i, name in enumerate(CHANNELS)}


@dataclass(frozen=True, slots=True)
class Engine:
    """What channels of GPUs and hosts are computed from."""

    gpu: Gpu
    model: Model
    gpus: int
    batch: int
    """Sequences of the batch at which steps are compared."""
    prompt: int
    """Tokens of the prompt at which they are."""
    context: float
    """Tokens of context of each sequence."""
    cores: int
    node_cores: int

    def decode_seconds(self, clock: float = 1.0, bandwidth: float = 1.0, link: float = 1.0) -> float:
        """A decode step of that batch."""
        cost = step_cost(self.gpu, self.model, self.gpus, clock, bandwidth, link)
        return cost.gpu_seconds(self.batch, self.batch, self.batch * self.context, 0.0)

    def prefill_seconds(self, clock: float = 1.0, bandwidth: float = 1.0, link: float = 1.0) -> float:
        """The step that computes a prompt."""
        cost = step_cost(self.gpu, self.model, self.gpus, clock, bandwidth, link)
        return cost.gpu_seconds(self.prompt, 1, 0.0, self.prompt * self.prompt / 2.0)


Effect = Callable[[float, "Component", Engine], Effects]
"""(value of the parameter, component that carries the condition, engines of the cluster) -> channels."""


def effects(condition: Condition, component: Component, engine: Engine) -> Effects:
    """The channels of a condition on a component. Raises NotCompiledError for a parameter that has none."""
    found = EFFECTS.get(condition.parameter)
    if found is None:
        raise NotCompiledError(
            f"the condition '{condition.parameter}' of fault '{condition.cause}' on {component.name}"
        )
    return found(condition.value, component, engine)


def _slower(engine: Engine, decode: float, prefill: float, bandwidth: float = 1.0, link: float = 1.0) -> Effects:
    """Steps at other clocks, against steps as they are."""
    return {
        "decode": engine.decode_seconds(decode, bandwidth, link) / engine.decode_seconds() - 1.0,
        "prefill": engine.prefill_seconds(prefill, bandwidth, link) / engine.prefill_seconds() - 1.0,
    }


def _power_limit(watts: float, _: Component, engine: Engine) -> Effects:
    clocks = (clock_ratio(engine.gpu, watts, activity) for activity in (DECODE_ACTIVITY, PREFILL_ACTIVITY))
    return _slower(engine, *clocks)


def _hardware_slowdown(value: float, _: Component, engine: Engine) -> Effects:
    clock = slowed(engine.gpu, 1.0) if value else 1.0
    return _slower(engine, clock, clock)


def _heat_path(ratio: float, _: Component, engine: Engine) -> Effects:
    """The clock at which the temperature settles: what the driver allows there, found by halving."""
    low, high = engine.gpu.min_clock / engine.gpu.clock, 1.0
    for _step in range(30):
        middle = (low + high) / 2.0
        share = middle**3
        core = settled(INLET_TEMPERATURE, CORE_RISE, ratio, share)
        memory = settled(INLET_TEMPERATURE, MEMORY_RISE, ratio, share)
        if governed_clock(engine.gpu, core, memory) >= middle:
            low = middle
        else:
            high = middle
    return _slower(engine, low, low)


def _bandwidth(left: float, _: Component, engine: Engine) -> Effects:
    return _slower(engine, 1.0, 1.0, bandwidth=left)


def _link(left: float, _: Component, engine: Engine) -> Effects:
    return _slower(engine, 1.0, 1.0, link=left) if engine.gpus > 1 else {}


def _links_down(links: float, _: Component, engine: Engine) -> Effects:
    return {"hang": 1.0} if engine.gpus > 1 and links else {}


def _cpu_stress(workers: float, component: Component, engine: Engine) -> Effects:
    cores = engine.node_cores if component.kind == "node" else engine.cores
    slowdown = host_slowdown(0.0, (workers + 1.0) / cores)
    return {"host": slowdown - 1.0}


def _always(channel: str) -> Effect:
    return lambda value, component, engine: {channel: 1.0 if value else 0.0}


def _as_it_is(channel: str) -> Effect:
    return lambda value, component, engine: {channel: value}


def _more(channel: str) -> Effect:
    return lambda value, component, engine: {channel: value - 1.0}


def _nothing(value: float, component: Component, engine: Engine) -> Effects:
    """It does nothing to how requests are served: only telemetry shows it, if anything does."""
    return {}


EFFECTS: dict[str, Effect] = {
    "power_limit": _power_limit,
    "power_brake": _hardware_slowdown,
    "thermal_alert": _hardware_slowdown,
    "heat_path": _heat_path,
    "memory_bandwidth": _bandwidth,
    "nvlink_bandwidth": _link,
    "nvlink_down": _links_down,
    "nvlink_errors": _nothing,
    "correctable_errors": _nothing,
    "silent_corruption": _nothing,
    "row_to_remap": _nothing,
    **dict.fromkeys(
        (
            "off_bus", "illegal_instruction", "illegal_address", "software_exception", "context_removed",
            "poisoned_page", "uncontained_error", "context_switch_hang", "gsp_silent", "gsp_fault", "no_spare_rows",
            "crash", "killed",
        ),
        _always("doomed"),
    ),
    "unit_stopped": _always("halted"),
    "power_lost": _always("dark"),
    "hang": _always("hang"),
    "collective_hang": _always("hang"),
    "frozen": _always("frozen"),
    "cpu_stress": _cpu_stress,
    "latency": _as_it_is("latency"),
    "blocked": _always("cut"),
    "upstream_port_wrong": _always("refuses"),
    "upstream_timeout": lambda seconds, component, engine: {"hurry": 1.0 / max(seconds, 1e-3)},
    "proxy_hang": _always("silent"),
    "router_stale": _always("stale"),
    "gcs_down": _always("unmanaged"),
    "controller_stuck": _always("unmanaged"),
    "store_refuses": _always("storeless"),
    "objects_missing": _always("storeless"),
    "store_rate": lambda share, component, engine: {"starved": 1.0 - share},
    "arrival_rate": _more("demand"),
    "prompt_length": _more("prompts"),
    "output_length": _more("outputs"),
    "clock_offset": _nothing,
}  # fmt: skip
"""What the fast twin makes of each parameter. What is not here cannot be compiled, and says so."""


def uncompiled() -> list[str]:
    """Parameters of the mechanics that the fast twin does not have."""
    from twin.mechanics.conditions import PARAMETERS

    return [name for name in PARAMETERS if name not in EFFECTS]
