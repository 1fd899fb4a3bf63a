"""What a condition does to a program of the inference cluster, as numbers that a tensor can hold.

How many times longer a decode step takes, whether the process can live, whether packets pass: computed by the same
mechanics that the SimPy twin uses, so that the arrays hold no physics of their own (honesty rule 5). Where several
conditions meet on one program, the strongest counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twin.fast.conditions import Effects
from twin.fast.errors import NotCompiledError
from twin.mechanics import network as packets
from twin.mechanics.conditions import Condition
from twin.mechanics.engine_step import BLOCK_TOKENS, step_cost
from twin.mechanics.gpu_link import HOST_COPY_BYTES_PER_SECOND
from twin.mechanics.gpu_power import DECODE_ACTIVITY, PREFILL_ACTIVITY, clock_ratio, slowed
from twin.mechanics.hardware import Gpu, Model
from twin.mechanics.host import DISK_SIZE, DISK_USED, UNUSED_IMAGES, read_seconds
from twin.mechanics.supervision import DISK_EVICTION
from twin.mechanics.vllm import LARGEST_UTILIZATION

if TYPE_CHECKING:
    from twin.components import Component

STRONGEST: Final = (
    "decode",  # a decode step takes so many times longer, minus one
    "prefill",  # so does the computation of a prompt
    "doomed",  # the process dies, and dies at every start while this lasts
    "unstartable",  # it lives on, but no start succeeds
    "halted",  # it is stopped, and starts when this ends
    "evicted",  # the kubelet stops it, and starts it when this has been over for a while
    "dark",  # its machine is off
    "hang",  # its steps do not end
    "frozen",  # none of its threads runs
    "refuses",  # it answers at once, and never well
    "silent",  # it takes requests and never answers
    "stale",  # the router does not learn who is there
    "unmanaged",  # nobody starts what the operators or the deployment want
    "storeless",  # no weights and no images can be had
    "nameless",  # it cannot find the store
    "starved",  # share of the store's bandwidth that is gone
    "hurry",  # 1 / the seconds after which the gateway gives an answer up
    "patience",  # 1 / the seconds after which a client does
    "queue",  # 1 / (1 + requests that may wait for a replica)
    "ongoing",  # 1 / requests that a replica may have
    "connections",  # 1 / connections of the gateway
    "sequences",  # that its engine takes at a time: rolled out
    "spared",  # oom_score_adj of a stressor, below zero, as a positive share
)
"""Channels of which the strongest counts, where several conditions meet."""
SUMMED: Final = (
    "workers",  # foreign threads in its container
    "taken",  # bytes of memory that foreign processes in its container reach
    "growth",  # bytes a second at which they do; 0: at once
    "node_workers",  # the same three of a machine
    "node_taken",
    "node_growth",
    "leak",  # bytes a second by which its own memory grows
    "loading",  # seconds that a start takes longer
    "tokens",  # of context that its engine holds more: rolled out
    "utilization",  # of its GPUs' memory: rolled out
    "heat",  # logarithm of the thermal resistance of a GPU's heat path, as a ratio to a sound one
    "retries",  # that clients send beyond the usual
    "backoff",  # logarithm of how many times longer they pause before
)
"""Channels of which the sum counts."""
CHANNELS: Final = (*STRONGEST, *SUMMED)
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
    blocks: int
    """KV blocks of an engine as deployed."""
    longest: int
    """Tokens of context that an engine must be able to hold for one request."""
    utilization: float
    """Share of its GPUs' memory that it takes as deployed."""

    def decode_seconds(self, clock: float = 1.0, bandwidth: float = 1.0, link: float = 1.0) -> float:
        """A decode step of that batch."""
        cost = step_cost(self.gpu, self.model, self.gpus, clock, bandwidth, link)
        return cost.gpu_seconds(self.batch, self.batch, self.batch * self.context, 0.0)

    def prefill_seconds(self, clock: float = 1.0, bandwidth: float = 1.0, link: float = 1.0) -> float:
        """The step that computes a prompt."""
        cost = step_cost(self.gpu, self.model, self.gpus, clock, bandwidth, link)
        return cost.gpu_seconds(self.prompt, 1, 0.0, self.prompt * self.prompt / 2.0)


DEMAND: Final = (
    "arrival_rate", "arrival_ramp", "prompt_length", "output_length", "shifted_share", "abuse_rate", "abuse_prompt",
    "abuse_output",
)  # fmt: skip
"""Parameters of what clients ask: no action renews them, so that what they change is drawn beforehand."""

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


def _bandwidth(left: float, _: Component, engine: Engine) -> Effects:
    return _slower(engine, 1.0, 1.0, bandwidth=left)


def _link(left: float, _: Component, engine: Engine) -> Effects:
    return _slower(engine, 1.0, 1.0, link=left) if engine.gpus > 1 else {}


