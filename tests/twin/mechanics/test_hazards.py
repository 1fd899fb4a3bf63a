"""Hazard models give back the failure statistics that they were made from (no cluster needed)."""

from __future__ import annotations

import csv
import math
from collections import Counter
from functools import partial
from itertools import pairwise, takewhile
from pathlib import Path
from statistics import fmean, median, pstdev

import pytest

from twin.mechanics import hazards
from twin.mechanics.distributions import Exponential, Weibull
from twin.streams import Streams

HOUR, DAY = hazards.HOUR, hazards.DAY


def fleet(seed, failures=348):
    """(time in days, server) of the failures of 400 servers."""
    stream = Streams(seed)["fleet"]
    weights = [hazards.fleet_frailty(hazards.FLEET_FRAILTY, partial(stream.uniform, "w", i)) for i in range(400)]
    frailty = hazards.Frailty(weights, hazards.FLEET_RECURRENCE, hazards.FLEET_MEMORY)
    onsets = hazards.onsets(hazards.FLEET, 1.0, partial(stream.uniform, "gap"))
    return [(t / DAY, frailty.next(partial(stream.uniform, "host", n))) for n, t in zip(range(failures), onsets)]  # noqa: B905


def until(horizon, gap, speed, stream, *key):
    return list(takewhile(lambda t: t < horizon, hazards.onsets(gap, speed, partial(stream.uniform, *key))))


def test_every_cause_has_its_rate_from_the_very_beginning():
    """2,000 GPUs for 2,500 hours, 200 times as fast, are a thousand million GPU-hours."""
    stream = Streams(1)["hazards"]
    for cause, rate in hazards.GPU_HAZARDS.items():
        gap = hazards.gap_of(rate)
        moments = [t for gpu in range(2000) for t in until(2500 * HOUR, gap, 200.0, stream, cause, gpu)]
        expected = 1000 * rate
        # Clustering makes counts vary more than Poisson's.
        assert len(moments) == pytest.approx(expected, abs=4 * math.sqrt(2 * expected)), cause
    gap = hazards.gap_of(500.0)
    first, second = (
        sum(a <= t / HOUR < b for gpu in range(1500) for t in until(1000 * HOUR, gap, 1.0, stream, "half", gpu))
        for a, b in ((0, 500), (500, 1000))
    )
    assert first == pytest.approx(second, rel=0.2)


def test_an_ordinary_renewal_process_would_begin_with_a_burst():
    """Why the first gap is a residual: gaps of shape 0.6 counted from new give too many failures at first."""
    stream, gap = Streams(1)["hazards"], hazards.gap_of(500.0)
    early = 500 * HOUR
    ordinary = sum(gap.sample(partial(stream.uniform, gpu)) < early for gpu in range(3000))
    equilibrium = sum(gap.residual(partial(stream.uniform, gpu)) < early for gpu in range(3000))
    assert ordinary > 1.3 * equilibrium


@pytest.mark.parametrize(("shape", "clustered"), [(0.48, True), (0.6, True), (1.0, False)])
def test_shapes_below_one_cluster(shape, clustered):
    stream = Streams(2)["hazards"]
    times = until(20_000.0, Weibull(shape, 10.0), 1.0, stream, "x")
    gaps = [b - a for a, b in pairwise(times)]
    cv = pstdev(gaps) / fmean(gaps)
    assert cv > 1.4 if clustered else cv == pytest.approx(1.0, rel=0.1)


def test_acceleration_scales_the_rate_and_keeps_the_luck():
    stream = Streams(3)["hazards"]
    slow = until(1000 * DAY, hazards.FLEET, 1.0, stream, "x")
    fast = until(100 * DAY, hazards.FLEET, 10.0, stream, "x")
    assert fast == pytest.approx([t / 10 for t in slow])


def test_lemons_are_few_and_carry_their_share():
    """1 % of the nodes at 10 to 20 times the rate carry 15 / (15 + 99) = 13 % of all failures; the mean stays."""
    stream = Streams(4)["lemons"]
    factors = [
        hazards.lemon_factor(stream.uniform(node), hazards.LEMON_SHARE, hazards.LEMON_FACTORS) for node in range(40_000)
    ]
    lemons = [f for f in factors if f > 5]
    assert fmean(factors) == pytest.approx(1.0, rel=0.03)
    assert len(lemons) / 40_000 == pytest.approx(0.01, rel=0.15)
    assert sum(lemons) / sum(factors) == pytest.approx(0.13, abs=0.02)
    assert max(lemons) / min(factors) <= 20.0 and min(lemons) / min(factors) >= 10.0


