"""Requests come as the scenario says: rates, burstiness, lengths, shared beginnings. Luck is keyed by the request."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean, pstdev

import pytest

from twin.inference.workload import arrivals, nominal_rate, read_trace, times
from twin.mechanics.arrivals import HOUR_FACTORS, RateProfile, client_mix, diurnal
from twin.scenario import ScenarioError
from twin.scenario.workload import Arrivals, Workload
from twin.streams import Streams

N = 6000


def workload(**fields):
    return Workload.model_validate({"prompt": 512, "output": 128, **fields})


def gaps(form, n=N, seed=1):
    moments = list(islice(times(Arrivals.model_validate(form), Streams(seed)), n))
    assert moments == sorted(moments)
    return [b - a for a, b in pairwise(moments)]


def cv(values):
    return pstdev(values) / fmean(values)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"constant": "5/s"}, 0.0),
        ({"poisson": "5/s"}, 1.0),
        ({"gamma": {"rate": "5/s", "cv": 0.5}}, 0.5),
        ({"gamma": {"rate": "5/s", "cv": 2.0}}, 2.0),
        ({"weibull": {"rate": "5/s", "cv": 0.5}}, 0.5),
        ({"weibull": {"rate": "5/s", "cv": 2.0}}, 2.0),
    ],
)
def test_a_renewal_process_has_its_rate_and_its_burstiness(form, expected):
    measured = gaps(form)
    assert fmean(measured) == pytest.approx(0.2, rel=0.08)
    assert cv(measured) == pytest.approx(expected, rel=0.12, abs=1e-9)


def test_a_bursty_process_is_stationary_from_the_start():
    """Its first arrival comes like any moment's next one: in the mean after (1 + cv²) / 2 mean gaps."""
    first = [next(times(Arrivals.model_validate({"gamma": {"rate": "1/s", "cv": 2}}), Streams(s))) for s in range(3000)]
    assert fmean(first) == pytest.approx((1 + 2.0**2) / 2, rel=0.1)


def test_a_profile_is_followed():
    points = [{"at": "0s", "rate": "2/s"}, {"at": "500s", "rate": "2/s"}, {"at": "500s", "rate": "10/s"}]
    points += [{"at": "1000s", "rate": "0/s"}]
    moments = list(times(Arrivals.model_validate({"profile": points}), Streams(1)))  # it ends: the rate falls to 0
    assert sum(t < 500 for t in moments) == pytest.approx(1000, rel=0.1)
    assert sum(500 <= t < 750 for t in moments) == pytest.approx(1875, rel=0.1)
    assert sum(t >= 750 for t in moments) == pytest.approx(625, rel=0.15)
    assert moments[-1] < 1000


def test_time_is_the_inverse_of_the_expected_count():
    profile = RateProfile([(0.0, 2.0), (10.0, 2.0), (10.0, 8.0), (20.0, 0.0)])
    assert [profile.reached(count) for count in (0.0, 10.0, 20.0, 60.0)] == [0.0, 5.0, 10.0, 20.0]
    assert profile.reached(60.1) == float("inf")
    assert (profile.rate(9.9), profile.rate(10.0), profile.rate(15.0), profile.rate(30.0)) == (2.0, 8.0, 4.0, 0.0)


def test_a_day_has_the_measured_hours():
    day = diurnal(4.0, start_hour=20.0)
    mean = fmean(HOUR_FACTORS)
    assert day.rate(0.0) == pytest.approx(4.0 * HOUR_FACTORS[20] / mean)
    assert day.rate(5 * 3600.0) == day.rate(29 * 3600.0) == pytest.approx(4.0 * HOUR_FACTORS[1] / mean)
    assert day.reached(4.0 * 86_400.0) == pytest.approx(86_400.0)
    hours = [0] * 24
    for time in islice(times(Arrivals.model_validate({"diurnal": {"rate": "0.5/s"}}), Streams(1)), 43_200):
        hours[int(time / 3600.0) % 24] += 1
    assert hours.index(max(hours)) in (20, 21) and max(hours) / min(hours) == pytest.approx(1.43 / 0.70, rel=0.15)


def test_few_clients_carry_most_of_the_load():
    """ServeGen m-small: top client 0.30, top ten 0.93, median client 0.0013."""
    shares = [client.share for client in client_mix(43)]
    assert sum(shares) == pytest.approx(1.0)
    assert shares == sorted(shares, reverse=True)
    assert len(client_mix(1)) == 1 and client_mix(1)[0].share == 1.0
    top = [client.share for client in client_mix(21)]
    assert top[0] == pytest.approx(0.30, abs=0.01) and sum(top[:10]) == pytest.approx(0.93, abs=0.01)


