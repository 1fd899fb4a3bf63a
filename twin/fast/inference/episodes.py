"""One life of a scenario as arrays: what is where, what comes when, and what breaks.

Everything random is drawn here, by the streams of the SimPy twin: an episode of a seed has the very requests, faults
and targets of that seed there, so that the two twins are compared on the same luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import jax
import numpy as np
from numpy.typing import NDArray

from twin.fast.background import plans
from twin.fast.calibration import Free, packaged
from twin.fast.conditions import Conditions, drawn
from twin.fast.inference import kernels
from twin.fast.inference.channels import CHANNEL, CHANNELS, Engine, effects
from twin.fast.inference.demand import Demand, demand
from twin.fast.inference.exposed import Exposed, exposed
from twin.fast.inference.heat import Heat, heat
from twin.fast.inference.network import Hops, about_packets, hops
from twin.fast.objectives import objectives
from twin.inference.clients import NO_RETRIES
from twin.mechanics.conditions import Condition
from twin.mechanics.engine_step import (
    BLOCK_TOKENS,
    COMPILE_SECONDS,
    IMPORT_SECONDS,
    WARMUP_SECONDS,
    host_seconds,
    step_cost,
)
from twin.mechanics.gpu_link import HOST_COPY_BYTES_PER_SECOND
from twin.mechanics.host import read_seconds
from twin.mechanics.layers import Layer
from twin.mechanics.serving import (
    CLIENT_BANDWIDTH,
    HEAD_START,
    IMAGE_BYTES,
    NGINX_START,
    PROXY_CHECK_FAILURES,
    PROXY_CHECK_PERIOD,
    PROXY_CHECK_TIMEOUT,
    PROXY_START,
    STORE_START,
)
from twin.mechanics.supervision import PROBE_PERIOD

if TYPE_CHECKING:
    from twin.components import Component
    from twin.inference.cluster import InferenceTwin
    from twin.inference.replica import Replica
    from twin.world import World

PROGRAM, GPU, NODE, NOWHERE = range(4)
"""Roles of components: a program, a GPU of a seat, a machine, none of these."""
HEAD, GATEWAY, STORE = range(3)
"""Programs after the replicas."""
OTHERS: Final = 3
PROXY_NOTICED: Final = PROXY_CHECK_PERIOD / 2 + PROXY_CHECK_FAILURES * PROXY_CHECK_TIMEOUT + PROXY_START
"""Seconds from when a proxy hangs until another has taken its place; the first check missed is half a period away."""
SIGNALS: Final = ("success", "ttft", "e2e")
"""What objectives are about."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Episode:
    """One episode. R replicas (each has a seat: GPUs of one node), P = R + 3 programs, D nodes, N components (padded),
    K conditions, T ticks. Seconds, tokens, requests."""

    # --- what there is --------------------------------------------------------------------------------------------
    role: NDArray[np.int32]
    """[N] PROGRAM, GPU, NODE or NOWHERE."""
    index: NDArray[np.int32]
    """[N] which program, whose seat's GPU, which node."""
    exists: NDArray[np.bool_]
    """[R] whether that replica's seat is there (others are padding)."""
    active: NDArray[np.bool_]
    """[R] whether it is deployed at the beginning; the others are spare."""
    node_of_seat: NDArray[np.int32]
    """[R]"""
    gpus_of_node: NDArray[np.float32]
    """[D]"""

    # --- what they do ---------------------------------------------------------------------------------------------
    step: NDArray[np.float32]
    """[3] seconds of a decode step: constant, per sequence, per sequence and token of context."""
    prefill: NDArray[np.float32]
    """[3] seconds of a prompt: constant of each of its steps, per token, per pair of tokens."""
    mixed: NDArray[np.float32]
    """[3] seconds that each decoding request adds to the step of a prompt: constant, per token of its context, per
    token of the prompt."""
    budget: NDArray[np.float32]
    """[] tokens of a step at most: a longer prompt takes several."""
    caching: NDArray[np.float32]
    """[] 1 where blocks that were freed are found again, 0 where not."""
    host: NDArray[np.float32]
    """[2] seconds that the host takes for a step: constant, per sequence."""
    most: NDArray[np.float32]
    """[2] sequences, and tokens of context, that an engine holds at most."""
    start: NDArray[np.float32]
    """[P, 3] seconds from a start to running: as before, in a new container, on another node."""
    fails: NDArray[np.float32]
    """[P] seconds from a start until a process that cannot live dies."""
    ongoing: NDArray[np.float32]
    """[] requests that a replica takes at most."""

    # --- what is asked --------------------------------------------------------------------------------------------
    since: NDArray[np.int32]
    """[] the tick of the first row of what is given tick by tick."""
    arrivals: NDArray[np.float32]
    """[T, 4] requests of each tick, their mean prompt, mean answer, and tokens of the prompt that must be computed."""
    returning: NDArray[np.float32]
    """[3] the same lengths of those who ask again after an answer."""
    vary: NDArray[np.float32]
    """[2] second moment over squared mean of computed tokens and of answers."""
    again: NDArray[np.float32]
    """[2] share of users who ask again after an answer, after a failure."""
    think: NDArray[np.float32]
    """[] mean seconds until they do."""
    patience: NDArray[np.float32]
    """[2] seconds that clients wait for a whole answer, for the first token; empty where all wait for ever."""
    pauses: NDArray[np.float32]
    """[A] mean seconds between attempt 1, 2, … in vain and the next; none where nobody tries again."""
    retries: NDArray[np.float32]
    """[] attempts after the first that clients make at most."""
    allowance: NDArray[np.float32]
    """[] retries allowed for each call; infinite where there is no such limit."""
    objective: NDArray[np.float32]
    """[3, 2] for success, ttft and e2e: the share that must, and within what; 0 and infinite where there is none."""

    # --- what breaks ----------------------------------------------------------------------------------------------
    conditions: Conditions
    used: tuple[str, ...] = field(metadata={"static": True})
    """The channels that any condition has, in any episode that is compiled together with this one."""
    hops: Hops
    """What is wrong with packets."""
    heat: Heat
    """Of GPUs; empty where none can overheat."""
    limits: NDArray[np.float32]
    """[6] bytes of memory and cores of a container, of a machine; bytes and threads of a program that is no engine.
    Empty where nobody takes any."""
    looks: NDArray[np.float32]
    """[R] when the kubelet of its machine looks first, seconds."""
    rollouts: NDArray[np.float32]
    """[Q, 2] scheduled deployments: begin, and pause after each replica. Seconds."""
    free: Free

    # --- what is seen ---------------------------------------------------------------------------------------------
    exposed: Exposed


