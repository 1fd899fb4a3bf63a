"""Every way in which nginx ends a request: its status, the phrase in its error log, and the books that balance."""

from __future__ import annotations

import pytest

from twin.actions import Action
from twin.inference.request import Request
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.process import State
from twin.world import World

IDLE = {"arrivals": {"poisson": "0.0001/s"}, "prompt": 512, "output": 128}


@pytest.fixture
def world(inference_scenario):
    """A cluster that nobody uses but the test."""
    world = World(inference_scenario(workload=IDLE), seed=1)
    world.run(5.0)
    return world


def send(world, number=1, prompt=512, output=128):
    """One request by hand; returns it and what its client was told."""
    told = []
    request = Request(number, world.now, prompt, output, on_end=lambda r: told.append((r.status, world.now)))
    world.cluster.gateway.submit(request)
    return request, told


def errors(world):
    return [line.text for line in world.log_lines(0.0, world.now) if "[error]" in line.text or "[alert]" in line.text]


def accesses(world):
    lines = [
        line.text for line in world.log_lines(0.0, world.now) if '"POST /v1/chat/completions HTTP/1.1" ' in line.text
    ]
    return [int(line.split('HTTP/1.1" ')[1].split()[0]) for line in lines if line.startswith("10.")]


def impose(world, name, parameter, value=1.0, layer=Layer.PROCESS):
    component = world.components[name]
    condition = Condition(layer, parameter, value, "test")
    component.impose(condition)
    return component, condition


def balanced(world):
    gateway = world.cluster.gateway
    return gateway.accepted == gateway.answered + gateway.in_flight


def test_an_answered_request_is_reported_once(world):
    request, told = send(world)
    world.run(60.0)
    assert [status for status, _ in told] == [200]
    assert request.status == 200
    assert accesses(world) == [200]
    assert errors(world) == []


def test_a_refused_connection_is_502_while_connecting(world):
    world.components["ray-head"].stop("test")
    _, told = send(world)
    assert told == [(502, 5.0)]
    assert "connect() failed (111: Connection refused) while connecting to upstream" in errors(world)[0]
    assert accesses(world) == [502]


def test_a_wrong_port_refuses_every_request_although_the_head_is_well(world):
    impose(world, "nginx-proxy", "upstream_port_wrong", layer=Layer.CONFIGURATION)
    statuses = [send(world, number)[1][0][0] for number in range(3)]
    assert statuses == [502, 502, 502]
    assert all("Connection refused" in line for line in errors(world))  # a single peer is never left out


def test_no_live_upstream_is_502_without_an_attempt(world):
    gateway = world.cluster.gateway
    for peer in (gateway.upstream.peers[0], *gateway.upstream.peers):
        gateway.upstream.failed(peer, world.now)
    gateway.upstream.peers.append(type(gateway.upstream.peers[0])(gateway.router, "10.42.0.22:8000", 1, world.now))
    _, told = send(world)
    assert told == [(502, 5.0)]
    assert "no live upstreams while connecting to upstream" in errors(world)[0]
    assert 'upstream: "http://llm/' in errors(world)[0]


def test_a_refused_connection_goes_to_the_next_peer_even_for_a_post(world):
    gateway = world.cluster.gateway
    upstream = gateway.upstream
    upstream.peers.append(type(upstream.peers[0])(gateway.router, "10.42.0.22:8000"))
    impose(world, "nginx-proxy", "upstream_port_wrong", layer=Layer.CONFIGURATION)
    send(world)
    assert [line.split("10.42.0.")[1][:2] for line in errors(world)] == ["21", "22"]


def test_a_proxy_that_hangs_is_504_while_reading_the_header(world):
    impose(world, "ray-head", "controller_stuck")  # or it would put another proxy in its place
    impose(world, "ray-head", "proxy_hang")
    _, told = send(world)
    world.run(64.9)
    assert told == []
    world.run(66.0)
    assert told == [(504, 65.0)]
    assert "(110: Connection timed out) while reading response header from upstream" in errors(world)[0]