def test_a_mix_of_clients_has_the_rate_and_is_burstier_than_poisson():
    moments = list(islice(times(Arrivals.model_validate({"mix": {"rate": "5/s"}}), Streams(1)), 30_000))
    assert len(moments) / moments[-1] == pytest.approx(5.0, rel=0.15)
    per_second = [0] * int(moments[-1])
    for time in moments[:-10]:
        per_second[min(int(time), len(per_second) - 1)] += 1
    assert pstdev(per_second) ** 2 / fmean(per_second) > 1.5  # a Poisson process has 1


def test_requests_of_a_mix_say_whose_they_are():
    spec = workload(arrivals={"mix": {"rate": "5/s", "clients": 21}})
    clients = [a.client for a in islice(arrivals(spec, Streams(1)), 5000)]
    assert clients.count(0) / 5000 == pytest.approx(0.30, abs=0.1) and len(set(clients)) > 10


@pytest.mark.parametrize(
    ("length", "mean", "low", "high"),
    [
        ("azure2023", 1155, 2, 14_050),
        ({"between": [100, 300]}, 200, 100, 300),
        ({"lognormal": {"median": 500, "sigma": 0.5}}, 567, 1, 10_000),
        ({"mixture": [{"weight": 9, "tokens": 100}, {"weight": 1, "between": [5000, 7000]}]}, 690, 100, 7000),
    ],
)
def test_lengths_have_their_distribution(length, mean, low, high):
    spec = workload(arrivals={"poisson": "1/s"}, prompt=length)
    prompts = [a.prompt for a in islice(arrivals(spec, Streams(1)), N)]
    assert fmean(prompts) == pytest.approx(mean, rel=0.07)
    assert low <= min(prompts) and max(prompts) <= high


def test_another_rate_moves_the_same_requests():
    """Lengths are keyed by the number of the request: they are the same luck at every rate."""
    slow, fast = (
        list(islice(arrivals(workload(arrivals={"poisson": rate}, prompt="azure2023"), Streams(3)), 200))
        for rate in ("1/s", "4/s")
    )
    assert [a.prompt for a in slow] == [a.prompt for a in fast]
    assert [a.time for a in slow] == pytest.approx([4 * a.time for a in fast])


def test_a_share_of_the_prompts_begins_with_one_of_the_system_prompts():
    spec = workload(arrivals={"poisson": "1/s"}, prefix={"groups": 3, "tokens": 200, "share": "80%"})
    prefixes = [a.prefix for a in islice(arrivals(spec, Streams(1)), 2000)]
    assert sum(bool(p) for p in prefixes) / 2000 == pytest.approx(0.8, abs=0.05)
    assert {p for p in prefixes if p} == {((f"system {i}", 200),) for i in (1, 2, 3)}


def test_mooncakes_traces_say_which_blocks_are_the_same(tmp_path: Path):
    path = tmp_path / "trace.jsonl"
    row = '{"timestamp": %d, "input_length": %d, "output_length": 3, "hash_ids": %s}\n'
    path.write_text(row % (0, 1000, [7, 8]) + row % (1500, 1200, [7, 9, 10]))
    first, second = read_trace(path)
    assert (first.prompt, first.prefix) == (1000, (("block 7", 512), ("block 8", 1000)))
    assert (second.time, second.prefix[-1]) == (1.5, ("block 10", 1200))
    path.write_text('{"timestamp": 0, "input_length": 5}\n')
    with pytest.raises(ScenarioError, match=r"trace.jsonl:1: no field 'hash_ids'"):
        list(read_trace(path))


MOONCAKE = Path(__file__).parents[4] / "shared" / "data" / "llm_traces" / "mooncake_synthetic.jsonl.gz"


@pytest.mark.skipif(not MOONCAKE.exists(), reason="Mooncake's trace is not beside the checkout")
def test_a_whole_mooncake_trace_is_read():
    requests = list(read_trace(MOONCAKE))
    assert len(requests) > 1000 and len({a.prefix[0] for a in requests if a.prefix}) < len(requests)


def test_a_trace_may_say_which_prompts_begin_alike(tmp_path: Path):
    path = tmp_path / "trace.csv"
    path.write_text(
        "arrival_s,prompt_tokens,output_tokens,prefix_group,prefix_tokens\n0,100,5,a,64\n1,50,5,a,64\n2,10,5,,\n"
    )
    assert [a.prefix for a in read_trace(path)] == [(("system a", 64),), (("system a", 50),), ()]
    rate = nominal_rate(workload(trace=str(path)))
    assert rate is not None and rate(0.0) == 1.5
    path.write_text("arrival_s,prompt_tokens,output_tokens,prefix_group\n0,100,5,a\n")
    with pytest.raises(ScenarioError, match="no column prefix_tokens"):
        list(read_trace(path))