@dataclass(frozen=True, slots=True)
class Shape:
    """The padded sizes of episodes that are lived through together."""

    replicas: int
    gpus: int
    nodes: int
    components: int
    conditions: int
    used: tuple[str, ...]
    """Channels that any of them has."""
    ticks: int
    packets: int
    """Conditions about packets."""
    attempts: int
    """After which clients pause."""
    rollouts: int
    heats: bool
    """Whether a GPU may overheat."""
    impatient: bool
    """Whether clients may give up."""
    crowds: bool
    """Whether somebody takes memory or cores."""


def episode(world: World, tick: float, shape: Shape) -> Episode:
    """The episode of a world that has not lived yet. Raises NotCompiledError."""
    cluster: InferenceTwin = world.cluster  # type: ignore[assignment]
    replicas = cluster.router.replicas
    count = shape.replicas
    components = list(world.components.values())
    nodes = [component for component in components if component.kind == "node"]
    role, index = _roles(components, cluster, nodes, shape)
    engine = _engine(replicas[0], world)
    programs = np.zeros((count + OTHERS, 3), np.float32)
    for i, replica in enumerate(replicas):
        programs[i] = _starts(replica)
    programs[count:] = [[seconds] * 3 for seconds in (HEAD_START, NGINX_START, STORE_START)]
    cost = step_cost(engine.gpu, engine.model, engine.gpus)
    spec = world.spec.workload
    retries = spec.retries or NO_RETRIES
    asked = demand(world, tick, shape.ticks, cluster.deployed, engine.decode_seconds())
    settings = replicas[0].settings
    prompts = kernels.prompt_line(cost, asked.computed, settings.max_num_batched_tokens)
    return Episode(
        role=role,
        index=index,
        exists=_padded([True] * len(replicas), count, False),
        active=_padded([i < cluster.deployed for i in range(len(replicas))], count, False),
        node_of_seat=_padded([nodes.index(replica.node) for replica in replicas], count, 0).astype(np.int32),
        gpus_of_node=_padded(
            [sum(c.kind == "gpu" for c in node.all_residents()) for node in nodes], shape.nodes, 0
        ).astype(np.float32),
        step=kernels.decode_line(cost, _batch(asked, settings.max_num_seqs, replicas[0].blocks * BLOCK_TOKENS)),
        prefill=prompts,
        mixed=kernels.beside(cost, prompts),
        budget=np.float32(settings.max_num_batched_tokens),  # type: ignore[arg-type]
        caching=np.float32(settings.enable_prefix_caching and engine.model.mamba is None),  # type: ignore[arg-type]
        host=np.array([host_seconds(0, 1.0), host_seconds(1, 1.0) - host_seconds(0, 1.0)], np.float32),
        most=np.array([settings.max_num_seqs, replicas[0].blocks * BLOCK_TOKENS], np.float32),
        start=programs,
        fails=_failing(replicas, programs),
        ongoing=np.float32(cluster.router.max_ongoing),  # type: ignore[arg-type]
        since=np.int32(0),  # type: ignore[arg-type]
        arrivals=asked.arrivals,
        returning=asked.returning,
        vary=asked.vary,
        again=asked.again,
        think=np.float32(asked.think),  # type: ignore[arg-type]
        patience=np.array(
            [spec.client_timeout or np.inf, spec.first_token_timeout or np.inf] if shape.impatient else [], np.float32
        ),
        pauses=_pauses(world, shape.attempts),
        retries=np.float32(retries.max),  # type: ignore[arg-type]
        allowance=np.float32(np.inf if retries.budget is None else retries.budget),  # type: ignore[arg-type]
        objective=objectives(world.slo.objectives, SIGNALS),
        conditions=drawn(
            world, shape.conditions, CHANNEL, lambda condition, place: effects(condition, place, engine), _noticed
        ),
        used=shape.used,
        hops=_hops(world, cluster, nodes, shape),
        heat=heat(engine, [replica.gpu.meter.inlet for replica in replicas], count if shape.heats else 0),
        limits=np.array(
            [
                replicas[0].cgroup.memory,
                replicas[0].cgroup.cores,
                replicas[-1].node.memory,
                replicas[-1].node.cores,
                cluster.router.resident_memory,
                cluster.router.runnable_threads,
            ]
            if shape.crowds
            else [],
            np.float32,
        ),
        looks=_padded(
            [world.streams["kubelet"].uniform(replica.node.name) * PROBE_PERIOD for replica in replicas], count, 0.0
        ).astype(np.float32),
        rollouts=_rollouts(world, shape.rollouts),
        free=Free(**{name: np.float32(value) for name, value in asdict(packaged().free).items()}),
        exposed=exposed(world, shape.conditions, count, shape.gpus, shape.nodes, shape.components),
    )