def test_a_blocked_path_is_504_while_connecting(world):
    impose(world, "nginx-proxy", "blocked", layer=Layer.CONTAINER)
    _, told = send(world)
    world.run(66.0)
    assert told == [(504, 65.0)]
    assert "while connecting to upstream" in errors(world)[0]


def test_a_stream_that_stops_is_cut_off_with_status_200_in_the_log(world):
    impose(world, "ray-head", "controller_stuck")
    request, told = send(world, output=2000)
    world.run(10.0)
    assert request.first_token is not None
    for i in range(3):
        world.components[f"ray-replicas-{i}"].engine.freeze()
    world.run(71.0)
    assert told == [(504, pytest.approx(70.0, abs=1.0))]
    assert accesses(world) == [200]
    assert "(110: Connection timed out) while reading upstream" in errors(world)[0]


def test_a_stream_that_flows_outlives_the_read_timeout(world):
    request, told = send(world, output=6000)
    world.run(100.0)
    assert told == []
    assert request.id in world.cluster.gateway._open
    world.run(400.0)
    assert [status for status, _ in told] == [200]


def test_a_replica_that_dies_before_the_header_is_500_from_serve(world):
    _, told = send(world, prompt=8000)
    assert told == []
    for i in range(3):
        world.components[f"ray-replicas-{i}"].die("crash")
    assert [status for status, _ in told] == [500]
    assert errors(world) == []  # nginx hands on an answer, if a bad one
    assert any("ActorDiedError" in line.text for line in world.log_lines(0.0, world.now))


def test_a_replica_that_dies_in_a_stream_truncates_it(world):
    _, told = send(world, output=2000)
    world.run(10.0)
    for i in range(3):
        world.components[f"ray-replicas-{i}"].die("crash")
    assert told[0][0] == 500
    assert accesses(world) == [200]
    assert "upstream prematurely closed connection while reading upstream" in errors(world)[0]


def test_a_head_that_dies_closes_the_connection_before_the_header(world):
    _, told = send(world, prompt=8000)
    world.components["ray-head"].die("crash")
    assert told == [(502, 5.0)]
    assert "upstream prematurely closed connection while reading response header from upstream" in errors(world)[0]


def test_a_client_that_goes_away_is_499_and_its_request_leaves_the_engine(world):
    request, told = send(world, prompt=8000)
    world.cluster.gateway.client_gone(request)
    world.run(10.0)
    assert told == [(499, 5.0)]
    assert accesses(world) == [499]
    assert sum(replica.ongoing for replica in world.cluster.router.replicas) == 0
    world.cluster.gateway.client_gone(request)  # again: nothing is left to close
    assert len(told) == 1


def test_a_full_queue_is_503_from_serve(world):
    router = world.cluster.router
    impose(world, "ray-head", "ongoing_limit", 1.0, Layer.CONFIGURATION)
    impose(world, "ray-head", "queue_limit", 2.0, Layer.CONFIGURATION)
    told = [send(world, number)[1] for number in range(6)]
    assert [bool(t) for t in told] == [False] * 5 + [True]  # three run, two wait
    assert told[5][0][0] == 503
    assert len(router.handle.waiting) == 2
    text = "Request dropped due to backpressure (num_queued_requests=2, max_queued_requests=2)."
    assert any(text in line.text for line in world.log_lines(0.0, world.now))
    world.run(60.0)
    assert [t[0][0] for t in told] == [200] * 5 + [503]


def test_requests_above_the_rate_limit_are_503(world):
    gateway = world.cluster.gateway
    gateway.rate_limit = 1.0
    told = [send(world, number)[1] for number in range(20)]
    refused = [t[0][0] for t in told if t]
    assert set(refused) == {503}
    assert len(refused) == 9  # the first and a burst of ten are let in
    assert 'limiting requests, excess: 11.000 by zone "llm"' in errors(world)[0]
    assert "upstream:" not in errors(world)[0]


