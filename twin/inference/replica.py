"""A replica: the pod with one vLLM engine in it, as kubelet and Ray Serve keep it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twin.actions import CATEGORIES
from twin.inference.cgroup import Cgroup
from twin.inference.engine import Engine
from twin.inference.gpu import Gpu
from twin.inference.messages import kubelet, vllm
from twin.inference.request import Request
from twin.mechanics.conditions import Condition
from twin.mechanics.engine_step import (
    BLOCK_TOKENS,
    COMPILE_SECONDS,
    IMPORT_SECONDS,
    WARMUP_SECONDS,
    WEIGHT_LOAD_BYTES_PER_SECOND,
)
from twin.mechanics.hardware import Model
from twin.mechanics.layers import Layer
from twin.mechanics.supervision import crash_loop_delay
from twin.node import Node
from twin.process import Process
from twin.telemetry.records import Span, counter, gauge

if TYPE_CHECKING:
    from twin.inference.router import Router
    from twin.scenario.schema import EngineSettings
    from twin.world import World


STATS_INTERVAL = 10.0
"""VLLM_LOG_STATS_INTERVAL."""

POD_MEMORY = 6.0e9
"""Resident bytes of an engine's processes on the host (assumed: pinned buffers and three Python processes)."""


class Replica(Process):
    """A vLLM engine in its pod. Its container's stressor (Chaos Mesh) sits on layer CONTAINER."""

    kind = "vllm"
    program = "VLLM::EngineCor"
    metrics = (
        gauge("vllm:num_requests_running", "requests", "serving"),
        gauge("vllm:num_requests_waiting", "requests", "serving"),
        gauge("vllm:kv_cache_usage_perc", "ratio", "serving"),
        counter("vllm:num_preemptions_total", "", "serving"),
        counter("vllm:prompt_tokens_total", "tokens"),
        counter("vllm:generation_tokens_total", "tokens"),
        counter("vllm:request_success_total", "requests"),
        counter("vllm:time_to_first_token_seconds_sum", "s", "serving"),
        counter("vllm:time_to_first_token_seconds_count", "requests", "serving"),
        counter("vllm:e2e_request_latency_seconds_sum", "s"),
        gauge("container_memory_working_set_bytes", "bytes"),
    )

    def __init__(
        self,
        world: World,
        name: str,
        gpu: Gpu,
        model: Model,
        blocks: int,
        settings: EngineSettings,
        memory: float,
        cores: int,
    ) -> None:
        super().__init__(world, name, gpu)
        self.model = model
        self.settings = settings
        self.cgroup = Cgroup(self, memory, cores)
        self.router: Router | None = None
        self.engine: Engine | None = None
        self._blocks = blocks
        self._compiled = False
        self._ttft_sum = self._e2e_sum = 0.0
        self._ttft_count = self._succeeded = 0

    @property
    def gpu(self) -> Gpu:
        """The GPU it runs on."""
        assert isinstance(self.place, Gpu)
        return self.place

    @property
    def node(self) -> Node:
        """The node of that GPU."""
        node = self.gpu.place
        assert isinstance(node, Node)
        return node

    # --- requests ---------------------------------------------------------------------------------------------

    @property
    def ongoing(self) -> int:
        """Requests in the engine."""
        return len(self.engine.running) + len(self.engine.waiting) if self.engine else 0

    def submit(self, request: Request) -> None:
        """Take a request from the router."""
        assert self.engine is not None
        request.replica = self.name
        request.dispatched = self.world.now
        self.engine.submit(request)

    def on_first_token(self, request: Request) -> None:
        """The engine's first token goes back the way the request came."""
        self._ttft_sum += self.world.now - request.dispatched
        self._ttft_count += 1
        assert self.router is not None
        self.router.on_first_token(request)

    def on_finished(self, request: Request) -> None:
        """The last token is out."""
        self._e2e_sum += self.world.now - request.dispatched
        self._succeeded += 1
        self._trace(request, 200)
        assert self.router is not None
        self.router.on_finished(request)

    def _trace(self, request: Request, status: int) -> None:
        if self.world.spec.telemetry.tracing == "off":
            return
        ids = self.world.streams["trace"]
        trace = ids.hexadecimal(32, request.id)
        parent, span = ids.hexadecimal(16, request.id, "serve"), ids.hexadecimal(16, request.id, "replica")
        duration = self.world.now - request.dispatched
        self.world.recorder.span(
            Span(trace, span, parent, self.name, "llm_request", request.dispatched, duration, status)
        )

    # --- the host under it ------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return super().up and not self.gpu.off_bus

    @property
    def resident_memory(self) -> float:
        return POD_MEMORY + self.cgroup.stress_memory

    @property
    def runnable_threads(self) -> float:
        return (1.2 if self.engine and self.engine.busy else 0.1) + self.value("cpu_stress")

    def slowdown(self) -> float:
        """How many times longer its host work takes than alone on an idle node."""
        return self.cgroup.slowdown * self.node.slowdown

    def can_live(self) -> bool:
        return super().can_live() and not self.gpu.off_bus

    def place_changed(self) -> None:
        if self.gpu.off_bus:
            self.die("CUDA error")
        elif self.engine is not None:
            self.engine.mechanics_changed()

    def conditions_changed(self) -> None:
        super().conditions_changed()
        self.cgroup.conditions_changed()
        if self.engine is not None:
            self.engine.mechanics_changed()

    # --- life -------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        self._compiled = True
        super().boot()

    def startup(self) -> Generator[Any, Any, bool]:
        """Import, find the GPU, load weights, profile and warm up; a new container compiles again."""
        clock, host = self.world.clock, self.slowdown()
        yield clock.timeout(IMPORT_SECONDS * host)
        self.log(vllm.INIT, self.model.served_name, self.settings.max_model_len)
        if self.gpu.off_bus:
            self.log(vllm.NO_GPU)
            return False
        loading = self.model.weight_bytes / WEIGHT_LOAD_BYTES_PER_SECOND * host
        yield clock.timeout(loading)
        if self.gpu.off_bus:
            return self._lost_gpu()
        self.log(vllm.WEIGHTS, loading)
        self.gpu.memory_used = self.gpu.model.memory * self.settings.gpu_memory_utilization
        tokens = self._blocks * BLOCK_TOKENS
        limit = self.settings.max_model_len
        self.log(vllm.KV_CACHE, tokens, limit, tokens / limit)
        compilation = 0.0 if self._compiled else COMPILE_SECONDS * host
        yield clock.timeout(WARMUP_SECONDS * host + compilation)
        if self.gpu.off_bus:
            return self._lost_gpu()
        self._compiled = True
        self.log(vllm.INIT_TOOK, WARMUP_SECONDS * host + compilation, compilation)
        return True

    def _lost_gpu(self) -> bool:
        self.log(vllm.CUDA_ERROR)
        self.log(vllm.FATAL)
        return False

    def renew(self, layers: frozenset[Layer], by: str) -> list[Condition]:
        if Layer.CONTAINER in layers:
            self._compiled = False
        return super().renew(layers, by)

    def on_running(self) -> None:
        self.gpu.memory_used = self.gpu.model.memory * self.settings.gpu_memory_utilization
        self.engine = Engine(
            self.world.clock,
            self.gpu,
            self.model,
            self._blocks,
            self.settings.max_num_seqs,
            self.settings.max_num_batched_tokens,
            self.slowdown,
            self,
        )
        self._ttft_sum = self._e2e_sum = 0.0
        self._ttft_count = self._succeeded = 0
        self._log_stats_later(self.pid, 0, 0)
        if self.router is not None:
            self.router.replica_up(self)

    def on_death(self, reason: str) -> None:
        if self.engine is None:
            pass  # died in its start-up, which has said why
        elif reason == "CUDA error":
            self.log(vllm.CUDA_ERROR)
            self.log(vllm.FATAL)
            self.log(vllm.OUTPUT_HANDLER)
        else:
            self.log(vllm.WORKER_DIED, "VllmWorker-0", -9 if reason == "oom" else 1)
            self.log(vllm.OUTPUT_HANDLER)
        container = self.world.streams["container"].hexadecimal(64, self.name, self.pid)
        self.node.log(kubelet.CONTAINER_DIED, 0, self.name, container[:36], container)

    def on_down(self, reason: str) -> None:
        self.gpu.memory_used = 0.0
        self.gpu.running = 0
        lost: list[Request] = []
        if self.engine is not None:
            lost = self.engine.stop()
            self.engine = None
        for request in lost:
            self.log(vllm.REQUEST_FAILED, self.world.streams["request"].hexadecimal(8, request.id))
            self._trace(request, 500)
        if reason in CATEGORIES:
            self.log(vllm.SHUTDOWN)
        if self.router is not None:
            self.router.replica_down(self, lost, crashed=reason not in CATEGORIES)

    def restart_delay(self) -> float | None:
        delay = crash_loop_delay(self.deaths)
        if delay > 0:
            self.node.log(kubelet.BACK_OFF, 0, int(delay), self.name, self.name)
        return delay

    def busy(self) -> bool:
        return self.ongoing > 0

    def settle(self) -> None:
        if self.engine is not None:
            self.engine.settle()

    def sample(self) -> Sequence[float]:
        engine = self.engine
        assert engine is not None
        engine.settle()
        self.gpu.running = len(engine.running)
        return (
            len(engine.running),
            len(engine.waiting),
            engine.kv_usage,
            engine.preemptions,
            engine.prompt_tokens,
            engine.generation_tokens,
            self._succeeded,
            self._ttft_sum,
            self._ttft_count,
            self._e2e_sum,
            self.resident_memory,
        )

    def _log_stats_later(self, pid: int, prompt: int, generation: int) -> None:
        """vLLM's periodic line; at DEBUG, so not printed, when idle."""

        def log(_: object) -> None:
            engine = self.engine
            if engine is None or self.pid != pid:
                return
            engine.settle()
            rates = [
                (engine.prompt_tokens - prompt) / STATS_INTERVAL,
                (engine.generation_tokens - generation) / STATS_INTERVAL,
            ]
            if any(rates) or engine.busy:
                preempted = f"Preemptions: {engine.preemptions}, " if engine.preemptions else ""
                counts = (len(engine.running), len(engine.waiting), preempted)
                self.log(vllm.STATS, *rates, *counts, 100.0 * engine.kv_usage)
            self._log_stats_later(pid, engine.prompt_tokens, engine.generation_tokens)

        self.world.clock.at(self.world.now + STATS_INTERVAL, log)
