"""The engine against queueing theory, against itself step by step, and against its own conservation laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.clock import Clock
from twin.inference import step_times
from twin.inference.engine import Engine
from twin.inference.request import Request
from twin.scenario import hardware
from twin.streams import Streams

LLAMA = hardware.model("llama-3.1-8b")
STEP = 0.0035


class SameCost:
    """Every step takes the same time, whatever is in it."""

    kv_per_token = mixed_kv_per_token = attention_per_pair = 0.0

    def fixed(self, tokens: int, sequences: int) -> float:
        return STEP


class SteadyGpu:
    """A GPU at full clock that only adds up its busy time."""

    bandwidth_share = link_share = 1.0

    def __init__(self, model=None) -> None:
        self.model = model or hardware.gpu("a100-sxm-80gb")
        self.busy = 0.0

    def clock(self, activity: float) -> float:
        return 1.0

    def ran(self, seconds: float, activity: float) -> None:
        self.busy += seconds


class Log:
    """A listener that keeps what it hears."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.finished: list[tuple[int, float]] = []
        self.first: dict[int, float] = {}

    def on_first_token(self, request: Request) -> None:
        self.first[request.id] = self.clock.now

    def on_finished(self, request: Request) -> None:
        self.finished.append((request.id, self.clock.now))


def run(arrivals, *, blocks=100_000, seqs=128, budget=2048, model=LLAMA, skip_ahead=True, check=None):
    """Run (time, prompt, output) arrivals through one engine to the end; returns the log, the requests, the engine."""
    clock = Clock()
    log = Log(clock)
    gpu = SteadyGpu()
    engine = Engine(clock, [gpu], model, blocks, seqs, budget, lambda: 1.0, log, skip_ahead=skip_ahead)
    requests = [Request(i, t, p, o) for i, (t, p, o) in enumerate(arrivals)]
    for request in requests:
        clock.at(request.arrived, lambda _, request=request: engine.submit(request))
        if check:
            clock.at(request.arrived + 0.0317, lambda _: check(engine))
    clock.run()
    return log, requests, engine


def erlang_c_wait(arrival_rate: float, service_rate: float, servers: int) -> float:
    """Mean wait of M/M/c (Erlang 1917)."""
    load = arrival_rate / service_rate
    top = load**servers / math.factorial(servers) * servers / (servers - load)
    probability = top / (sum(load**k / math.factorial(k) for k in range(servers)) + top)
    return probability / (servers * service_rate - arrival_rate)


@pytest.mark.parametrize("servers", [1, 3])
def test_a_memory_bound_engine_is_an_mmc_queue(servers, monkeypatch):
    """Decoding is memory-bound: each of `max_num_seqs` slots serves a token a step, so geometric lengths make M/M/c."""
    monkeypatch.setattr(step_times, "step_cost", lambda *_: SameCost())
    streams = Streams(11)
    step = STEP
    mean_tokens, utilization = 200.0, 0.7
    service_rate = 1.0 / (mean_tokens * step)
    arrival_rate = utilization * servers * service_rate
    time, arrivals = 0.0, []
    for i in range(30_000):
        time += streams["gap"].exponential(1.0 / arrival_rate, i)
        tokens = 1 + int(math.log(1.0 - streams["length"].uniform(i)) / math.log(1.0 - 1.0 / mean_tokens))
        arrivals.append((time, 1, tokens))
    log, requests, _ = run(arrivals, seqs=servers)
    waits = [log.first[r.id] - r.arrived - step for r in requests[2000:]]
    expected = erlang_c_wait(arrival_rate, service_rate, servers)
    assert sum(waits) / len(waits) == pytest.approx(expected, rel=0.12)
    # Little's law: mean number in system = arrival rate x mean time in system, over the whole run.
    ended = dict(log.finished)
    in_system = [ended[r.id] - r.arrived for r in requests]
    horizon = max(ended.values())
    events = sorted([(r.arrived, 1) for r in requests] + [(t, -1) for t in ended.values()])
    area = number = last = 0.0
    for moment, change in events:
        area += number * (moment - last)
        number, last = number + change, moment
    assert area / horizon == pytest.approx(len(requests) / horizon * sum(in_system) / len(in_system), rel=1e-6)


arrival = st.tuples(st.floats(0, 3), st.integers(1, 700), st.integers(1, 120))


@settings(max_examples=40, deadline=None)
@given(st.lists(arrival, min_size=1, max_size=25), st.integers(52, 400), st.integers(1, 12), st.integers(16, 1024))
def test_looking_ahead_changes_no_request_by_a_single_bit(arrivals, blocks, seqs, budget):
    settings_ = {"blocks": blocks, "seqs": seqs, "budget": budget}
    ahead, requests, _ = run(arrivals, **settings_)
    slowly, by_step, _ = run(arrivals, **settings_, skip_ahead=False)
    assert ahead.first == slowly.first
    assert ahead.finished == slowly.finished
    assert [r.preemptions for r in requests] == [r.preemptions for r in by_step]