def _rollouts(world: World, size: int) -> NDArray[np.float32]:
    rows = [(rollout.at, rollout.pause) for rollout in world.spec.benign.rollouts]
    return np.array([*rows, *[(np.inf, 0.0)] * (size - len(rows))], np.float32).reshape(size, 2)


def _hops(world: World, cluster: InferenceTwin, nodes: Sequence[Component], shape: Shape) -> Hops:
    """Conditions about packets; programs are numbered first, then machines."""
    programs = (*cluster.router.replicas, cluster.router, cluster.gateway, cluster.store)
    places = [*range(len(cluster.router.replicas)), *range(shape.replicas, shape.replicas + OTHERS)]
    numbers = {program.name: place for program, place in zip(programs, places, strict=True)}
    numbers |= {node.name: shape.replicas + OTHERS + i for i, node in enumerate(nodes)}
    carried = [pair for plan in plans(world) for pair in plan.conditions]
    found = [(slot, place, c) for slot, (place, c) in enumerate(carried) if about_packets(c)]
    return hops(found, numbers, shape.replicas + OTHERS + shape.nodes, shape.packets)


def shape(worlds: Sequence[World], tick: float, padded: int) -> Shape:
    """The sizes that hold the episodes of all these worlds, whose observations are padded to `padded` components."""
    found = [[condition for plan in plans(world) for _, condition in plan.conditions] for world in worlds]
    parameters = {condition.parameter for conditions in found for condition in conditions}
    return Shape(
        replicas=max(sum(c.kind == "vllm" for c in world.components.values()) for world in worlds),
        gpus=max(sum(c.kind == "gpu" for c in world.components.values()) for world in worlds),
        nodes=max(sum(c.kind == "node" for c in world.components.values()) for world in worlds),
        components=padded,
        conditions=max(1, *map(len, found)),
        used=_used(worlds),
        ticks=max(round(world.spec.horizon / tick) for world in worlds),
        packets=max(sum(map(about_packets, conditions)) for conditions in found),
        attempts=max(_attempts(world, conditions) for world, conditions in zip(worlds, found, strict=True)),
        rollouts=max(len(world.spec.benign.rollouts) for world in worlds),
        heats="heat_path" in parameters,
        impatient="client_timeout" in parameters
        or any(w.spec.workload.client_timeout or w.spec.workload.first_token_timeout for w in worlds),
        crowds=bool(parameters & {"cpu_stress", "memory_taken", "memory_leak"}),
    )


