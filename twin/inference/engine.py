"""The vLLM V1 engine core: continuous batching over a paged KV cache, step by step in simulated time.

Each step gives every request the tokens it lacks (`length - computed`), running requests first and in order, then
waiting ones, within a token budget. There is no prefill phase and no decode phase. When no block is free the last
running request is preempted: its blocks are freed and it starts from zero at the front of the waiting queue.

While all that happens is decoding, the engine looks ahead to the first step at which a request ends or a block would
be missing and schedules that moment; an arrival or a condition cuts the stretch at the end of the step in progress.
The times of the steps are the same ordered sums either way (``skip_ahead=False`` shows it).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twin.inference.request import Request
from twin.mechanics.engine_step import BLOCK_TOKENS, StepCost, host_seconds, step_cost
from twin.mechanics.gpu_power import DECODE_ACTIVITY, PREFILL_ACTIVITY
from twin.mechanics.hardware import Model

if TYPE_CHECKING:
    from twin.clock import Clock
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
    """One engine core on one GPU. Blocks are counted: `free_blocks` plus those held by requests is `blocks`."""

    def __init__(
        self,
        clock: Clock,
        gpu: Gpu,
        model: Model,
        blocks: int,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        slowdown: Callable[[], float],
        listener: Listener,
        skip_ahead: bool = True,
    ) -> None:
        self.clock = clock
        self.gpu = gpu
        self.model = model
        self.blocks = self.free_blocks = blocks
        self.max_num_seqs = max_num_seqs
        self.max_num_batched_tokens = max_num_batched_tokens
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()
        self.preemptions = self.prompt_tokens = self.generation_tokens = self.steps = 0
        self._slowdown = slowdown
        self._listener = listener
        self._skip_ahead = skip_ahead
        self._costs: dict[float, tuple[float, StepCost]] = {}
        """By activity: the clock ratio that the coefficients are for, and the coefficients."""
        self._plan: list[tuple[Request, int]] = []
        self._ends: list[float] = []
        """Ends of the steps in progress: one, or those of a stretch of decoding."""
        self._gpu_seconds: list[float] = []
        self._settled = 0
        self._activity = DECODE_ACTIVITY
        self._stopped = self._finishing = False

    # --- from outside -----------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether any request is in the engine."""
        return bool(self.running or self.waiting)

    @property
    def kv_usage(self) -> float:
        """Share of KV blocks in use."""
        return 1.0 - self.free_blocks / self.blocks

    def submit(self, request: Request) -> None:
        """A request arrives; it can join at the end of the step in progress."""
        self.waiting.append(request)
        if self._ends:
            self._cut()
        elif not self._finishing:
            self._begin()

    def abort(self, request: Request) -> None:
        """The client of a request went away."""
        self.settle()
        if request in self.waiting:
            self.waiting.remove(request)
        elif request in self.running:
            self._cut()
            self.running.remove(request)
            self._plan = [(r, n) for r, n in self._plan if r is not request]
            self._free(request)
        if not self._ends and not self._finishing:
            self._begin()  # it may have been what the others could not pass

    def mechanics_changed(self) -> None:
        """The GPU or the host became faster or slower: from the next step on."""
        self.settle()
        if self._ends:
            self._cut()

    def stop(self) -> list[Request]:
        """The process is gone; returns the requests that go with it."""
        self.settle()
        self._stopped = True
        lost = [*self.running, *self.waiting]
        self.running, self._ends = [], []
        self.waiting.clear()
        return lost

    def settle(self) -> None:
        """Account for the steps that have ended by now."""
        done = bisect_left(self._ends, self.clock.now)
        if done < len(self._ends) and self._ends[done] == self.clock.now:
            done += 1
        # The last step of a plan is accounted for by its own event.
        self._account(min(done, len(self._ends) - 1) if self._ends else 0)

    # --- a step, or a stretch of them -------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._stopped:
            return
        plan, decode_only, preempted = self._schedule()
        self._plan = plan
        self._settled = 0
        if not plan:
            self._ends = []
            return
        slowdown = self._slowdown()
        if decode_only:
            self._plan_decoding(slowdown, preempted)
        else:
            self._plan_step(slowdown)
        ends = self._ends
        self.clock.at(ends[-1], lambda _: self._finish(ends))

    def _plan_step(self, slowdown: float) -> None:
        tokens = kv_tokens = 0
        pairs = 0.0
        for request, n in self._plan:
            tokens += n
            if n == 1:
                kv_tokens += request.computed
            else:
                pairs += n * (request.computed + n / 2.0)
        self._activity = PREFILL_ACTIVITY
        gpu_seconds = self._cost(PREFILL_ACTIVITY).gpu_seconds(tokens, kv_tokens, pairs)
        host = host_seconds(len(self._plan), slowdown)
        self._ends = [self.clock.now + max(gpu_seconds, host)]
        self._gpu_seconds = [gpu_seconds]

    def _plan_decoding(self, slowdown: float, preempted: bool) -> None:
        batch = len(self._plan)
        self._activity = DECODE_ACTIVITY
        cost = self._cost(DECODE_ACTIVITY)
        host = host_seconds(batch, slowdown)
        kv_tokens = sum(request.computed for request, _ in self._plan)
        steps = 1 if preempted or not self._skip_ahead else self._steps_without_event()
        matrix = max(cost.weights, cost.compute_per_token * batch)
        per_token = cost.kv_per_token
        end = self.clock.now
        ends, gpu_times = [], []
        for _ in range(steps):
            gpu_seconds = matrix + per_token * kv_tokens
            end += gpu_seconds if gpu_seconds > host else host
            ends.append(end)
            gpu_times.append(gpu_seconds)
            kv_tokens += batch
        self._ends, self._gpu_seconds = ends, gpu_times

    def _steps_without_event(self) -> int:
        """Steps up to and with the first at which a request ends; fewer where blocks would run out before."""
        if self.waiting and len(self.running) < self.max_num_seqs and self._fits(self.waiting[0]):
            return 1
        steps = min(LONGEST_STRETCH, min(request.remaining for request, _ in self._plan))
        while steps > 1 and self._blocks_for(steps) > self.free_blocks:
            steps //= 2
        return max(1, steps)

    def _blocks_for(self, steps: int) -> int:
        """Blocks beyond those already held that the plan needs for that many steps."""
        return sum(max(0, _blocks(request.computed + steps) - request.blocks) for request, _ in self._plan)

    def _cut(self) -> None:
        """End the stretch with the step in progress."""
        if len(self._ends) - self._settled <= 1:
            return
        self.settle()
        keep = bisect_left(self._ends, self.clock.now) + 1
        if keep < len(self._ends):
            self._ends = ends = self._ends[:keep]
            self.clock.at(ends[-1], lambda _: self._finish(ends))

    def _finish(self, ends: list[float]) -> None:
        if self._stopped or ends is not self._ends:
            return  # this stretch was cut, or the process is gone
        self._finishing = True  # who is submitted meanwhile joins the next step
        self._account(len(ends))
        finished = [request for request, _ in self._plan if request.remaining <= 0]
        self._plan, self._ends = [], []
        for request in finished:
            self.running.remove(request)
            self._free(request)
            self._listener.on_finished(request)
        self._finishing = False
        self._begin()

    def _account(self, done: int) -> None:
        """Count the plan's steps up to number `done`."""
        steps = done - self._settled
        if steps <= 0:
            return
        self.gpu.ran(sum(self._gpu_seconds[self._settled : done]), self._activity)
        self._settled = done
        self.steps += steps
        next_token = 1 if done < len(self._ends) else 0  # the step in progress holds the slot it writes
        first_tokens = []
        for request, n in self._plan:
            samples = request.computed + n == request.length
            self.prompt_tokens += min(n, max(0, request.prompt - request.computed))
            request.computed += n * steps
            if samples:
                request.generated += steps
                self.generation_tokens += steps
                if request.first_token is None:
                    first_tokens.append(request)
            self._hold(request, _blocks(request.computed + next_token))
        for request in first_tokens:
            request.first_token = self.clock.now
            self._listener.on_first_token(request)

    # --- scheduling -------------------------------------------------------------------------------------------

    def _schedule(self) -> tuple[list[tuple[Request, int]], bool, bool]:
        """The next step: (request, tokens) pairs, whether all only decode, and whether anyone was preempted."""
        plan: list[tuple[Request, int]] = []
        budget = self.max_num_batched_tokens
        decode_only, preempted = True, False
        while len(plan) < len(self.running) and budget > 0:
            request = self.running[len(plan)]
            n = min(request.length - request.computed, budget)
            while not self._allocate(request, n):
                preempted = True
                if self._preempt_last() is request:
                    break
            else:
                plan.append((request, n))
                budget -= n
                decode_only = decode_only and n == 1 and request.first_token is not None
                continue
            break
        if not preempted:  # a step that preempts admits nobody
            while self.waiting and len(self.running) < self.max_num_seqs and budget > 0:
                request = self.waiting[0]
                if not self._fits(request):
                    break
                n = min(request.length, budget)
                self._allocate(request, n)
                self.running.append(self.waiting.popleft())
                plan.append((request, n))
                budget -= n
                decode_only = False
        return plan, decode_only, preempted

    def _fits(self, request: Request) -> bool:
        """Whether blocks for the whole request as it is are free (vLLM's scheduler_reserve_full_isl)."""
        return _blocks(request.length) <= self.free_blocks

    def _allocate(self, request: Request, tokens: int) -> bool:
        needed = _blocks(request.computed + tokens)
        if needed - request.blocks > self.free_blocks:
            return False
        self._hold(request, needed)
        return True

    def _hold(self, request: Request, blocks: int) -> None:
        if blocks > request.blocks:
            self.free_blocks -= blocks - request.blocks
            request.blocks = blocks

    def _free(self, request: Request) -> None:
        self.free_blocks += request.blocks
        request.blocks = 0

    def _preempt_last(self) -> Request:
        victim = self.running.pop()
        self._free(victim)
        victim.computed = 0
        victim.preemptions += 1
        self.preemptions += 1
        self.waiting.appendleft(victim)
        return victim

    def _cost(self, activity: float) -> StepCost:
        clock = self.gpu.clock(activity)
        known = self._costs.get(activity)
        if known is None or known[0] != clock:
            known = self._costs[activity] = (clock, step_cost(self.gpu.model, self.model, clock))
        return known[1]


def _blocks(tokens: int) -> int:
    return -(-tokens // BLOCK_TOKENS)
