"""Ray's head: what its parts do, and what happens to requests and replicas when one of them does not."""

from __future__ import annotations

import pytest

from twin.actions import Action
from twin.inference import container
from twin.inference.router import Router
from twin.mechanics.conditions import Condition
from twin.mechanics.layers import Layer
from twin.process import State
from twin.telemetry.exposition import series_of
from twin.world import World


def lines(world, component="ray-head", since=0.0):
    return [line.text for line in world.log_lines(since, world.now) if line.component == component]


def said(world, text, component="ray-head"):
    """When a component printed that, seconds."""
    return [line.time for line in world.log_lines(0.0, world.now) if line.component == component and text in line.text]


def impose(world, name, parameter, value=1.0, layer=Layer.PROCESS):
    component = world.components[name]
    condition = Condition(layer, parameter, value, "test")
    component.impose(condition)
    return component, condition


def exported(world, name):
    """The value of one of the head's series now."""
    router = world.cluster.router
    names = [series.name for series in series_of(Router.metrics)]
    return router.sample()[names.index(name)]


@pytest.fixture
def world(inference_scenario):
    world = World(inference_scenario(horizon="900s"), seed=1)
    world.run(60.0)
    return world


# --- health checks ----------------------------------------------------------------------------------------------


def test_healthy_replicas_are_asked_every_ten_seconds(world):
    world.run(260.0)
    checks = exported(world, "ray_serve_health_check_latency_ms_count")
    assert checks == pytest.approx(3 * 26, abs=4)
    assert exported(world, "ray_serve_health_check_failures_total") == 0


def test_three_failed_checks_replace_a_replica(world, monkeypatch):
    replica = world.components["ray-replicas-1"]
    pid = replica.pid
    kind = type(replica)
    healthy = kind.healthy
    monkeypatch.setattr(kind, "healthy", property(lambda r: r is not replica or r.pid != pid))
    world.run(95.0)
    assert len(said(world, "Health check for Replica")) == 3
    assert "failed the health check 3 times in a row, marking it unhealthy." in "\n".join(lines(world))
    assert replica.name not in world.cluster.router.handle.targets
    world.run(120.0)
    assert replica.pid != pid  # after at most 20 s for its requests to finish
    monkeypatch.setattr(kind, "healthy", healthy)
    world.run(220.0)
    assert replica.state is State.RUNNING
    assert replica.name in world.cluster.router.handle.targets


def test_checks_that_succeed_in_between_forgive_the_failures(world, monkeypatch):
    replica = world.components["ray-replicas-1"]
    kind, pid = type(replica), replica.pid
    asked = iter(range(1, 1000))
    monkeypatch.setattr(kind, "healthy", property(lambda r: r is not replica or next(asked) % 3 == 0))
    world.run(300.0)
    assert replica.pid == pid
    assert said(world, "passed the health check after")


def test_a_replica_out_of_reach_misses_its_checks_and_its_node_is_declared_dead(world):
    node, condition = impose(world, "node-1", "blocked", layer=Layer.NETWORK)
    replica = world.components["ray-replicas-1"]
    pid = replica.pid
    world.run(105.0)
    assert len(said(world, "Didn't receive health check response for replica")) >= 1
    world.run(118.0)
    (dead,) = said(world, "has been marked dead")
    assert dead == pytest.approx(60.0 + 50.0, abs=4.0)
    assert replica.name not in world.cluster.router.controller.running
    assert replica.pid == pid  # out there it goes on
    node.lift(condition)
    world.run(240.0)
    assert replica.pid != pid  # its raylet heard that it is dead
    assert replica.state is State.RUNNING
    assert replica.name in world.cluster.router.handle.targets


# --- a replica dies ---------------------------------------------------------------------------------------------


def test_a_death_is_seen_at_once_and_nothing_is_sent_to_the_dead(world):
    replica = world.components["ray-replicas-1"]
    replica.die("crash")
    world.run(60.2)
    assert any("crashed, marking it unhealthy immediately." in line for line in lines(world))
    assert replica.name not in world.cluster.router.handle.targets
    assert exported(world, "ray_serve_deployment_replica_healthy") == 2
    world.run(200.0)
    assert exported(world, "ray_serve_deployment_replica_healthy") == 3
    assert replica.ongoing > 0


