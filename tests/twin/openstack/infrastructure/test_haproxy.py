"""HAProxy: checks, retries, who gets which answer, and every request accounted for."""

from __future__ import annotations

import re

import pytest

from twin import Action
from twin.mechanics import haproxy as limits

EVENT = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d controller-0 haproxy\[\d+\]: .*$")
ACCESS = re.compile(
    r"^\S+ +\d+ \S+ controller-0 haproxy\[\d+\]: [\d.]+:\d+ \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] placement_front "
    r"placement_back/\S+ 0/-?\d+/-?\d+/-?\d+/\d+ \d{3} \d+ - - ..-- \d+/\d+/\d+/\d+/0 0/0 \"GET /ping HTTP/1\.1\"$"
)


def _statuses(outcomes):
    return [status for _, status in sorted(outcomes)]


def _conserved(r):
    ledger = r.site.balancer.backends["placement"].ledger
    assert ledger.received == ledger.refused + ledger.answered + ledger.timed_out + ledger.in_flight
    assert r.site.balancer.backends["placement"].sessions == ledger.in_flight


def test_requests_go_through_and_are_logged(rig):
    r = rig()
    outcomes = []
    r.every(0.1, 1.0, 6.0, lambda _: r.ping(outcomes))
    r.run(10)
    assert _statuses(outcomes) == [200] * 50
    lines = [line.text for line in r.world.log_lines(0, 10) if line.component == "haproxy"]
    assert len(lines) == 50
    assert all(ACCESS.match(line) for line in lines), lines[0]
    assert r.api.sample()[:3] == (1.0, 0.0, 50.0)
    _conserved(r)


def test_a_dead_server_is_retried_until_the_checks_have_noticed(rig, crash):
    r = rig(crash("placement", 20, "container"))
    outcomes = []
    r.at(20.5, lambda: r.ping(outcomes))
    r.at(40.0, lambda: r.ping(outcomes))
    r.run(60)
    assert _statuses(outcomes) == [503, 503]
    access = r.lines("haproxy.access")
    refused_at = [line.time for line in access]
    assert refused_at[0] == pytest.approx(20.5 + limits.RETRIES + 1, abs=0.01)
    assert refused_at[1] == pytest.approx(40.0)
    (down,) = r.lines("haproxy.down")
    span = limits.INTER * limits.FALL
    assert 20 + span - limits.INTER <= down.time <= 20 + span
    assert len(r.lines("haproxy.empty")) == 1
    assert r.api.sample()[0] == 0.0
    _conserved(r)


def test_a_server_is_up_again_after_two_checks(rig, crash):
    r = rig(crash("placement", 20, "container"))
    r.run(60)
    r.world.apply(Action("recreate", "placement", "immediate"))
    r.run(90)
    (up,) = r.lines("haproxy.up")
    assert 0 < up.time - r.api.started_at < 3.0 + limits.INTER * limits.RISE + 0.1
    outcomes = []
    r.ping(outcomes)
    r.run(95)
    assert _statuses(outcomes) == [200]


def test_a_server_that_dies_with_a_request_is_a_502_and_one_that_takes_too_long_a_504(rig, crash):
    r = rig(crash("placement", 150))
    outcomes = []
    r.at(10.0, lambda: r.ping(outcomes, "slow"))
    r.at(140.0, lambda: r.ping(outcomes, "slow"))
    r.run(200)
    assert _statuses(outcomes) == [504, 502]
    first, second = r.lines("haproxy.access")
    assert first.time == pytest.approx(10.0 + limits.SERVER_TIMEOUT)
    assert second.time == pytest.approx(150.0)
    _conserved(r)


def test_checks_that_fail_now_and_then_make_a_server_flap(rig, fault):
    r = rig(fault("BalancerChaos", "flap", "placement", 20, duration=300, failures=0.75))
    outcomes = []
    r.every(1.0, 20.0, 320.0, lambda _: r.ping(outcomes))
    r.run(400)
    assert len(r.lines("haproxy.down")) >= 2
    assert len(r.lines("haproxy.up")) == len(r.lines("haproxy.down"))
    assert {200, 503} == set(_statuses(outcomes))
    assert r.site.balancer.backends["placement"].retries > 50
    _conserved(r)