def _links_down(links: float, _: Component, engine: Engine) -> Effects:
    return {"hang": 1.0} if engine.gpus > 1 and links else {}


def _of_host(name: str) -> Effect:
    """Of a machine, or of a container."""
    return lambda value, component, engine: {f"node_{name}" if component.kind == "node" else name: value}


def _disk_taken(size: float, _: Component, engine: Engine) -> Effects:
    """The kubelet first deletes images that nobody uses; where that is not enough it evicts."""
    free = DISK_SIZE - DISK_USED - size
    return {"evicted": 1.0} if free < DISK_EVICTION * DISK_SIZE > free + UNUSED_IMAGES else {}


def _read_later(latency: float, _: Component, engine: Engine) -> Effects:
    return {"loading": read_seconds(engine.model.weight_bytes, 1.0, latency) - _read(engine)}


def _disk_slowdown(ratio: float, component: Component, engine: Engine) -> Effects:
    return {"loading": read_seconds(engine.model.weight_bytes, ratio, 0.0) - _read(engine)}


def _read(engine: Engine) -> float:
    return read_seconds(engine.model.weight_bytes, 1.0, 0.0)


def _pcie_width(share: float, _: Component, engine: Engine) -> Effects:
    copied = engine.model.weight_bytes / engine.gpus / HOST_COPY_BYTES_PER_SECOND
    return {"loading": copied / max(share, 1e-3) - copied}


def _utilization(value: float, _: Component, engine: Engine) -> Effects:
    """Other memory for the KV cache; the engine does not start with too much, nor with too little of it."""
    more = (value - engine.utilization) * engine.gpu.memory
    blocks = int(engine.blocks + more * engine.gpus / (engine.model.kv_bytes_per_token * BLOCK_TOKENS))
    fails = value > LARGEST_UTILIZATION or blocks * BLOCK_TOKENS < engine.longest
    tokens = float((max(blocks, 1) - engine.blocks) * BLOCK_TOKENS)
    return {"utilization": value, "tokens": tokens, **({"unstartable": 1.0} if fails else {})}


def _always(channel: str) -> Effect:
    return lambda value, component, engine: {channel: 1.0 if value else 0.0}


def _as_it_is(channel: str) -> Effect:
    return lambda value, component, engine: {channel: value}


def _limit(channel: str) -> Effect:
    return lambda value, component, engine: {channel: 1.0 / max(value, 1e-3)}


def _nothing(value: float, component: Component, engine: Engine) -> Effects:
    """It does nothing to how requests are served: only telemetry shows it, if anything does."""
    return {}


EFFECTS: dict[str, Effect] = {
    "power_limit": _power_limit,
    "power_brake": _hardware_slowdown,
    "thermal_alert": _hardware_slowdown,
    "heat_path": lambda ratio, component, engine: {"heat": math.log(max(ratio, 1e-6))},
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
    "cpu_stress": _of_host("workers"),
    "memory_taken": _of_host("taken"),
    "memory_growth": _of_host("growth"),
    "memory_adjustment": lambda value, component, engine: {"spared": max(0.0, -value)},
    "memory_leak": _as_it_is("leak"),
    "max_num_seqs": _as_it_is("sequences"),
    "gpu_memory_utilization": _utilization,
    "disk_taken": _disk_taken,
    "disk_slowdown": _disk_slowdown,
    "io_latency": _read_later,
    "io_errors": _always("unstartable"),
    "pcie_width": _pcie_width,
    "dns_failure": _always("nameless"),
    "queue_limit": lambda value, component, engine: {"queue": 1.0 / (1.0 + value)},
    "ongoing_limit": _limit("ongoing"),
    "connection_limit": _limit("connections"),
    "client_timeout": _limit("patience"),
    "client_retries": _as_it_is("retries"),
    "client_backoff": lambda ratio, component, engine: {"backoff": math.log(max(ratio, 1e-6))},
    "upstream_port_wrong": _always("refuses"),
    "upstream_timeout": _limit("hurry"),
    "proxy_hang": _always("silent"),
    "router_stale": _always("stale"),
    "gcs_down": _always("unmanaged"),
    "controller_stuck": _always("unmanaged"),
    "store_refuses": _always("storeless"),
    "objects_missing": _always("storeless"),
    "store_rate": lambda share, component, engine: {"starved": 1.0 - share},
    **dict.fromkeys(packets.PARAMETERS, _nothing),  # `twin.fast.inference.network`
    **dict.fromkeys(DEMAND, _nothing),  # `twin.fast.inference.demand`
    "clock_offset": _nothing,
}  # fmt: skip
"""What the fast twin makes of each parameter. What is not here cannot be compiled, and says so."""


def uncompiled() -> list[str]:
    """Parameters of the mechanics that the fast twin does not have."""
    from twin.mechanics.conditions import PARAMETERS

    return [name for name in PARAMETERS if name not in EFFECTS]