def test_a_machine_that_loses_power_takes_its_requests_along_until_its_node_is_declared_dead(world):
    replica = world.components["ray-replicas-1"]
    sent = list(world.cluster.router.handle.targets[replica.name].sent.values())
    assert sent
    node = replica.node
    node.taken_down("power")
    replica.stop("power")
    world.run(100.0)
    assert all(request.ended is None for request in sent)
    world.run(125.0)
    assert all(request.status in (500, 504) for request in sent)


def test_without_the_gcs_a_death_is_an_unavailable_actor_and_no_replica_comes_back(world):
    head, condition = impose(world, "ray-head", "gcs_down")
    replica = world.components["ray-replicas-1"]
    replica.die("crash")
    world.run(180.0)
    assert any("ActorUnavailableError" in line for line in lines(world))
    assert said(world, "Exception updating cluster node info cache.")
    assert replica.state is State.STARTING  # its container waits for an actor
    assert exported(world, "ray_serve_num_router_requests_total") > 0
    finished = sum(
        1 for line in world.log_lines(120.0, 180.0) if " 200 " in line.text and line.component == "nginx-proxy"
    )
    assert finished > 150  # existing traffic flows
    head.lift(condition)
    world.run(300.0)
    assert replica.state is State.RUNNING
    assert replica.name in world.cluster.router.handle.targets


def test_a_replica_that_starts_slowly_is_complained_about_until_it_runs(world):
    world.components["ray-replicas-1"].die("crash")
    world.run(300.0)
    (started,) = said(world, "started successfully on node")
    (begun,) = said(world, "Starting Replica")
    assert started - begun > 30.0
    assert [time - begun for time in said(world, "taken more than 30s to initialize")] == [pytest.approx(30.0)]
    assert exported(world, "ray_serve_replica_startup_latency_ms_count") == 1


def test_a_start_that_fails_is_an_exception_in_the_replica(world):
    world.components["gpu-1"].impose(Condition(Layer.BOARD, "off_bus", 1.0, "test"))
    world.run(200.0)
    assert len(said(world, "the replica will be stopped.")) >= 2
    assert "ray-replicas-1" not in world.cluster.router.controller.starting or (
        world.components["ray-replicas-1"].state is State.STARTING
    )


# --- the controller ---------------------------------------------------------------------------------------------


def test_a_stuck_controller_checks_nothing_and_places_nothing(world):
    head, condition = impose(world, "ray-head", "controller_stuck")
    passes = exported(world, "ray_serve_controller_num_control_loops")
    replica = world.components["ray-replicas-1"]
    replica.die("crash")
    world.run(250.0)
    assert exported(world, "ray_serve_controller_num_control_loops") == passes
    assert exported(world, "ray_serve_deployment_replica_healthy") == 3  # what it last believed
    assert not any("controller" in line for line in lines(world, since=60.0))
    assert replica.state is State.STARTING
    head.lift(condition)
    world.run(400.0)
    assert replica.state is State.RUNNING
    assert replica.name in world.cluster.router.handle.targets
    more = exported(world, "ray_serve_controller_num_control_loops") - passes
    assert more == pytest.approx(150.0 / 0.105, abs=3)


def test_a_new_controller_finds_the_replicas_that_run(world):
    world.apply(Action("restart", "ray-head", "immediate"))
    world.run(90.0)
    router = world.cluster.router
    assert router.state is State.RUNNING
    assert set(router.handle.targets) == {"ray-replicas-0", "ray-replicas-1", "ray-replicas-2"}
    assert all(replica.ongoing for replica in router.replicas[:3])


# --- the proxy --------------------------------------------------------------------------------------------------


def test_a_proxy_that_hangs_is_replaced_after_three_checks(world):
    impose(world, "ray-head", "proxy_hang")
    world.run(80.0)
    assert exported(world, "ray_serve_num_ongoing_http_requests") > 50  # they pile up
    world.run(110.0)
    times = said(world, "Didn't receive health check response for proxy on")
    assert len(times) == 3
    assert times[2] - times[0] == pytest.approx(20.0)
    assert not world.cluster.router.proxy.hangs  # the new process is without it
    world.run(160.0)
    assert exported(world, "ray_serve_num_ongoing_http_requests") < 50


def test_a_proxy_that_hangs_for_a_reason_in_its_container_hangs_again(world):
    impose(world, "ray-head", "proxy_hang", layer=Layer.CONTAINER)
    world.run(200.0)
    assert len(said(world, "Shutting down the unhealthy proxy and starting a new one.")) >= 2
    assert world.cluster.router.proxy.hangs