def test_a_restart_ends_what_sat_in_the_program_and_not_what_was_rolled_out(rig, fault):
    for layer, cured in (("process", True), ("configuration", False)):
        r = rig(fault("BalancerChaos", "flap", "placement", 20, failures=0.75, layer=layer))
        r.run(30)
        ticket = r.world.apply(Action("restart", "placement", "immediate"))
        r.run(60)
        assert bool(ticket.relieved) is cured
        assert bool(r.api.conditions) is not cured


def test_without_the_balancer_nobody_is_reached(rig, crash):
    r = rig(crash("haproxy", 20, "container"))
    outcomes, transactions = [], []
    r.at(30.0, lambda: r.ping(outcomes))
    r.at(30.0, lambda: r.transaction(transactions))
    r.run(40)
    assert _statuses(outcomes) == [503]
    assert "(2003" in str(transactions[0][2])


def test_a_new_balancer_takes_all_for_up_until_one_check(rig, crash):
    r = rig(crash("placement", 20, "container"))
    r.run(60)
    r.world.apply(Action("restart", "haproxy", "immediate"))
    r.run(62)
    started = r.site.balancer.started_at
    r.run(70)
    assert len(r.lines("haproxy.down")) == 2
    assert 0 < r.lines("haproxy.down")[1].time - started < 0.6 + limits.INTER


def test_events_have_syslog_s_format(rig, crash):
    r = rig(crash("placement", 20), crash("mysql-0", 20))
    r.run(100)
    lines = [line.text for line in r.world.log_lines(0, 100) if line.component == "haproxy"]
    assert len(lines) >= 4
    assert all(EVENT.match(line) for line in lines)
    assert any('DOWN, reason: Layer7 wrong status, code: 503, info: "Service Unavailable"' in line for line in lines)


def test_tokens_are_known_from_memcached_and_again_only_after_its_time(rig, crash):
    r = rig(crash("memcached", 50, "process"))
    tokens = r.api.auth_token.cache
    r.run(10)
    tokens.add("t")
    assert tokens.knows("t") == (True, 0.0)
    assert tokens.knows("u") == (False, 0.0)
    r.run(50.1)
    assert tokens.knows("t") == (False, 0.0)
    r.run(100)
    assert r.site.memcached.up
    tokens.add("t")
    assert tokens.knows("t") == (False, 0.0)  # the server is taken for dead yet
    r.run(360)
    tokens.add("t")
    assert tokens.knows("t") == (True, 0.0)
    r.run(700)
    assert tokens.knows("t") == (False, 0.0)  # it has expired


def test_without_memcached_each_service_remembers_by_itself(rig):
    r = rig(controllers=1)
    r.run(1)
    r.api.auth_token.cache.add("t")
    assert r.api.auth_token.cache.knows("t") == (True, 0.0)
    r.world.apply(Action("restart", "placement", "immediate"))
    r.run(10)
    assert r.api.auth_token.cache.knows("t") == (False, 0.0)


def test_a_cached_token_makes_room_for_a_newer_one(rig):
    from twin.mechanics import memcached

    r = rig()
    r.run(1)
    cache = r.site.memcached
    for i in range(memcached.MOST_ITEMS):
        cache.put(f"{i}", 1000.0)
    assert cache.get("0", "x")
    cache.put("new", 1000.0)
    assert cache.get("0", "x")
    assert not cache.get("1", "x")


def test_an_operator_moves_the_writers_to_another_server(rig):
    r = rig()
    outcomes = []
    backend = r.site.balancer.backends["mysql"]
    r.every(0.5, 10.0, 60.0, lambda _: r.transaction(outcomes))
    r.at(20.0, lambda: backend.disable("controller-0"))
    r.at(40.0, lambda: backend.enable("controller-0"))
    r.run(38)
    first, second, _ = r.site.database.servers
    assert (first.connected, second.connected) == (0, 1)
    r.run(70)
    assert (first.connected, second.connected) == (1, 0)
    assert not any(error for _, _, error in outcomes)
    assert len(r.lines("haproxy.disabled")) == len(r.lines("haproxy.enabled")) == 1
