"""Building the inference cluster from its preset and settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twin.inference.gateway import Gateway
from twin.inference.gpu import Gpu
from twin.inference.operations import Operations
from twin.inference.replica import Replica
from twin.inference.request import Request
from twin.inference.router import Router
from twin.inference.workload import arrivals
from twin.mechanics.engine_step import BLOCK_TOKENS, kv_blocks
from twin.mechanics.hardware import GPUS, MODELS
from twin.node import Node
from twin.scenario.errors import ScenarioError, nearest
from twin.scenario.schema import EngineSettings, InferenceCluster
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


PRESETS: dict[str, Preset] = {
    # The testbed of arXiv 2603.02057: data parallel 4, 8 CPU and 16 Gi a pod. Its GPU is not stated; a 24 GB, 300 W
    # card of the A10G class is assumed.
    "rca-llm": Preset("falcon-h1-7b", "a10g", 4, 1, 500, 32 * 2**30, 8, 16 * 2**30, 8, EngineSettings()),
    "small": Preset("llama-3.1-8b", "a10g", 3, 1, 256, 64 * 2**30, 16, 24 * 2**30, 12, EngineSettings()),
}


class InferenceTwin:
    """nginx -> Ray Serve -> vLLM replicas, one GPU a node."""

    def __init__(self, world: World, preset: Preset) -> None:
        self.world = world
        self._gpu_model = GPUS[preset.gpu]
        self._model = MODELS[preset.model]
        blocks = _blocks(preset)
        settings = preset.engine
        head_node = Node(world, "node-head", preset.node_memory, preset.node_cores)
        world.network.monitor = head_node
        self.router = Router(world, "ray-head", head_node, preset.max_ongoing_requests)
        self.gateway = Gateway(world, "nginx-proxy", head_node, self.router, settings.max_model_len)
        self.router.gateway = self.gateway
        self._active = preset.replicas
        for i in range(preset.replicas + preset.spares):
            node = Node(world, f"node-{i}", preset.node_memory, preset.node_cores)
            gpu = Gpu(world, f"gpu-{i}", node, self._gpu_model)
            replica = Replica(
                world, f"ray-replicas-{i}", gpu, self._model, blocks, settings, preset.pod_memory, preset.pod_cores
            )
            replica.router = self.router
            self.router.replicas.append(replica)
            self.router.depends_on.append(replica)
        self.operations = Operations(self.router, self.gateway).table
        self._arrivals = arrivals(world.spec.workload, world.streams)
        self._sent = 0

    # --- workload ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Everything is up at time zero; spare nodes are idle."""
        self.router.boot()
        self.gateway.boot()
        for replica in self.router.replicas[: self._active]:
            replica.boot()
        self._expect_next()

    def _expect_next(self) -> None:
        arrival = next(self._arrivals, None)
        if arrival is None:
            return
        limit = self.gateway.max_length
        output = min(arrival.output, max(1, limit - arrival.prompt))
        request = Request(self._sent, arrival.time, arrival.prompt, output)
        self._sent += 1
        self.world.clock.at(arrival.time, lambda _: self._send(request))

    def _send(self, request: Request) -> None:
        self.gateway.submit(request)
        self._expect_next()

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
    return InferenceTwin(world, _settings(cluster))


def _settings(cluster: InferenceCluster) -> Preset:
    name = cluster.preset or "small"
    path = ("spec", "cluster")
    if name not in PRESETS:
        raise ScenarioError(f"no preset '{name}'{nearest(name, PRESETS)}", (*path, "preset"))
    given = cluster.model_dump(exclude={"kind", "preset", "engine"}, exclude_none=True)
    preset = replace(PRESETS[name], **given, engine=cluster.engine or PRESETS[name].engine)
    if preset.gpu not in GPUS:
        raise ScenarioError(f"no GPU '{preset.gpu}'{nearest(preset.gpu, GPUS)}", (*path, "gpu"))
    if preset.model not in MODELS:
        raise ScenarioError(f"no model '{preset.model}'{nearest(preset.model, MODELS)}", (*path, "model"))
    _blocks(preset)
    return preset


def _blocks(preset: Preset) -> int:
    engine = preset.engine
    if engine.kv_blocks is not None:
        if engine.kv_blocks * BLOCK_TOKENS < engine.max_model_len:
            raise ScenarioError(
                f"{engine.kv_blocks} KV blocks of {BLOCK_TOKENS} tokens are fewer than maxModelLen "
                f"{engine.max_model_len} needs",
                ("spec", "cluster", "engine", "kvBlocks"),
            )
        return engine.kv_blocks
    gpu, model = GPUS[preset.gpu], MODELS[preset.model]
    blocks = kv_blocks(gpu, model, engine.gpu_memory_utilization, engine.max_num_batched_tokens)
    if blocks * BLOCK_TOKENS < engine.max_model_len:
        raise ScenarioError(
            f"{model.name} does not fit {gpu.name}: {model.weight_bytes / 1e9:.1f} GB of weights leave "
            f"{max(0, blocks)} KV blocks of {BLOCK_TOKENS} tokens, fewer than maxModelLen {engine.max_model_len} needs",
            ("spec", "cluster", "model"),
        )
    return blocks
