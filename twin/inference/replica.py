"""A replica: the pod with one vLLM engine in it, as kubelet and Ray Serve keep it."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twin.actions import CATEGORIES
from twin.components import Component
from twin.inference import engine_stats, ray_node, stats_line, tracing
from twin.inference.cgroup import ANSWER_BYTES_PER_TOKEN, IDLE_TRAFFIC, PROMPT_BYTES_PER_TOKEN, Cgroup
from twin.inference.data_parallel import DataParallel
from twin.inference.engine import Engine
from twin.inference.engine_stats import EngineStats
from twin.inference.gpu import Gpu
from twin.inference.hang import Hang
from twin.inference.kubelet import Worker
from twin.inference.leak import Leak
from twin.inference.messages import vllm
from twin.inference.ray_node import RayNode
from twin.inference.request import Request
from twin.inference.start_up import start_up
from twin.inference.store import ModelStore
from twin.inference.waypoint import Waypoint
from twin.mechanics.conditions import Condition
from twin.mechanics.engine_step import (
    BLOCK_TOKENS,
)
from twin.mechanics.gpu_link import exchanged_bytes
from twin.mechanics.hardware import Model
from twin.mechanics.layers import Layer
from twin.mechanics.supervision import RELIST, crash_loop_delay
from twin.mechanics.vllm import (
    NAN_SHARE,
    POD_MEMORY,
    corrupted_share,
)
from twin.process import KILLED, Process, State

if TYPE_CHECKING:
    from twin.inference.output_check import OutputCheck
    from twin.inference.router import Router
    from twin.scenario.schema import EngineSettings
    from twin.world import World


CORE_THREADS = 1.0
"""Threads of a working engine core that want a core: its loop, which spins while it waits for the GPU."""
ACTIVE_THREADS = 1.2
"""The same of all its programs: now and then the API server's as well (assumed)."""
IDLE_THREADS = 0.1


