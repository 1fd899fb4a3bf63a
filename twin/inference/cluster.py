"""Building the inference cluster from its preset and settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twin.inference.clients import Clients
from twin.inference.control_plane import ControlPlane
from twin.inference.gateway import Gateway
from twin.inference.gpu import Gpu
from twin.inference.kubelet import Worker
from twin.inference.noise import Noise
from twin.inference.operations import Operations
from twin.inference.output_check import OutputCheck
from twin.inference.replica import Replica
from twin.inference.router import Router
from twin.inference.store import IMAGE, ModelStore
from twin.mechanics.engine_step import BLOCK_TOKENS, kv_blocks, reserved_bytes
from twin.scenario import hardware
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import EngineSettings, InferenceCluster
from twin.scenario.workload import Workload
from twin.slo import Objective

if TYPE_CHECKING:
    from twin.world import World


@dataclass(frozen=True, slots=True)
class Preset:
    """A topology by name; the scenario's own fields take precedence. Sizes in bytes."""

    model: str
    gpu: str
    replicas: int
    spares: int
    max_ongoing_requests: int
    node_memory: float
    node_cores: int
    pod_memory: float
    pod_cores: int
    engine: EngineSettings
    gpus_per_node: int = 1
    output_check: float | None = None
    """Seconds between two questions of the output check; None where there is none."""
    head_serves: bool = False
    """Whether the head pod runs an engine as well, one of `replicas`."""
    max_queued_requests: int | None = None
    """Serve's limit of requests that wait for a replica; None where there is none."""


PRESETS: dict[str, Preset] = {
    # The testbed of arXiv 2603.02057: data parallel 4, 8 CPU and 16 Gi a pod. Its GPU is not stated; a 24 GB, 300 W
    # card of the A10G class is assumed. It holds the recurrent states of 64 sequences of that model, not of 128.
    "rca-llm": Preset(
        "falcon-h1-7b",
        "a10g",
        4,
        1,
        500,
        32 * 2**30,
        8,
        16 * 2**30,
        8,
        EngineSettings(max_num_seqs=64),
        head_serves=True,
    ),
    "small": Preset("llama-3.1-8b", "a10g", 3, 1, 256, 64 * 2**30, 16, 24 * 2**30, 12, EngineSettings()),
}


class InferenceTwin:
    """nginx -> Ray Serve -> vLLM replicas, each on the GPUs of one node."""

    def __init__(self, world: World, preset: Preset) -> None:
        self.world = world
        self._preset = preset
        self._gpu_model = hardware.gpu(preset.gpu)
        self._model = hardware.model(preset.model)
        self._blocks = _blocks(preset)
        head_node = ControlPlane(world, "node-head", preset.node_memory, preset.node_cores)
        world.network.monitor = head_node
        self.router = Router(world, "ray-head", head_node, preset.max_ongoing_requests)
        self.router.max_queued = preset.max_queued_requests or math.inf
        self.gateway = Gateway(world, "nginx-proxy", head_node, self.router, preset.engine.max_model_len)
        self.router.gateway = self.gateway
        self.router.join_mesh(self.gateway.name)
        self.store = ModelStore(world, "model-store", head_node)
        self.deployed = preset.replicas
        workers = preset.replicas
        if preset.head_serves:
            workers -= 1
            self._add_replica("ray-head-engine", [Gpu(world, "gpu-head", head_node, self._gpu_model)])
        self._add_nodes(0, workers)
        self._add_nodes(workers, preset.spares)
        head_node.begin([node.kubelet for node in self._workers(head_node)], self.router.replicas)
        self.output_check: OutputCheck | None = None
        if preset.output_check is not None:
            self.output_check = OutputCheck(world, "output-check", head_node, self.router.replicas, preset.output_check)
        self.operations = Operations(self.router, self.gateway).table
        self.noise = Noise(world, self.gateway, self.router)
        self.clients = Clients(world, self.gateway, self.noise)

    def _add_nodes(self, first: int, count: int) -> None:
        """Nodes for replicas number `first` on; spare ones share no node with the others."""
        preset = self._preset
        size = preset.engine.tensor_parallel_size * preset.engine.data_parallel_size
        seats = preset.gpus_per_node // size
        nodes = sum(component.kind == "node" for component in self.world.components.values()) - 1
        gpus = sum(
            component.kind == "gpu" and component.name != "gpu-head" for component in self.world.components.values()
        )
        for number in range(first, first + count):
            if (number - first) % seats == 0:
                node = Worker(self.world, f"node-{nodes}", preset.node_memory, preset.node_cores)
                nodes += 1
            seat = [Gpu(self.world, f"gpu-{gpus + i}", node, self._gpu_model) for i in range(size)]
            gpus += size
            self._add_replica(f"ray-replicas-{number}", seat)

    def _workers(self, head_node: ControlPlane) -> list[Worker]:
        return [head_node, *dict.fromkeys(r.node for r in self.router.replicas if r.node is not head_node)]

    def _add_replica(self, name: str, gpus: list[Gpu]) -> None:
        preset = self._preset
        replica = Replica(
            self.world, name, gpus, self._model, self._blocks, preset.engine, preset.pod_memory, preset.pod_cores
        )
        replica.router, replica.store = self.router, self.store
        if replica.node is not self.router.place:  # the head's own engine is called within its pod
            replica.join_mesh(self.router.name)
        replica.depends_on.append(self.store)
        self.router.replicas.append(replica)
        self.router.depends_on.append(replica)

    # --- workload ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Everything is up at time zero; spare nodes are idle."""
        self.router.boot()
        self.gateway.boot()
        self.store.boot()
        for replica in self.router.replicas[: self.deployed]:
            self.store.remember(replica.node, IMAGE)
            self.store.remember(replica.node, self._model.name)
            replica.boot()
        self.noise.start()
        self.clients.start()
        if self.output_check is not None:
            self.output_check.start()

    def objectives(self) -> list[Objective]:
        """Time to first token, time to last token where asked for, and success."""
        slo = self.world.spec.slo
        limits = {"ttft": slo.ttft_p99, "e2e": slo.e2e_p99}
        chosen = [Objective(signal, 0.99, limit) for signal, limit in limits.items() if limit is not None]
        return [*chosen, Objective("success", slo.success, None)]