def test_without_connections_a_request_is_500_with_an_alert(world):
    impose(world, "nginx-proxy", "connection_limit", 1.0, Layer.CONFIGURATION)  # of 16 workers: 8 requests
    told = [send(world, number)[1] for number in range(10)]
    assert [t[0][0] for t in told if t] == [500, 500]
    assert "[alert]" in errors(world)[0]
    assert "1 worker_connections are not enough" in errors(world)[0]


def test_a_prompt_that_is_too_long_is_400(world):
    _, told = send(world, prompt=9000)
    assert told[0][0] == 400


def test_an_nginx_that_is_down_takes_nothing_in(world):
    gateway = world.cluster.gateway
    gateway.stop("test")
    _, told = send(world)
    assert [status for status, _ in told] == [503]
    assert gateway.refused == 1
    assert balanced(world)


def test_nginx_does_not_start_without_its_upstreams_name(world):
    impose(world, "nginx-proxy", "dns_failure", layer=Layer.CONTAINER)
    gateway = world.cluster.gateway
    assert send(world)[1] == []  # a running nginx has resolved it long ago
    world.apply(Action("restart", "nginx-proxy", "immediate"))
    world.run(10.0)
    assert gateway.state is not State.RUNNING
    assert any("host not found in upstream" in line.text for line in world.log_lines(0.0, world.now))


@pytest.mark.parametrize(
    ("kind", "action", "component", "fields"),
    [
        ("ServingChaos", "controllerStuck", "ray-head", {}),
        ("ServingChaos", "gcsDown", "ray-head", {}),
        ("ServingChaos", "staleRouter", "ray-head", {}),
        ("ServingChaos", "proxyHang", "ray-head", {}),
        ("ServingChaos", "proxyHang", "ray-head", {"layer": "container"}),
        ("ServingChaos", "limits", "ray-head", {"maxOngoingRequests": 2, "maxQueuedRequests": 8}),
        ("GatewayChaos", "timeout", "nginx-proxy", {"timeout": "200ms"}),
        ("GatewayChaos", "wrongPort", "nginx-proxy", {}),
        ("GatewayChaos", "connectionLimit", "nginx-proxy", {"limit": 2}),
        ("StoreChaos", "unavailable", "model-store", {}),
        ("NetworkChaos", "partition", "ray-replicas-0", {"direction": "both"}),
        ("NetworkChaos", "partition", "node-head", {"direction": "both"}),
        ("NetworkChaos", "delay", "ray-head", {"delay": {"latency": "1500ms", "jitter": "500ms"}}),
        ("NetworkChaos", "loss", "ray-replicas-0", {"loss": {"loss": "60"}}),
    ],
)
def test_requests_are_conserved_whatever_fails_in_serving(inference_scenario, fault, kind, action, component, fields):
    selector = {"components": [component]}
    crash = fault("ProcessChaos", "crash", at="90s") | {"name": "crash"}
    chosen = fault(kind, action, selector=selector, duration="120s", **fields)
    world = World(inference_scenario(chosen, crash, horizon="260s"), seed=2)
    for time in range(10, 261, 10):
        world.run(time)
        gateway, router = world.cluster.gateway, world.cluster.router
        assert balanced(world)
        assert set(router.proxy.open) <= set(gateway._open)
        sent = {number for target in router.handle._busy() for number in target.sent}
        assert not sent & set(router.handle.waiting)
        assert sent | set(router.handle.waiting) <= set(router.proxy.open) or router.proxy.hangs
        for replica in router.replicas:
            if replica.engine is not None:
                inside = [*replica.engine._running.values(), *replica.engine.waiting]
                assert {request.id for request in inside if not request.aborted} <= sent
    assert gateway.accepted > 500