class Replica(Process):
    """A vLLM engine in its pod, on the GPUs of one node. A stressor of its container sits on layer CONTAINER."""

    kind = "vllm"
    program = "VLLM::EngineCor"
    metrics = (*engine_stats.metrics(8192), *Cgroup.metrics, *ray_node.metrics(1))

    def __init__(
        self,
        world: World,
        name: str,
        gpus: Sequence[Gpu],
        model: Model,
        blocks: int,
        settings: EngineSettings,
        memory: float,
        cores: int,
    ) -> None:
        self.gpus = tuple(gpus)
        super().__init__(world, name, self.gpus[0])
        for gpu in self.gpus[1:]:
            gpu.residents.append(self)
        self.model = model
        self.settings = settings
        self.cgroup = Cgroup(self, memory, cores)
        self._ray_node = RayNode(self)
        self.metrics = (*engine_stats.metrics(settings.max_model_len), *Cgroup.metrics, *self._ray_node.metrics)
        self.waypoint: Waypoint | None = None
        """Measures the requests on their way from the head; None where they do not leave the pod."""
        self.router: Router | None = None
        self.store: ModelStore | None = None
        self.engine: Engine | DataParallel | None = None
        self.stats: EngineStats | None = None
        self._blocks = blocks
        self.compiled = False
        """Whether its container has the compiled graphs."""
        self._rolled_out = (0.0, 0.0)
        self._hang, self._leak = Hang(self), Leak(self)

    @property
    def gpu(self) -> Gpu:
        """The GPU it runs on, the first where there are several."""
        return self.gpus[0]

    @property
    def node(self) -> Worker:
        """The node of its GPUs."""
        node = self.gpu.place
        assert isinstance(node, Worker)
        return node

    def join_mesh(self, caller: str) -> None:
        """From now on a waypoint measures the requests that come from `caller`."""
        self.waypoint = Waypoint(caller, self.name)
        self.metrics = (*self.metrics, self.waypoint.metric)

    def devices(self) -> Sequence[Component]:
        return self.gpus

    def exchange(self, other: Replica) -> None:
        """Change places with another replica."""
        mine, theirs = self.gpus, other.gpus
        for replica, gpus in ((self, theirs), (other, mine)):
            for gpu in replica.gpus:
                gpu.residents.remove(replica)
            replica.gpus, replica.place = gpus, gpus[0]
        for replica in (self, other):
            for gpu in replica.gpus:
                gpu.residents.append(replica)
            replica.surroundings_changed()
        self.world.topology_changed()

    # --- requests ---------------------------------------------------------------------------------------------

    @property
    def ongoing(self) -> int:
        """Requests in the engine."""
        return self.engine.running + self.engine.queued if self.engine else 0

    @property
    def healthy(self) -> bool:
        """Whether its health check passes: vLLM's answers as long as no error has been raised, in a hang too."""
        return self.up and self.engine is not None and not self.value("frozen")

    def submit(self, request: Request) -> None:
        """Take a request."""
        if self.engine is None and request.caller is not None:  # it died while the question was on its way
            self._tell_lost(request, request.caller)
            return
        assert self.engine is not None
        request.replica = self.name
        request.dispatched = self.world.now
        self.engine.submit(request)
        if self.engine.frozen:
            self._hang.await_step()

    def _tell_lost(self, request: Request, caller: OutputCheck) -> None:
        self.world.network.deliver(self, caller, lambda: caller.on_lost(request), (request.id, "lost"))

    def abort(self, request: Request) -> None:
        """The client of a request went away."""
        if self.engine is not None and request.replica == self.name and not request.aborted:
            self.engine.abort(request)
            if request.caller is None and self.router is not None:
                self.router.left(self, request, cancelled=True)

    def newest_token(self, request: Request) -> float:
        """When the newest token of a request came out (seconds)."""
        first = request.first_token if request.first_token is not None else request.dispatched
        if self.engine is None or request in self.engine.waiting:
            return request.last_token or first
        return max(first, self.engine.progressed)

    def on_first_token(self, request: Request) -> None:
        """The engine's first token goes back the way the request came."""
        if self.stats is not None:
            self.stats.first_token(request, self.world.now)
        caller = request.caller or self.router
        if caller is not None:
            self.world.network.deliver(self, caller, lambda: caller.on_first_token(request), (request.id, "first"))

    def on_finished(self, request: Request) -> None:
        """The last token is out."""
        self._check_output(request)
        if self.stats is not None:
            self.stats.finished(request, self.world.now, "stop")
        self._trace(request, 200)
        if request.caller is None and self.router is not None:
            self.router.left(self, request, cancelled=False)
        caller = request.caller or self.router
        if caller is not None:
            size = ANSWER_BYTES_PER_TOKEN * request.generated
            end = (request.id, "end")
            self.world.network.deliver(
                self, caller, lambda: caller.on_finished(request), end, size, request.first_token
            )

    def _check_output(self, request: Request) -> None:
        """Tokens that a GPU got wrong are in the answer; vLLM itself notices only NaN."""
        share = max(gpu.corruption for gpu in self.gpus)
        if share:
            draw = self.world.streams["corruption"]
            request.corrupted = draw.uniform(request.id) < corrupted_share(share, request.generated)
            if request.corrupted and self.stats is not None and draw.uniform(request.id, "nan") < NAN_SHARE:
                self.stats.corrupted += 1

    def _trace(self, request: Request, status: int) -> None:
        wanted = self.world.spec.telemetry.tracing
        if wanted == "off":
            return
        record = self.world.recorder.span
        if wanted == "engine":
            for span in tracing.phases(request, self.name, self.world.now, status):
                record(span)
        record(tracing.whole(request, self.name, self.world.now, status, wanted == "engine"))

    # --- the host under it ------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return super().up and not self.lost_a_gpu

    @property
    def lost_a_gpu(self) -> bool:
        """Whether one of its GPUs takes no context."""
        return not all(gpu.usable for gpu in self.gpus)

    @property
    def resident_memory(self) -> float:
        return POD_MEMORY + self._leak.bytes + self.cgroup.stress_memory

    most_threads = ACTIVE_THREADS

    @property
    def runnable_threads(self) -> float:
        return (ACTIVE_THREADS if self.engine and self.engine.busy else IDLE_THREADS) + self.value("cpu_stress")

    @property
    def looping_threads(self) -> float:
        """Of these, those whose CPU time does not go by the tokens."""
        return (CORE_THREADS if self.engine and self.engine.busy else IDLE_THREADS) + self.value("cpu_stress")

    @property
    def traffic(self) -> tuple[float, float]:
        if self.engine is None:
            return (0.0, 0.0)
        other = IDLE_TRAFFIC * (self.world.now - self.started_at)
        return (
            PROMPT_BYTES_PER_TOKEN * self.engine.prompt_tokens + other,
            ANSWER_BYTES_PER_TOKEN * self.engine.generation_tokens + other,
        )

    def slowdown(self) -> float:
        """How many times longer its host work takes than alone on an idle node."""
        return self.cgroup.slowdown * self.node.slowdown

    def can_live(self) -> bool:
        return super().can_live() and not self.lost_a_gpu

    def place_changed(self) -> None:
        if self.lost_a_gpu:
            self.die("CUDA error")
        elif self.engine is not None:
            self.engine.mechanics_changed()
            self._hang.look()

    def conditions_changed(self) -> None:
        super().conditions_changed()
        self.cgroup.conditions_changed()
        self._leak.look()
        self._look_for_rollout()
        if self.engine is not None:
            self.engine.mechanics_changed()
            self._hang.look()

    def _look_for_rollout(self) -> None:
        """Other settings come with a new pod: whoever rolls them out restarts it."""
        wanted = (self.value("max_num_seqs"), self.value("gpu_memory_utilization"))
        if wanted != self._rolled_out:
            self._rolled_out = wanted
            if self.state in (State.RUNNING, State.STARTING, State.DRAINING):
                self.stop("recreate")
                self.start()

    # --- life -------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        self.compiled = True
        super().boot()

    def startup(self) -> Generator[Any, Any, bool]:
        return (yield from start_up(self))

    @property
    def blocks(self) -> int:
        """KV blocks of the next engine."""
        if self.settings.kv_blocks:
            return self.settings.kv_blocks
        lost = self.settings.gpu_memory_utilization - self.memory_utilization
        per_block = self.model.kv_bytes_per_token * BLOCK_TOKENS / self.settings.tensor_parallel_size
        return max(0, int(self._blocks - lost * self.gpu.model.memory / per_block))

    @property
    def memory_utilization(self) -> float:
        """Share of its GPUs' memory that the next engine takes."""
        return self.value("gpu_memory_utilization") or self.settings.gpu_memory_utilization

    def allocate(self) -> None:
        """Take the GPUs' memory."""
        for gpu in self.gpus:
            gpu.memory_used = gpu.model.memory * self.memory_utilization

    def renew(self, layers: frozenset[Layer], by: str) -> list[Condition]:
        if Layer.CONTAINER in layers:
            self.compiled = False
        return super().renew(layers, by)

    def on_running(self) -> None:
        self.allocate()
        if self.world.spec.telemetry.mode != "off":
            self.stats = EngineStats(self.settings.max_model_len)
        size = self.settings.tensor_parallel_size
        ranks = [self._core(self.gpus[i : i + size]) for i in range(0, len(self.gpus), size)]
        self.engine = ranks[0] if len(ranks) == 1 else DataParallel(ranks)
        self._leak.forget()
        self._leak.look()
        self._hang.look()
        stats_line.print_later(self, self.pid)
        if self.router is not None:
            self.router.replica_up(self)

    def _core(self, gpus: Sequence[Gpu]) -> Engine:
        settings = self.settings
        return Engine(
            self.world.clock,
            gpus,
            self.model,
            self.blocks,
            int(self.value("max_num_seqs") or settings.max_num_seqs),
            settings.max_num_batched_tokens,
            self.slowdown,
            self,
            self.stats,
            settings.enable_prefix_caching and self.model.mamba is None,
        )

    def on_death(self, reason: str) -> None:
        if self.engine is None:
            pass  # died in its start-up, which has said why
        elif reason == KILLED:
            pass  # SIGKILL is not heard
        elif reason == "CUDA error":
            self.log(vllm.CUDA_ERROR)
            self.log(vllm.FATAL)
            self.log(vllm.OUTPUT_HANDLER)
        elif reason == "execute timeout":
            self.log(vllm.FATAL)
            self.log(vllm.OUTPUT_HANDLER)
        elif reason == "oom" or self.settings.tensor_parallel_size == 1:
            # A single GPU's worker is the engine core itself, and the core is also what the kernel kills.
            self.log(vllm.ENGINE_DIED, "EngineCore_DP0" if len(self.engine.ranks) > 1 else "EngineCore")
            self.log(vllm.OUTPUT_HANDLER)
        else:
            self.log(vllm.WORKER_DIED, "VllmWorker-0", 1)
            self.log(vllm.OUTPUT_HANDLER)
        self.node.kubelet.container_died(self)

    def on_down(self, reason: str) -> None:
        for gpu in self.gpus:
            gpu.memory_used = 0.0
        lost: list[Request] = []
        if self.engine is not None:
            lost = self.engine.stop()
            self.engine = self.stats = None
        for request in lost:
            self.log(vllm.REQUEST_FAILED, self.world.streams["request"].hexadecimal(8, request.id))
            self._trace(request, 500)
        if reason in CATEGORIES:
            self.log(vllm.SHUTDOWN)
        self._leak.forget()
        self._hang.forget()
        if self.node.up:  # a machine without power sends no word
            for request in lost:
                if request.caller is not None:
                    self._tell_lost(request, request.caller)
        if self.router is not None:
            asked = [request for request in lost if request.caller is None]
            self.router.replica_down(self, asked, crashed=reason not in CATEGORIES)

    def restart_delay(self) -> float | None:
        delay = crash_loop_delay(self.deaths)
        self.node.kubelet.back_off(self, delay)
        return max(delay, RELIST)

    def busy(self) -> bool:
        return self.ongoing > 0

    def settle(self) -> None:
        if self.engine is not None:
            self.engine.settle()

    # --- telemetry --------------------------------------------------------------------------------------------

    def sample(self) -> Sequence[float]:
        engine, stats = self.engine, self.stats
        assert engine is not None
        assert stats is not None
        engine.settle()
        per_token = exchanged_bytes(self.model, self.settings.tensor_parallel_size)
        for core in engine.ranks:
            for gpu in core.gpus:
                gpu.exchanged(core.prompt_tokens + core.generation_tokens, per_token)
        values = stats.values(engine)
        if self.value("frozen"):  # nor does its server answer; the container's own figures come from the kubelet
            values = [math.nan] * len(values)
        measured = self.waypoint.values() if self.waypoint is not None else ()
        return (*values, *self.cgroup.values(), *self._ray_node.values(), *measured)
