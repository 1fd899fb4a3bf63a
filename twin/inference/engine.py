"""The vLLM V1 engine core: continuous batching over a paged KV cache, step by step in simulated time.

Each step gives every request the tokens it lacks (`length - computed`), running requests first and in order, then
waiting ones, within a token budget. There is no prefill phase and no decode phase. When no block is free the last
running request is preempted: its blocks are freed and it starts from zero at the front of the waiting queue.

Requests that only decode are counted, not visited (`twin.inference.decoding`): a step of 128 of them costs as much as
one of four. Three ways to plan a step, from the common to the exact:

    decoding   nobody else is there; looks ahead to the first step at which a request ends or a block would be missing,
               and schedules that moment. An arrival or a condition cuts the stretch at the end of the step in progress
    mixed      prompts are computed beside the decoding requests
    exact      request by request, as vLLM's scheduler: where blocks or the budget do not reach for all

The times of steps are the same ordered sums in either mode (``skip_ahead=False`` plans one step at a time).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from twin.inference.decoding import Decoding
from twin.inference.kv_cache import KvCache, blocks_of
from twin.inference.request import Request
from twin.inference.step_times import StepTimes, stretch
from twin.mechanics.engine_step import BLOCK_TOKENS, host_seconds
from twin.mechanics.gpu_power import DECODE_ACTIVITY, PREFILL_ACTIVITY
from twin.mechanics.hardware import Model

if TYPE_CHECKING:
    from twin.clock import Clock
    from twin.inference.engine_stats import EngineStats
    from twin.inference.gpu import Gpu

LONGEST_STRETCH = 512
"""Decode steps planned at once at most."""


class Listener(Protocol):
    """Who hears what the engine produced."""

    def on_first_token(self, request: Request) -> None:
        """The first token of a request is out."""

    def on_finished(self, request: Request) -> None:
        """A request has all its tokens."""


class Engine:
    """One engine core on one GPU, or on several of one node that share every layer (tensor parallelism)."""

    def __init__(
        self,
        clock: Clock,
        gpus: Sequence[Gpu],
        model: Model,
        blocks: int,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        slowdown: Callable[[], float],
        listener: Listener,
        stats: EngineStats | None = None,
        prefix_caching: bool = True,
        skip_ahead: bool = True,
    ) -> None:
        self.clock = clock
        self.gpus = tuple(gpus)
        self.model = model
        self.cache = KvCache(blocks, prefix_caching)
        self.max_num_seqs = max_num_seqs
        self.max_num_batched_tokens = max_num_batched_tokens
        self.waiting: deque[Request] = deque()
        self.steps = self.preemptions = self.prompt_tokens = self.generation_tokens = 0
        self._slowdown = slowdown
        self._listener = listener
        self._stats = stats
        self.skip_ahead = skip_ahead
        self._step_times = StepTimes(self.gpus, model)

        self._running: dict[int, Request] = {}
        """By running order: those that decode, and those whose prompt is being computed."""
        self._order = 0
        self._prefilling: dict[int, Request] = {}
        self._decoding = Decoding(self._running)

        self._chunks: list[tuple[Request, int]] = []
        """Requests that the step in progress serves one by one, with their tokens."""
        self._ends: list[float] = []
        """Ends of the steps in progress: one, or those of a stretch of decoding."""
        self._began = 0.0
        self._durations: list[float] = []
        self._gpu_seconds: list[float] = []
        self._settled = 0
        """Steps of the plan that are accounted for."""
        self._activity = DECODE_ACTIVITY
        self._aborted: list[Request] = []
        self._stopped = self._reporting = False
        self._frozen_at: float | None = None
        self._waited = 0
        """Requests that waited when the step that hangs began to."""
        self._spinning_since: float | None = None

    # --- from outside -----------------------------------------------------------------------------------------

    @property
    def ranks(self) -> tuple[Engine, ...]:
        """The engine cores behind its server: itself (see `DataParallel`)."""
        return (self,)

    @property
    def busy(self) -> bool:
        """Whether any request is in the engine."""
        return bool(self._running or self.waiting)

    @property
    def running(self) -> int:
        """Requests in the running batch."""
        return len(self._running)

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return len(self.waiting)

    @property
    def queued_as_told(self) -> int:
        """Requests that wait, as the core last told its server: at the end of a step, so not while one hangs."""
        return len(self.waiting) if self._frozen_at is None else self._waited

    @property
    def kv_usage(self) -> float:
        """Share of KV blocks in use."""
        return 1.0 - self.cache.free / self.cache.blocks

    @property
    def frozen(self) -> bool:
        """Whether the step in progress hangs."""
        return self._frozen_at is not None

    @property
    def progressed(self) -> float:
        """When tokens last came out: just now, unless it hangs (seconds)."""
        return self.clock.now if self._frozen_at is None else self._frozen_at

    def submit(self, request: Request) -> None:
        """A request arrives; it can join at the end of the step in progress."""
        request.queued = self.clock.now
        self.waiting.append(request)
        if self._ends:
            self._cut()
        elif not self._reporting:
            self._begin()

    def abort(self, request: Request) -> None:
        """The client of a request went away; its blocks are free after the step in progress."""
        request.aborted = True
        if request in self.waiting:
            self.waiting.remove(request)
        elif request.order in self._running and self._running[request.order] is request:
            self._aborted.append(request)
            self.settle()
            self._cut()
        if not self._ends and not self._reporting:
            self._begin()  # it may have been what the others could not pass

    def mechanics_changed(self) -> None:
        """The GPU or the host became faster or slower: from the next step on."""
        self.settle()
        if self._ends:
            self._cut()

    def freeze(self, spinning: bool = False) -> None:
        """The step in progress, or the next one, does not end; `spinning`, its kernels stay on the GPUs meanwhile."""
        if self._frozen_at is None:
            self.settle()
            self._cut()
            self._frozen_at = self.clock.now
            self._waited = len(self.waiting)
            self._spinning_since = self.clock.now if spinning else None

    def thaw(self) -> None:
        """The step that hung goes on."""
        if self._frozen_at is None:
            return
        self.settle()
        hung = self.clock.now - self._frozen_at
        self._frozen_at = self._spinning_since = None
        if self._ends:
            last = len(self._ends) - 1  # of what is left of the plan: it may have been cut
            self._durations, self._gpu_seconds = [self._durations[last] + hung], [self._gpu_seconds[last]]
            self._ends = [self._ends[-1] + hung]
            self._settled = 0
            self._schedule_end()
        elif not self._reporting:
            self._begin()

    def stop(self) -> list[Request]:
        """The process is gone; returns the requests that go with it."""
        self.settle()
        self._stopped = True
        self._dissolve()
        lost = [r for r in (*self._running.values(), *self.waiting) if not r.aborted]
        self._running.clear()
        self._prefilling, self._ends = {}, []
        self.waiting.clear()
        return lost

    def settle(self) -> None:
        """Account for the steps that have ended by now."""
        if self._spinning_since is not None:
            if self.busy:
                for gpu in self.gpus:
                    gpu.ran(self.clock.now - self._spinning_since, DECODE_ACTIVITY)
            self._spinning_since = self.clock.now
        if self._frozen_at is None and len(self._ends) > 1:
            # The last step of a plan is accounted for by its own event.
            done = min(bisect_left(self._ends, self.clock.now), len(self._ends) - 1)
            if done < len(self._ends) - 1 and self._ends[done] == self.clock.now:
                done += 1
            self._account(done)

    # --- planning ---------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._stopped or self._frozen_at is not None:
            return
        if self._aborted:
            self._drop_aborted()
        self._ends, self._settled, self._began = [], 0, self.clock.now
        if self._prefilling or self._may_admit():
            self._plan_mixed()
        elif self._decoding.size:
            steps = self._steps_without_event()
            if steps:
                self._plan_decoding(steps)
            else:
                self._plan_exactly()
        if self._ends:
            self._schedule_end()

    def _schedule_end(self) -> None:
        ends = self._ends
        self.clock.at(ends[-1], lambda _: self._finish(ends))

    def _may_admit(self) -> bool:
        if (
            not self.waiting
            or len(self._running) >= self.max_num_seqs
            or self._decoding.size >= self.max_num_batched_tokens
        ):
            return False
        request = self.waiting[0]
        return self.cache.fits(request, *self.cache.hit(request))

    def _steps_without_event(self) -> int:
        """Steps up to and with the first at which a request ends, or up to the first for which blocks are missing."""
        if self._decoding.size > self.max_num_batched_tokens:
            return 0
        wanted = min(LONGEST_STRETCH, self._decoding.next_end() - self.steps) if self.skip_ahead else 1
        return self._decoding.steps_within(self.cache.free, self.steps, wanted)

    def _plan_decoding(self, steps: int) -> None:
        batch, context = self._decoding.size, self._decoding.context
        self._activity = DECODE_ACTIVITY
        cost = self._step_times.at(DECODE_ACTIVITY)
        host = host_seconds(batch, self._slowdown())
        self._take_blocks(self.steps, 1)
        self._gpu_seconds, self._durations, self._ends = stretch(
            self._began, steps, cost.fixed(batch, batch), cost.step.kv_per_token, context, batch, host
        )

    def _plan_mixed(self) -> None:
        """Chunks of prompts beside the decoding requests. Exactly, where something does not reach for all."""
        decoding = self._decoding
        budget = self.max_num_batched_tokens - decoding.size
        missing = decoding.blocks(self.steps, 1)
        chunks: list[tuple[Request, int]] = []
        for request in self._prefilling.values():
            if request.order < decoding.newest or budget < 0:
                return self._plan_exactly()
            n = min(request.length - request.computed, budget)
            if n == 0:
                break
            missing += blocks_of(request.computed + n) - blocks_of(request.computed)
            chunks.append((request, n))
            budget -= n
        if missing > self.cache.free or budget < 0:
            return self._plan_exactly()
        self._take_blocks(self.steps, 1)
        for request, n in chunks:
            self.cache.grow(request, request.computed + n)
        self._chunks = chunks
        self._admit(budget)
        self._plan_step(decoding.size, decoding.context)
        return None

    def _admit(self, budget: int) -> None:
        """Waiting requests join, in order, as long as there is room and blocks for the whole of each."""
        while self.waiting and len(self._running) < self.max_num_seqs and budget > 0:
            request = self.waiting[0]
            holds, found = self.cache.hit(request)
            if not self.cache.fits(request, holds, found):
                break
            self.waiting.popleft()
            self.cache.reuse(request, holds)
            request.computed = found * BLOCK_TOKENS
            if request.scheduled is None:
                request.scheduled = self.clock.now
                request.cached = min(request.computed, request.prompt)
                if self._stats is not None and self.cache.caching:
                    self._stats.looked_up(request.length, request.computed)
            n = min(request.length - request.computed, budget)
            self.cache.grow(request, request.computed + n)
            self._order += 1
            request.order = self._order
            self._running[request.order] = self._prefilling[request.order] = request
            self._chunks.append((request, n))
            budget -= n

    def _plan_exactly(self) -> None:
        """One step, request by request: who is last gives way where blocks are missing."""
        self._dissolve()
        chunks: list[tuple[Request, int]] = []
        budget, preempted = self.max_num_batched_tokens, False
        for request in list(self._running.values()):
            if budget == 0 or request.order not in self._running:
                break
            n = min(request.length - request.computed, budget)
            while not self.cache.grow(request, request.computed + n):
                preempted = True
                if self._preempt_last() is request:
                    break
            else:
                chunks.append((request, n))
                budget -= n
                continue
            break
        self._chunks = chunks
        if not preempted or not chunks:  # a step that preempts admits nobody; one that leaves nobody is no step
            self._admit(budget)
        if self._chunks:
            self._plan_step(0, 0)

    def _plan_step(self, decoding: int, context: int) -> None:
        """The time of a step of the chunks and that many decoding requests with that context."""
        tokens = sequences = decoding
        pairs = 0.0
        for request, n in self._chunks:
            tokens += n
            if n == 1:
                context += request.computed
            else:
                pairs += n * (request.computed + n / 2.0)
            sequences += request.computed + n == request.length
        self._activity = PREFILL_ACTIVITY if pairs else DECODE_ACTIVITY
        cost = self._step_times.at(self._activity)
        per_token = cost.step.mixed_kv_per_token if pairs else cost.step.kv_per_token
        gpu_seconds = cost.fixed(tokens, sequences) + per_token * context
        gpu_seconds += cost.step.attention_per_pair * pairs
        host = host_seconds(decoding + len(self._chunks), self._slowdown())
        duration = max(gpu_seconds, host)
        self._gpu_seconds, self._durations, self._ends = [gpu_seconds], [duration], [self._began + duration]

    def _cut(self) -> None:
        """End the stretch with the step in progress."""
        if len(self._ends) - self._settled <= 1:
            return
        self.settle()
        keep = self._settled + 1
        if keep < len(self._ends):
            self._ends = self._ends[:keep]
            self._schedule_end()

    def _preempt_last(self) -> Request:
        order, victim = next(reversed(self._running.items()))
        del self._running[order]
        self._prefilling.pop(order, None)
        self.cache.release(victim)
        victim.computed = 0
        victim.preemptions += 1
        self.preemptions += 1
        self.waiting.appendleft(victim)
        return victim

    # --- the end of a step ------------------------------------------------------------------------------------

    def _finish(self, ends: list[float]) -> None:
        if self._stopped or ends is not self._ends or self._frozen_at is not None:
            return  # this plan was cut or hangs, or the process is gone
        self._reporting = True  # who is submitted meanwhile joins the next step
        self._account(len(ends))
        first, finished = self._account_chunks() if self._chunks else ([], [])
        for request in self._decoding.ended(self.steps):
            self._leave_decoding(request)
            finished.append(request)
        self._ends = []
        for request in first:
            if not request.aborted:
                self._listener.on_first_token(request)
        for request in finished:
            if self._running.pop(request.order, None) is not None:
                self._prefilling.pop(request.order, None)
                self.cache.release(request)
                if not request.aborted:
                    self._listener.on_finished(request)
        self._reporting = False
        self._begin()

    def _account(self, done: int) -> None:
        """Count the plan's steps up to number `done`."""
        already = self._settled
        steps = done - already
        if steps <= 0:
            return
        self._settled = done
        batch = self._decoding.size
        busy = self._gpu_seconds[already] if steps == 1 else sum(self._gpu_seconds[already:done])
        for gpu in self.gpus:
            gpu.ran(busy, self._activity)
        begun = 1 if done < len(self._ends) else 0  # the step in progress has its blocks
        if steps - 1 + begun:
            self._take_blocks(self.steps + 1, steps - 1 + begun)
        self.steps += steps
        self._decoding.context += batch * steps
        self.generation_tokens += batch * steps
        if self._stats is not None:
            tokens = batch + sum(n for _, n in self._chunks) if self._chunks else batch
            whole = steps == len(self._durations)
            self._stats.stepped(tokens, self._durations if whole else self._durations[already:done], batch)

    def _account_chunks(self) -> tuple[list[Request], list[Request]]:
        """Give the chunks of the step that ended their tokens; who has the first one, and who the last one."""
        first: list[Request] = []
        finished: list[Request] = []
        now = self.clock.now
        for request, n in self._chunks:
            request.computed += n
            if request.computed < request.length:
                continue
            request.generated += 1
            self.generation_tokens += 1
            if request.first_token is None:
                request.first_token = now
                self.prompt_tokens += request.prompt
                first.append(request)
            elif self._stats is not None and request.last_token is not None:
                self._stats.decoded(now - request.last_token)
            request.last_token = now
            if request.remaining <= 0:
                finished.append(request)
            else:
                self._join_decoding(request)
        self._chunks = []
        return first, finished

    # --- in and out of the decoding batch ---------------------------------------------------------------------

    def _join_decoding(self, request: Request) -> None:
        self._prefilling.pop(request.order, None)
        self._decoding.join(request, self.steps)

    def _leave_decoding(self, request: Request) -> None:
        """What the batch counted for a request since it joined becomes the request's own."""
        if self._decoding.leave(request, self.steps):
            request.last_token = self.clock.now
            self.cache.taken_for(request, request.computed)

    def _dissolve(self) -> None:
        """Nobody is counted with the others any more."""
        for request in self._running.values():
            if request.order not in self._prefilling:
                self._leave_decoding(request)
        self._prefilling = dict(self._running)
        self._decoding.forget_ends()

    def _drop_aborted(self) -> None:
        for request in self._aborted:
            if self._running.get(request.order) is request:
                if request.order not in self._prefilling:
                    self._leave_decoding(request)
                del self._running[request.order]
                self._prefilling.pop(request.order, None)
                self.cache.release(request)
        self._aborted.clear()

    def _take_blocks(self, first: int, steps: int) -> None:
        """Take the blocks that the decoding requests begin in `steps` steps from the one after `first` steps on."""
        count = self._decoding.blocks(first, steps)
        if count:
            self.cache.take(count)