def test_the_fleet_is_that_of_the_trace():
    """InfiniteHBD, days 0 to 208: interval mean 0.588 d and CV 2.05, 175 of 400 servers ever fail, 40 carry half of the
    failures, 28 % come within a week of the same server's last one."""
    gaps, servers, top, week = [], [], [], []
    for seed in range(40):
        failures = fleet(seed)
        times = [t for t, _ in failures]
        gaps += [b - a for a, b in pairwise(times)]
        counts = sorted(Counter(host for _, host in failures).values(), reverse=True)
        servers.append(len(counts))
        top.append(sum(counts[:40]) / len(failures))
        last: dict[int, float] = {}
        soon = 0
        for time, host in failures:
            soon += time - last.get(host, -math.inf) <= 7
            last[host] = time
        week.append(soon / len(failures))
    assert fmean(gaps) == pytest.approx(0.588, rel=0.05)
    assert pstdev(gaps) / fmean(gaps) == pytest.approx(2.05, rel=0.1)
    assert fmean(servers) == pytest.approx(175, rel=0.07)
    assert fmean(top) == pytest.approx(0.5, abs=0.04)
    assert fmean(week) == pytest.approx(0.28, abs=0.04)


TRACE = Path(__file__).parents[4] / "shared" / "data" / "gpu_faults" / "infinitehbd_days_000_208.csv"


@pytest.mark.skipif(not TRACE.exists(), reason="InfiniteHBD's trace is not beside the checkout")
def test_the_fleets_constants_are_those_of_its_trace():
    with TRACE.open() as file:
        rows = list(csv.DictReader(file))
    names = {
        "Unknown Error": "unknown",
        "GPU": "gpu",
        "Stress Test Failure": "stress-test",
        "Parameter Plane Cable": "cable",
        "Power Supply": "power-supply",
        "Fan": "fan",
        "NIC": "nic",
    }
    for name, cause in names.items():
        repairs = [float(row["repair_h"]) for row in rows if row["class"] == name]
        assert len(repairs) / len(rows) == pytest.approx(hazards.FLEET_CLASSES[cause].share, abs=0.001)
        assert median(repairs) == pytest.approx(hazards.FLEET_CLASSES[cause].repair.median / HOUR, rel=0.05), cause
    gaps = [b - a for a, b in pairwise(sorted(float(row["start_day"]) for row in rows))]
    assert fmean(gaps) == pytest.approx(hazards.FLEET.mean / DAY, rel=0.02)


def test_repairs_are_heavy_tailed():
    stream = Streams(5)["repair"]
    repairs = [hazards.GPU_REPAIR.sample(partial(stream.uniform, n)) / HOUR for n in range(4000)]
    repairs.sort()
    assert median(repairs) == pytest.approx(45.0, rel=0.15)  # the trace's GPU class
    assert repairs[3600] > 629  # its p90 is 629 h; the lognormal that fits the whole has a longer tail
    assert fmean(repairs) > 5 * median(repairs)
    assert sum(c.share for c in hazards.FLEET_CLASSES.values()) == pytest.approx(1.0)


def test_grid5000_hosts_fail_and_recover_as_fitted():
    stream = Streams(6)["g5k"]
    times = until(400_000 * HOUR, hazards.GRID5000_GAP, 1.0, stream, "x")
    assert 400_000 / len(times) == pytest.approx(14.37 * math.gamma(1 + 1 / 0.48), rel=0.05)
    lasting = sorted(hazards.GRID5000_DURATION.sample(partial(stream.uniform, n)) / HOUR for n in range(4000))
    assert lasting[2000] == pytest.approx(0.47 * math.log(2) ** (1 / 0.35), rel=0.15)


def test_who_failed_lately_is_likelier_to_fail():
    stream = Streams(7)["frailty"]
    plain, recurrent = hazards.Frailty([1.0] * 50), hazards.Frailty([1.0] * 50, recurrence=0.5, memory=1)
    for frailty, expected in ((plain, 1 / 50), (recurrent, 0.51)):
        hosts = [frailty.next(partial(stream.uniform, n)) for n in range(6000)]
        assert fmean(a == b for a, b in pairwise(hosts)) == pytest.approx(expected, abs=0.03)


def test_one_cause_is_picked_by_its_share():
    assert [hazards.pick([1, 2, 1], u) for u in (0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999)] == [0, 0, 1, 1, 2, 2]


def test_without_a_rate_nothing_fails():
    assert list(hazards.onsets(Exponential(1.0), 0.0, lambda n, i: 0.5)) == []