@settings(max_examples=40, deadline=None)
@given(st.lists(arrival, min_size=1, max_size=25), st.integers(52, 400), st.integers(1, 12))
def test_blocks_are_conserved_and_every_request_ends(arrivals, blocks, seqs):
    def check(engine: Engine) -> None:
        engine.settle()
        assert 0 <= engine.cache.free <= engine.cache.blocks
        assert all(r.loose == 0 and not r.holds for r in engine.waiting)
        assert engine.running <= seqs

    log, requests, engine = run(arrivals, blocks=blocks, seqs=seqs, check=check)
    assert engine.cache.free == blocks
    assert sorted(i for i, _ in log.finished) == [r.id for r in requests]
    assert all(r.generated == r.output for r in requests)
    assert engine.generation_tokens == sum(r.output for r in requests)


def test_a_full_cache_preempts_the_last_running_request_which_starts_again_at_the_front():
    arrivals = [(0.0, 160, 200), (0.0, 160, 200), (0.01, 16, 4)]
    log, requests, engine = run(arrivals, blocks=32)
    assert engine.preemptions > 0
    assert requests[0].preemptions == 0
    assert requests[1].preemptions > 0
    assert [i for i, _ in log.finished][-1] == 1


def test_long_prompts_are_chunked_within_the_token_budget():
    log, _, engine = run([(0.0, 1000, 1)], budget=256)
    assert engine.steps == 4
    assert engine.prompt_tokens == 1000
    assert list(log.first) == [0]


def test_a_request_aborted_by_its_client_frees_its_blocks():
    clock = Clock()
    engine = Engine(clock, [SteadyGpu()], LLAMA, 1000, 8, 2048, lambda: 1.0, Log(clock))
    kept, gone = Request(0, 0.0, 100, 50), Request(1, 0.0, 100, 50)
    engine.submit(kept)
    engine.submit(gone)
    clock.at(0.2, lambda _: engine.abort(gone))
    clock.run()
    assert kept.generated == 50
    assert gone.generated < 50
    assert engine.cache.free == engine.cache.blocks


def test_a_smaller_model_decodes_faster_and_two_gpus_decode_faster_than_one():
    slow, _, _ = run([(0.0, 64, 64)])
    fast, _, _ = run([(0.0, 64, 64)], model=hardware.model("llama-3.2-1b"))
    assert fast.finished[0][1] < slow.finished[0][1]
    clock = Clock()
    log = Log(clock)
    engine = Engine(clock, [SteadyGpu(), SteadyGpu()], LLAMA, 100_000, 128, 2048, lambda: 1.0, log)
    engine.submit(Request(0, 0.0, 64, 64))
    clock.run()
    assert 0.5 * slow.finished[0][1] < log.finished[0][1] < slow.finished[0][1]


def test_a_shared_beginning_is_computed_once_and_found_again_after_its_request_has_gone():
    clock = Clock()
    engine = Engine(clock, [SteadyGpu()], LLAMA, 1000, 8, 2048, lambda: 1.0, Log(clock))
    first, second = (Request(i, 3.0 * i, 512, 8, prefix=(("system prompt", 400),)) for i in range(2))
    goes_on = Request(2, 6.0, 900, 8, prefix=(("system prompt", 400), (1, 520)))
    for request in (first, second, goes_on):
        clock.at(request.arrived, lambda _, request=request: engine.submit(request))
    clock.run()
    assert [r.cached for r in (first, second, goes_on)] == [0, 400, 512]  # whole blocks only


def test_a_hung_step_goes_on_when_it_is_released():
    def last_token(hang: bool) -> float:
        clock = Clock()
        log = Log(clock)
        engine = Engine(clock, [SteadyGpu()], LLAMA, 1000, 8, 2048, lambda: 1.0, log)
        engine.submit(Request(0, 0.0, 100, 50))
        if hang:
            clock.at(0.2, lambda _: engine.freeze())
            clock.at(7.2, lambda _: engine.thaw())
        clock.run()
        return log.finished[0][1]

    assert last_token(True) == pytest.approx(last_token(False) + 7.0)


def test_a_request_that_cannot_fit_holds_up_the_others_only_until_it_is_given_up():
    clock = Clock()
    log = Log(clock)
    engine = Engine(clock, [SteadyGpu()], LLAMA, 16, 8, 2048, lambda: 1.0, log)
    too_long, short = Request(0, 0.0, 512, 8), Request(1, 1.0, 64, 8)
    engine.submit(too_long)
    clock.at(1.0, lambda _: engine.submit(short))
    clock.at(2.0, lambda _: engine.abort(too_long))
    clock.run()
    assert [i for i, _ in log.finished] == [1]
    assert log.first[1] > 2.0
    assert engine.cache.free == engine.cache.blocks
