"""Objectives, violations and recovery."""

from __future__ import annotations

from twin.slo import Objective, SloMeter, recovery


def meter(window: float = 10.0, limit: float = 2.0) -> SloMeter:
    return SloMeter([Objective("ttft", 0.99, limit), Objective("success", 0.99, None)], window)


def test_a_request_in_time_is_good_and_a_late_one_is_bad_when_its_time_is_up():
    slo = meter()
    slo.opened("ttft", "fast", 0.0)
    slo.opened("ttft", "slow", 0.0)
    slo.met("ttft", "fast", 1.0)
    for second in (1.0, 2.0, 3.0):
        slo.close_second(second)
    assert slo.loss == [0.0, 0.0, 1.0]
    slo.met("ttft", "slow", 3.5)  # too late: it has been judged
    slo.close_second(4.0)
    assert slo.loss[-1] == 0.0


def test_the_loss_is_the_worst_objective_and_a_violation_lasts_for_the_window():
    slo = meter(window=3.0)
    for i in range(4):
        slo.opened("success", i, 0.0)
        slo.met("success", i, 0.0) if i else slo.failed("success", i)
    for second in range(1, 6):
        slo.close_second(float(second))
    assert slo.loss == [0.25, 0.0, 0.0, 0.0, 0.0]
    assert slo.violated == [True, True, True, False, False]
    assert slo.violation_seconds(0, 5) == 3.0
    assert slo.loss_between(0, 5) == 0.25


def test_a_second_without_requests_violates_nothing():
    slo = meter()
    slo.close_second(1.0)
    assert slo.violated == [False]


def test_recovery_is_from_the_first_violation_to_the_first_calm_minute():
    violated = [False] * 10 + [True] * 20 + [False] * 5 + [True] * 3 + [False] * 100
    found = recovery(violated, 0, len(violated))
    assert (found.first_violation, found.seconds, found.censored) == (10.0, 28.0, False)


def test_recovery_is_censored_at_the_horizon():
    found = recovery([False] * 5 + [True] * 40 + [False] * 30, 0, 75)
    assert (found.first_violation, found.seconds, found.censored) == (5.0, 70.0, True)


def test_no_violation_no_recovery():
    assert recovery([False] * 200, 0, 200).first_violation is None