def _used(worlds: Sequence[World]) -> tuple[str, ...]:
    """Channels that a condition of one of these has."""
    names: set[str] = set()
    for world in worlds:
        engine = _engine(world.cluster.router.replicas[0], world)  # type: ignore[attr-defined]
        for plan in plans(world):
            for place, condition in plan.conditions:
                names |= {name for name, value in effects(condition, place, engine).items() if value}
    return tuple(name for name in CHANNELS if name in names)


def _attempts(world: World, conditions: Sequence[Condition]) -> int:
    """The most retries that a client may send."""
    usual = world.spec.workload.retries.max if world.spec.workload.retries is not None else 0
    return usual + int(sum(c.value for c in conditions if c.parameter == "client_retries"))


def _pauses(world: World, size: int) -> NDArray[np.float32]:
    retries = world.spec.workload.retries or NO_RETRIES
    mean = 1.0 - retries.jitter / 2.0
    return np.array([min(retries.max_backoff, retries.backoff * 2.0**n) * mean for n in range(size)], np.float32)


def _roles(
    components: Sequence[Component], cluster: InferenceTwin, nodes: Sequence[Component], shape: Shape
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    role, index = np.full(shape.components, NOWHERE, np.int32), np.zeros(shape.components, np.int32)
    replicas = cluster.router.replicas
    programs = {replica.name: i for i, replica in enumerate(replicas)}
    others = (cluster.router, cluster.gateway, cluster.store)
    programs |= {program.name: shape.replicas + i for i, program in enumerate(others)}
    seats = {gpu.name: i for i, replica in enumerate(replicas) for gpu in replica.gpus}
    for i, component in enumerate(components):
        if component.name in programs:
            role[i], index[i] = PROGRAM, programs[component.name]
        elif component.name in seats:
            role[i], index[i] = GPU, seats[component.name]
        elif component in nodes:
            role[i], index[i] = NODE, nodes.index(component)
    return role, index


def _engine(replica: Replica, world: World) -> Engine:
    workload = world.spec.workload
    prompt = workload.prompt if isinstance(workload.prompt, int) else 1024
    output = workload.output if isinstance(workload.output, int) else 256
    return Engine(
        replica.gpu.model, replica.model, len(replica.gpus), 16, prompt, prompt + output / 2.0, replica.blocks,
        replica.settings.max_model_len, replica.settings.gpu_memory_utilization,
    )  # fmt: skip


def _batch(asked: Demand, most: float, tokens: float) -> float:
    """The largest batch that an engine can have of such requests."""
    _, output, computed = asked.returning
    return float(min(most, kernels.places(tokens, computed, output)))


def _failing(replicas: Sequence[Replica], programs: NDArray[np.float32]) -> NDArray[np.float32]:
    """[P] of a replica: until its weights are loaded; of others: their whole start."""
    found = programs[:, 0].copy()
    found[: len(replicas)] -= WARMUP_SECONDS
    return found


def _starts(replica: Replica) -> tuple[float, float, float]:
    """Seconds of a start with page cache and compiled graphs as they are, in a new container, on another node."""
    weights = replica.model.weight_bytes
    share = weights / replica.settings.tensor_parallel_size
    loading = read_seconds(weights, 1.0, 0.0) + share / HOST_COPY_BYTES_PER_SECOND
    again = IMPORT_SECONDS + loading + WARMUP_SECONDS
    elsewhere = again + COMPILE_SECONDS + (weights + IMAGE_BYTES) / CLIENT_BANDWIDTH
    return again, again + COMPILE_SECONDS, elsewhere


def _noticed(condition: Condition) -> float:
    """Seconds until the cluster itself ends a condition: Serve's controller replaces a proxy whose process does not
    answer; the check that is missed first is half a period away."""
    if condition.parameter != "proxy_hang" or condition.layer is not Layer.PROCESS:
        return np.inf
    return PROXY_NOTICED


def _padded(values: Sequence[Any], size: int, rest: Any) -> NDArray[Any]:
    return np.array([*values, *[rest] * (size - len(values))])