# --- routing ----------------------------------------------------------------------------------------------------


def test_requests_are_spread_evenly(world):
    world.run(300.0)
    succeeded = [replica.stats.ended["stop"] for replica in world.cluster.router.replicas[:3]]
    assert max(succeeded) < 1.2 * min(succeeded)


def test_no_replica_gets_more_than_its_limit(inference_scenario):
    cluster = {"kind": "inference", "preset": "small", "maxOngoingRequests": 3}
    world = World(inference_scenario(cluster=cluster, horizon="120s"), seed=1)
    for time in range(1, 120, 3):
        world.run(time)
        assert all(replica.ongoing <= 3 for replica in world.cluster.router.replicas)
    assert len(world.cluster.router.handle.waiting) > 50


def test_a_scenario_can_bound_the_queue(inference_scenario):
    cluster = {"kind": "inference", "preset": "small", "maxOngoingRequests": 3, "maxQueuedRequests": 10}
    world = World(inference_scenario(cluster=cluster, horizon="120s"), seed=1)
    world.run(100.0)
    assert 8 <= len(world.cluster.router.handle.waiting) <= 10
    assert said(world, "max_queued_requests=10")


def test_a_queue_built_up_by_overload_outlasts_it_but_drains(inference_scenario):
    """Fewer slots for a while: what has queued up keeps the latency high until it is worked off."""
    world = World(inference_scenario(horizon="900s"), seed=1)
    world.run(60.0)
    head, condition = impose(world, "ray-head", "ongoing_limit", 3.0, Layer.CONFIGURATION)
    world.run(120.0)
    waiting = len(world.cluster.router.handle.waiting)
    assert waiting > 40
    head.lift(condition)
    world.run(125.0)
    assert len(world.cluster.router.handle.waiting) < waiting
    world.run(400.0)
    assert len(world.cluster.router.handle.waiting) == 0


def test_a_stale_router_keeps_to_what_it_knew(world):
    router = world.cluster.router
    known = {name: target.length for name, target in router.handle.targets.items()}
    head, condition = impose(world, "ray-head", "router_stale")
    shortest = min(known, key=known.get)
    world.run(160.0)
    shares = {replica.name: replica.ongoing for replica in router.replicas[:3]}
    assert max(shares, key=shares.get) == shortest  # it looks as short as it was
    assert shares[shortest] > 2 * min(shares.values())
    world.components[shortest].die("crash")
    died = world.now
    world.run(200.0)
    assert len([t for t in said(world, "ActorDiedError") if t > died + 1.0]) > 50  # it still sends there
    head.lift(condition)
    world.run(330.0)
    assert len([t for t in said(world, "ActorDiedError") if t > 201.0]) == 0
    assert shortest in router.handle.targets


def test_a_stale_router_whose_favourite_is_full_pauses_between_attempts(inference_scenario):
    cluster = {"kind": "inference", "preset": "small", "maxOngoingRequests": 4}
    world = World(inference_scenario(cluster=cluster, horizon="300s"), seed=1)
    world.run(5.0)
    head, condition = impose(world, "ray-head", "router_stale")
    world.run(60.0)
    handle = world.cluster.router.handle
    assert handle.waiting  # it tries where there is no room
    assert max(replica.ongoing for replica in world.cluster.router.replicas) == 4
    head.lift(condition)
    gateway = world.cluster.gateway
    assert gateway.accepted == gateway.answered + gateway.in_flight


def test_a_new_controller_leaves_alone_what_the_old_one_wanted_to_replace(world, monkeypatch):
    replica = world.components["ray-replicas-1"]
    kind, pid = type(replica), replica.pid
    monkeypatch.setattr(kind, "healthy", property(lambda r: r is not replica or world.now > 98.0))
    world.run(70.5)
    world.components["node-1"].impose(Condition(Layer.NETWORK, "blocked", 1.0, "test"))
    world.run(97.0)
    world.components["ray-head"].die("crash")
    world.run(100.0)
    world.components["node-1"].renew(frozenset({Layer.NETWORK}), by="test")
    world.run(200.0)
    assert replica.pid == pid
    assert replica.name in world.cluster.router.handle.targets


