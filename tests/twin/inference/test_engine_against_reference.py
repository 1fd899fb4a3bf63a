"""The engine counts what it could visit. Here is one that visits everything, and they must agree to the last bit.

The reference keeps every block by itself, with the hash of its tokens and of all before them, and walks through all
requests in every step, as vLLM's scheduler does (vllm/v1/core/sched/scheduler.py, block_pool.py).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import Clock
from twin.inference import step_times
from twin.inference.engine import Engine
from twin.inference.engine_stats import EngineStats
from twin.inference.request import Prefix, Request
from twin.mechanics.engine_step import host_seconds

BLOCK = 16


class PlainCost:
    """Step times that show every mistake: they depend on tokens, sequences, context and pairs."""

    kv_per_token = 7.3e-7
    mixed_kv_per_token = 9.1e-7
    attention_per_pair = 3.1e-8

    def fixed(self, tokens: int, sequences: int) -> float:
        """Flat, then linear."""
        return max(0.0071, 4.9e-5 * tokens) + 1.3e-5 * sequences


COST = PlainCost()


@dataclass(frozen=True)
class Ask:
    """A request to come."""

    time: float
    prompt: int
    output: int
    prefix: Prefix = ()


@dataclass(eq=False)
class Plain:
    """A request in the reference."""

    id: int
    ask: Ask
    computed: int = 0
    generated: int = 0
    blocks: list[int] = field(default_factory=list)
    preemptions: int = 0
    cached: int | None = None
    scheduled: float | None = None
    first: float | None = None
    done: float | None = None

    @property
    def length(self) -> int:
        return self.ask.prompt + self.generated

    def block_hash(self, index: int) -> tuple[Any, ...]:
        """What a block holds, with all that is before it: each token by whom it is shared with."""
        end = (index + 1) * BLOCK
        tokens = []
        for position in range(end):
            owner = next(
                (who for who, upto in self.ask.prefix if position < min(upto, self.ask.prompt) // BLOCK * BLOCK),
                self.id,
            )
            tokens.append(owner)
        return tuple(tokens)


class Reference:
    """vLLM's scheduler, request by request and block by block."""

    def __init__(self, asks: list[Ask], blocks: int, seqs: int, budget: int, caching: bool) -> None:
        self.asks, self.seqs, self.budget, self.caching = deque(enumerate(asks)), seqs, budget, caching
        self.free: OrderedDict[int, None] = OrderedDict((b, None) for b in range(blocks))
        self.hash_of: dict[int, Any] = {}
        self.block_with: dict[Any, int] = {}
        self.users: dict[int, int] = {}
        self.running: list[Plain] = []
        self.waiting: deque[Plain] = deque()
        self.everyone: list[Plain] = []
        self.states: list[tuple[float, int, int, int]] = []
        """(from when on, running, waiting, free blocks)."""

    def run(self) -> None:
        now = 0.0
        while True:
            self._arrive(now)
            while not (plan := self._schedule(now)) and self.waiting:
                pass
            self.states.append((now, len(self.running), len(self.waiting), len(self.free)))
            if not plan:
                if not self.asks:
                    return
                now = self.asks[0][1].time
                continue
            tokens = sum(n for _, n in plan)
            sequences = sum(r.computed + n == r.length for r, n in plan)
            context = sum(r.computed for r, n in plan if n == 1)
            pairs = 0.0
            for r, n in plan:
                if n > 1:
                    pairs += n * (r.computed + n / 2.0)
            per_token = COST.mixed_kv_per_token if pairs else COST.kv_per_token
            gpu = COST.fixed(tokens, sequences) + per_token * context
            gpu += COST.attention_per_pair * pairs
            end = now + max(gpu, host_seconds(len(plan), 1.0))
            while self.asks and self.asks[0][1].time < end:
                moment = self.asks[0][1].time
                self._arrive(moment)
                self.states.append((moment, len(self.running), len(self.waiting), len(self.free)))
            now = end
            for r, n in plan:
                r.computed += n
                if r.computed < r.length:
                    continue
                r.generated += 1
                if r.first is None:
                    r.first = now
                if r.generated == r.ask.output:
                    r.done = now
                    self.running.remove(r)
                    self._release(r)

    def _arrive(self, now: float) -> None:
        while self.asks and self.asks[0][1].time <= now:
            r = Plain(*self.asks.popleft())
            self.waiting.append(r)
            self.everyone.append(r)

    def _schedule(self, now: float) -> list[tuple[Plain, int]]:
        plan: list[tuple[Plain, int]] = []
        budget, preempted = self.budget, False
        index = 0
        while index < len(self.running) and budget > 0:
            r = self.running[index]
            n = min(r.length - r.computed, budget)
            while not self._allocate(r, r.computed + n):
                preempted = True
                victim = self.running.pop()
                self._release(victim)
                victim.computed = 0
                victim.preemptions += 1
                self.waiting.appendleft(victim)
                if victim is r:
                    break
            else:
                plan.append((r, n))
                budget -= n
                index += 1
                continue
            break
        while not preempted and self.waiting and len(self.running) < self.seqs and budget > 0:
            r = self.waiting[0]
            hits: list[int] = []
            while self.caching and len(hits) < (r.length - 1) // BLOCK:
                block = self.block_with.get(r.block_hash(len(hits)))
                if block is None:
                    break
                hits.append(block)
            revived = sum(block in self.free for block in hits)
            if -(-r.length // BLOCK) - len(hits) + revived > len(self.free):
                break
            self.waiting.popleft()
            for block in hits:
                self.free.pop(block, None)
                self.users[block] = self.users.get(block, 0) + 1
            r.blocks = list(hits)
            r.computed = len(hits) * BLOCK
            if r.scheduled is None:
                r.scheduled = now
                r.cached = min(r.computed, r.ask.prompt)
            n = min(r.length - r.computed, budget)
            assert self._allocate(r, r.computed + n)
            self.running.append(r)
            plan.append((r, n))
            budget -= n
        return plan

    def _allocate(self, r: Plain, tokens: int) -> bool:
        needed = -(-tokens // BLOCK) - len(r.blocks)
        if needed > len(self.free):
            return False
        for _ in range(needed):
            block, _ = self.free.popitem(last=False)
            old = self.hash_of.pop(block, None)
            if old is not None:
                del self.block_with[old]
            self.users[block] = 1
            r.blocks.append(block)
        if self.caching:
            for index in range(tokens // BLOCK):
                if r.blocks[index] not in self.hash_of:
                    content = r.block_hash(index)
                    if content not in self.block_with:
                        self.block_with[content] = r.blocks[index]
                        self.hash_of[r.blocks[index]] = content
        return True

    def _release(self, r: Plain) -> None:
        for block in reversed(r.blocks):
            self.users[block] -= 1
            if not self.users[block]:
                self.free[block] = None
        r.blocks = []


class StillGpu:
    """A GPU whose clock nobody touches."""

    model = None
    bandwidth_share = link_share = 1.0

    def __init__(self) -> None:
        self.busy = 0.0

    def clock(self, activity: float) -> float:
        return 1.0

    def ran(self, seconds: float, activity: float) -> None:
        self.busy += seconds


class Ears:
    """Notes when requests end."""

    def __init__(self) -> None:
        self.done: dict[int, float] = {}

    def on_first_token(self, request: Request) -> None:
        assert request.first_token is not None

    def on_finished(self, request: Request) -> None:
        self.done[request.id] = self.clock.now

    clock: Clock


@dataclass
class Lived:
    """What a run of the engine gave."""

    engine: Engine
    requests: list[Request]
    done: dict[int, float]
    states: list[tuple[float, int, int, int]]
    stats: EngineStats


def live(
    asks: list[Ask], blocks: int, seqs: int, budget: int, caching: bool, skip_ahead: bool, moments: list[float]
) -> Lived:
    """Run the engine and look at it at some moments."""
    clock, ears, stats = Clock(), Ears(), EngineStats(8192)
    ears.clock = clock
    engine = Engine(
        clock,
        [StillGpu()],
        None,
        blocks,
        seqs,
        budget,
        lambda: 1.0,
        ears,
        stats,
        caching,
        skip_ahead,  # type: ignore
    )
    requests = [Request(i, a.time, a.prompt, a.output, a.prefix) for i, a in enumerate(asks)]
    states: list[tuple[float, int, int, int]] = []

    def look(_: object) -> None:
        engine.settle()
        states.append((clock.now, engine.running, len(engine.waiting), engine.cache.free))

    for request in requests:
        clock.at(request.arrived, lambda _, r=request: engine.submit(r))
    for moment in moments:
        clock.at(moment, look)
    clock.run()
    return Lived(engine, requests, ears.done, states, stats)


@pytest.fixture(autouse=True)
def plain_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_times, "step_cost", lambda *_: COST)


@st.composite
def loads(draw: st.DrawFn) -> tuple[list[Ask], int, int, int, bool]:
    """Requests that want more blocks than there are, often."""
    asks, time = [], 0.0
    for _ in range(draw(st.integers(1, 14))):
        time += draw(st.floats(0.001, 1.5)) * 1.0000001
        prompt, output = draw(st.integers(1, 220)), draw(st.integers(1, 90))
        prefix: Prefix = ()
        if draw(st.booleans()):
            shared = draw(st.integers(1, min(120, prompt)))
            prefix = ((f"group {draw(st.integers(0, 1))}", shared),)
        asks.append(Ask(time, prompt, output, prefix))
    longest = max(-(-(a.prompt + a.output) // BLOCK) for a in asks)
    blocks = draw(st.integers(longest + 1, longest + 40))
    return asks, blocks, draw(st.integers(1, 10)), draw(st.integers(2, 300)), draw(st.booleans())


@settings(max_examples=150, deadline=None)
@given(loads(), st.integers(0, 2**31))
def test_engine_and_reference_agree_on_every_request_and_every_moment(load: Any, seed: int) -> None:
    asks, blocks, seqs, budget, caching = load
    reference = Reference(asks, blocks, seqs, budget, caching)
    reference.run()
    end = max(r.done or 0.0 for r in reference.everyone)
    moments = sorted(((seed * 7919 + 104729 * k) % 999983) / 999983 * end for k in range(40))
    for skip_ahead in (False, True):
        lived = live(asks, blocks, seqs, budget, caching, skip_ahead, moments)
        for r, plain in zip(lived.requests, reference.everyone, strict=True):
            ours = (r.scheduled, r.first_token, lived.done.get(r.id), r.preemptions, r.cached)
            assert ours == (plain.scheduled, plain.first, plain.done, plain.preemptions, plain.cached)
        assert lived.engine.cache.free == blocks
        for moment, *seen in lived.states:
            there = [s for s in reference.states if s[0] <= moment][-1] if moment >= reference.states[0][0] else None
            assert there is None or tuple(seen) == there[1:], moment


@settings(max_examples=40, deadline=None)
@given(loads())
def test_both_modes_count_the_same_tokens_gaps_and_preemptions(load: Any) -> None:
    asks, blocks, seqs, budget, caching = load
    step, skip = (live(asks, blocks, seqs, budget, caching, mode, []) for mode in (False, True))
    assert step.engine.steps == skip.engine.steps
    assert step.engine.preemptions == skip.engine.preemptions
    assert step.engine.generation_tokens == skip.engine.generation_tokens == sum(a.output for a in asks)
    assert step.engine.prompt_tokens == sum(a.prompt for a in asks)
    assert step.stats.values(step.engine) == pytest.approx(skip.stats.values(skip.engine))
    gaps = sum(a.output - 1 for a in asks)
    assert step.stats.histograms["vllm:inter_token_latency_seconds"].count == gaps


def test_a_pool_smaller_than_the_demand_preempts_and_loses_nobody() -> None:
    asks = [Ask(0.05 * i + 1e-9 * i * i, 500, 200) for i in range(60)]
    lived = live(asks, 400, 64, 2048, True, True, [0.5 * k for k in range(1, 60)])
    assert lived.engine.preemptions > 5
    assert len(lived.done) == 60
    assert max(blocks for *_, blocks in lived.states) <= 400
    assert min(blocks for *_, blocks in lived.states) < 20  # the cache was full