def build(world: World) -> InferenceTwin:
    """The cluster of the scenario. Raises ScenarioError for an unknown name or a model that does not fit its GPU."""
    cluster = world.spec.cluster
    assert isinstance(cluster, InferenceCluster)
    preset = _settings(cluster)
    _check_lengths(world.spec.workload, preset.engine.max_model_len)
    return InferenceTwin(world, preset)


def _check_lengths(workload: Workload, most: int) -> None:
    """Raise ScenarioError where each and every request would be refused; drawn lengths may be, now and then."""
    prompt = workload.prompt
    if isinstance(prompt, int) and prompt >= most:
        raise ScenarioError(
            f"prompts of {prompt} tokens leave no room in maxModelLen {most}: vLLM would refuse every request",
            ("spec", "workload", "prompt"),
        )


def _settings(cluster: InferenceCluster) -> Preset:
    name = cluster.preset or "small"
    path = ("spec", "cluster")
    if name not in PRESETS:
        raise ScenarioError(f"no preset '{name}'{nearest(name, PRESETS)}", (*path, "preset"))
    given = cluster.model_dump(exclude={"kind", "preset", "engine"}, exclude_none=True)
    preset = replace(PRESETS[name], **given, engine=cluster.engine or PRESETS[name].engine)
    for find, key in ((hardware.gpu, "gpu"), (hardware.model, "model")):
        try:
            find(getattr(preset, key))
        except ScenarioError as error:
            raise ScenarioError(str(error) if error.where else error.message, (*path, key)) from None
    size = preset.engine.tensor_parallel_size * preset.engine.data_parallel_size
    if preset.gpus_per_node % size:
        if cluster.gpus_per_node is not None:
            raise ScenarioError(
                f"{preset.gpus_per_node} GPUs a node cannot be shared out among replicas of {size} GPUs each",
                (*path, "gpusPerNode"),
            )
        preset = replace(preset, gpus_per_node=size)
    if preset.head_serves and size > 1:
        preset = replace(preset, head_serves=False)
    _blocks(preset)
    return preset


def _blocks(preset: Preset) -> int:
    engine = preset.engine
    gpu, model = hardware.gpu(preset.gpu), hardware.model(preset.model)
    if model.heads % engine.tensor_parallel_size:
        raise ScenarioError(
            f"{model.name}'s {model.heads} attention heads cannot be shared evenly by {engine.tensor_parallel_size} "
            "GPUs: vLLM refuses that",
            ("spec", "cluster", "engine", "tensorParallelSize"),
        )
    if engine.kv_blocks is not None:
        if engine.kv_blocks * BLOCK_TOKENS < engine.max_model_len:
            raise ScenarioError(
                f"{engine.kv_blocks} KV blocks of {BLOCK_TOKENS} tokens are fewer than maxModelLen "
                f"{engine.max_model_len} needs",
                ("spec", "cluster", "engine", "kvBlocks"),
            )
        return engine.kv_blocks
    batch = engine.max_num_batched_tokens, engine.max_num_seqs, engine.tensor_parallel_size
    blocks = kv_blocks(gpu, model, engine.gpu_memory_utilization, *batch)
    if blocks * BLOCK_TOKENS < engine.max_model_len:
        usable, rest = gpu.memory * engine.gpu_memory_utilization, reserved_bytes(model, *batch)
        weights = model.weight_bytes / engine.tensor_parallel_size
        raise ScenarioError(
            f"{model.name} does not fit {gpu.name}: of {usable / 1e9:.1f} GB ({engine.gpu_memory_utilization:g} x "
            f"{gpu.memory / 1e9:.1f} GB), weights take {weights / 1e9:.1f} GB and activations, states and "
            f"CUDA graphs {(rest - weights) / 1e9:.1f} GB; that leaves {max(0, blocks)} KV blocks of "
            f"{BLOCK_TOKENS} tokens, and maxModelLen {engine.max_model_len} needs "
            f"{-(-engine.max_model_len // BLOCK_TOKENS)}",
            ("spec", "cluster", "model"),
        )
    return blocks