def test_a_slow_answer_about_its_queue_leaves_a_replica_out(world):
    target = world.cluster.router.handle.targets["ray-replicas-1"]
    impose(world, "node-1", "latency", 0.5, Layer.NETWORK)
    target.length = None  # what it was is too old to count
    world.run(61.5)
    assert said(world, "Failed to get queue length from Replica")
    world.run(70.0)
    assert target.length is not None  # the late answer counts for later requests


def test_a_replica_taken_out_by_hand_gets_nothing_until_it_is_let_in(world):
    router, replica = world.cluster.router, world.components["ray-replicas-1"]
    router.excluded.add(replica.name)
    world.run(120.0)
    assert replica.ongoing == 0
    router.excluded.discard(replica.name)
    world.run(140.0)
    assert replica.ongoing > 0


def test_serve_prints_an_access_line_for_every_answer(world):
    world.run(100.0)
    served = sum(" -- POST /v1/chat/completions 200 " in line for line in lines(world, "ray-replicas-0"))
    assert served == world.components["ray-replicas-0"].stats.ended["stop"]


# --- cures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "action", "component", "fields", "category", "cures"),
    [
        ("ServingChaos", "controllerStuck", "ray-head", {}, "restart", True),
        ("ServingChaos", "gcsDown", "ray-head", {}, "restart", True),
        ("ServingChaos", "staleRouter", "ray-head", {"layer": "container"}, "restart", False),
        ("ServingChaos", "staleRouter", "ray-head", {"layer": "container"}, "recreate", True),
        ("ServingChaos", "limits", "ray-head", {"maxOngoingRequests": 5}, "recreate", False),
        ("ServingChaos", "limits", "ray-head", {"maxOngoingRequests": 5}, "rollback-config", True),
        ("GatewayChaos", "timeout", "nginx-proxy", {"timeout": "300ms"}, "restart", False),
        ("GatewayChaos", "timeout", "nginx-proxy", {"timeout": "300ms"}, "rollback-config", True),
        ("GatewayChaos", "wrongPort", "nginx-proxy", {}, "rollback-config", True),
        ("StoreChaos", "unavailable", "model-store", {}, "restart", True),
        ("StoreChaos", "slow", "model-store", {}, "recreate", False),
        ("StoreChaos", "objectsMissing", "model-store", {}, "recreate", False),
    ],
)
def test_what_cures_a_serving_fault_follows_from_its_layer(
    inference_scenario, fault, kind, action, component, fields, category, cures
):
    chosen = fault(kind, action, selector={"components": [component]}, **fields)
    world = World(inference_scenario(chosen), seed=1)
    world.run(80.0)
    ticket = world.apply(Action(category, component, "immediate"))
    assert ticket.legal
    world.run(120.0)
    assert (world.truth.incidents["fault"].cleared is not None) is cures
    assert bool(ticket.relieved) is cures


# --- what is exported -------------------------------------------------------------------------------------------

SERVE = (
    "num_router_requests_total",
    "handle_request_counter_total",
    "deployment_request_counter_total",
    "deployment_error_counter_total",
    "deployment_processing_latency_ms",
    "deployment_queued_queries",
    "deployment_replica_starts_total",
    "deployment_replica_healthy",
    "deployment_status",
    "replica_processing_queries",
    "replica_utilization_percent",
    "num_ongoing_requests_at_replicas",
    "health_check_latency_ms",
    "health_check_failures_total",
    "proxy_status",
    "application_status",
    "controller_num_control_loops",
    "controller_control_loop_duration_s",
    "replica_startup_latency_ms",
    "replica_shutdown_duration_ms",
    "num_http_requests_total",
    "num_http_error_requests_total",
    "num_ongoing_http_requests",
    "http_request_latency_ms",
)
"""Of Ray Serve 2.60's list; autoscaling, multiplexing and HAProxy are not in use and so not exported."""


def test_ray_serves_metrics_have_their_exported_names():
    names = {metric.name.partition("{")[0] for metric in Router.metrics if metric not in container.METRICS}
    assert names == {f"ray_serve_{name}" for name in SERVE}


def test_every_series_has_a_value(world):
    assert len(world.cluster.router.sample()) == len(list(series_of(world.cluster.router.metrics)))
    gateway, store = world.cluster.gateway, world.cluster.store
    assert len(gateway.sample()) == len(gateway.metrics)
    assert len(store.sample()) == len(store.metrics)
