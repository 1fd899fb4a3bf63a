"""Ray's head: one pod with the GCS, the Serve controller and the proxy that routes requests to replicas."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.inference import container
from twin.inference.cgroup import ANSWER_BYTES_PER_TOKEN
from twin.inference.messages import serve
from twin.inference.ray import Controller, Gcs, Handle, Proxy
from twin.inference.replica import Replica
from twin.inference.request import Request
from twin.inference.waypoint import Waypoint
from twin.mechanics.layers import Layer
from twin.mechanics.serving import (
    APPLICATION_RUNNING,
    APPLICATION_UNHEALTHY,
    DEPLOYMENT_HEALTHY,
    DEPLOYMENT_UNHEALTHY,
    HEAD_START,
    LATENCY_BUCKETS_MS,
    PROXY_HEALTHY,
    PROXY_UNHEALTHY,
)
from twin.mechanics.supervision import crash_loop_delay
from twin.process import Process, State
from twin.streams import Stream
from twin.telemetry.histogram import Histogram
from twin.telemetry.records import counter, gauge, histogram

if TYPE_CHECKING:
    from twin.inference.gateway import Gateway
    from twin.world import World

PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class ReplicaContext:
    """What Serve prints before a replica's line: deployment, replica, request. Its id is drawn for who reads it."""

    replica: str
    request: int
    ids: Stream = field(compare=False)

    def __str__(self) -> str:
        return f"llm_VLLMDeployment {self.replica} {self.ids.uuid(self.request)}"


class Router(Process):
    """The head pod. Its parts fail one by one (`twin.inference.ray`) or, with the process, together."""

    kind = "ray-head"
    program = "ray::ServeController"
    metrics = (
        counter("ray_serve_num_router_requests_total", "requests"),
        counter('ray_serve_num_http_error_requests_total{error_code="500"}', "requests"),
        counter('ray_serve_num_http_error_requests_total{error_code="503"}', "requests"),
        counter('ray_serve_num_http_error_requests_total{error_code="499"}', "requests", profile=None),
        gauge("ray_serve_deployment_queued_queries", "requests", profile="serving"),
        gauge("ray_serve_num_ongoing_http_requests", "requests"),
        gauge("ray_serve_deployment_replica_healthy", "replicas"),
        counter("ray_serve_health_check_failures_total", "checks", profile="serving"),
        gauge("ray_serve_proxy_status", profile="serving"),
        gauge("ray_serve_deployment_status", profile=None),
        gauge("ray_serve_application_status", profile=None),
        counter("ray_serve_handle_request_counter_total", "requests", profile=None),
        counter("ray_serve_deployment_request_counter_total", "requests", profile=None),
        counter("ray_serve_deployment_replica_starts_total", "starts", profile=None),
        gauge("ray_serve_replica_processing_queries", "requests", profile=None),
        gauge("ray_serve_num_ongoing_requests_at_replicas", "requests", profile=None),
        gauge("ray_serve_replica_utilization_percent", "%", profile=None),
        counter("ray_serve_num_http_requests_total", "requests", profile=None),
        counter("ray_serve_deployment_error_counter_total", "requests", profile=None),
        # Ray exports this one as a gauge that only grows; as a counter it is read as what it says, a rate.
        counter("ray_serve_controller_num_control_loops", "passes", profile="serving"),
        gauge("ray_serve_controller_control_loop_duration_s", "s", profile=None),
        histogram("ray_serve_http_request_latency_ms", LATENCY_BUCKETS_MS, "ms"),
        histogram("ray_serve_deployment_processing_latency_ms", LATENCY_BUCKETS_MS, "ms"),
        histogram("ray_serve_health_check_latency_ms", LATENCY_BUCKETS_MS, "ms"),
        histogram("ray_serve_replica_startup_latency_ms", LATENCY_BUCKETS_MS, "ms"),
        histogram("ray_serve_replica_shutdown_duration_ms", LATENCY_BUCKETS_MS, "ms"),
        *container.METRICS,
    )

    def __init__(self, world: World, name: str, place: Component, max_ongoing: int) -> None:
        super().__init__(world, name, place)
        self.replicas: list[Replica] = []
        self.gateway: Gateway | None = None
        self.max_queued = math.inf
        """Serve's `max_queued_requests`; unlimited by default."""
        self._max_ongoing = max_ongoing
        self._completed = self._cancelled = 0
        self._submitted = 0
        self._received = 0.0
        self._processing = Histogram(LATENCY_BUCKETS_MS)
        self.waypoint: Waypoint | None = None
        """Measures the requests on their way from the gateway."""
        self._was_stale = False
        self._replica_ids: dict[tuple[str, int], str] = {}
        self.gcs = Gcs(self)
        self.controller = Controller(self)
        self.handle = Handle(self)
        self.proxy = Proxy(self)

    def join_mesh(self, caller: str) -> None:
        """From now on a waypoint measures the requests that come from `caller`."""
        self.waypoint = Waypoint(caller, self.name)
        self.metrics = (*self.metrics, self.waypoint.metric)

    @property
    def max_ongoing(self) -> float:
        """Serve's `max_ongoing_requests`, as configured now."""
        return min(self._max_ongoing, self.value("ongoing_limit"))

    @property
    def excluded(self) -> set[str]:
        """Replicas that operators took out of the routing table."""
        return self.handle.excluded

    @property
    def accepting(self) -> bool:
        """Whether connections to its port are accepted."""
        return self.state is State.RUNNING and self.proxy.running

    @property
    def node_id(self) -> str:
        """Ray's id of the node it is on."""
        place = self.place.name if self.place is not None else ""
        return self.world.streams["ray/node"].hexadecimal(56, place)

    # --- requests ---------------------------------------------------------------------------------------------

    def submit(self, request: Request) -> None:
        """A request arrives from the gateway."""
        if self.accepting:
            self._submitted += 1
            self.proxy.receive(request)

    def abort(self, request: Request) -> None:
        """The gateway gave the request up."""
        self.proxy.abort(request)

    def on_first_token(self, request: Request) -> None:
        """A replica's first token arrives."""
        self.proxy.first_token(request)

    def on_finished(self, request: Request) -> None:
        """A replica's last token arrives."""
        self._received += ANSWER_BYTES_PER_TOKEN * request.generated
        self.proxy.finished(request)

    def left(self, replica: Replica, request: Request, cancelled: bool) -> None:
        """A replica has served a request, or was told to stop: what Serve's wrapper in it counts and prints."""
        self._completed += not cancelled
        self._cancelled += cancelled
        elapsed = 1000.0 * (self.world.now - request.dispatched)
        self._processing.observe(elapsed)
        if not replica.muted:
            # A status that has been sent stands, whatever comes after it.
            status = serve.CANCELLED if cancelled and request.first_token is None else 200
            context = ReplicaContext(self.replica_id(replica), request.id, self.world.streams["request"])
            line = (context, PATH, status, elapsed)
            self.world.recorder.log(self.world.now, replica.name, serve.ACCESS, line, replica.clock_offset)

    def last_chunk(self, request: Request) -> float:
        """When the newest chunk of a stream left here (seconds): its newest token, unless something is in between."""
        replica = self.world.components[request.replica]
        assert isinstance(replica, Replica)
        cut_off = min(self.proxy.hangs_since, self.gcs.silent_since(replica))
        if not self.world.network.reachable(replica, self):
            cut_off = min(cut_off, self.world.now)
        return min(replica.newest_token(request), cut_off)

    # --- replicas ---------------------------------------------------------------------------------------------

    def replica_up(self, replica: Replica) -> None:
        """A replica passed its first health check."""
        if self.up:
            self.controller.replica_up(replica)

    def replica_down(self, replica: Replica, lost: Sequence[Request], crashed: bool) -> None:
        """A replica's process is gone and so are its requests: Serve does not run a request twice."""
        pid = replica.pid

        def arrive() -> None:
            if not self.up:
                return
            error = serve.ACTOR_DIED if self.gcs.answers else serve.ACTOR_UNAVAILABLE
            for request in self.handle.lost(replica, pid):
                self.proxy.fail(request, error)
            self.controller.replica_down(replica, crashed)
            self.handle.dispatch()

        if replica.node.up:  # a machine without power sends no word
            self.world.network.deliver(replica, self, arrive, ("gone", pid))

    def create_actor(self, replica: Replica | None = None) -> Generator[Any, Any, None]:
        """Until the head can place an actor (in that replica's pod): the controller decides, the GCS creates."""
        reachable = self.world.network.reachable
        while not (self.controller.acts and self.gcs.answers and (replica is None or reachable(self, replica))):
            yield self.world.clock.timeout(1.0)
        if replica is not None:
            self.controller.actor_created(replica)

    def replica_id(self, replica: Replica, pid: int | None = None) -> str:
        """Serve's name of a replica's process."""
        key = replica.name, pid or replica.pid
        if key not in self._replica_ids:
            self._replica_ids[key] = self.world.streams["replica"].hexadecimal(8, *key)
        return self._replica_ids[key]

    # --- life -------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.world.clock.timeout(HEAD_START)
        return True

    def on_running(self) -> None:
        self._completed = self._cancelled = self._submitted = 0
        self._received = 0.0
        self._processing = Histogram(LATENCY_BUCKETS_MS)
        self.proxy.start()
        self.proxy.conditions_changed()
        self.gcs.start()
        self.controller.start()

    def on_down(self, reason: str) -> None:
        """Connections break: the replicas see their clients go away and abort what they had."""
        self.proxy.stop()
        self.controller.running.clear()

    def conditions_changed(self) -> None:
        super().conditions_changed()
        if not self.up:
            return
        self.proxy.conditions_changed()
        if self._was_stale and not self.handle.stale:
            self.handle.refresh()
        self._was_stale = self.handle.stale
        self.controller.conditions_changed()

    def renew_part(self, parameters: frozenset[str]) -> None:
        """One of its programs starts anew: conditions of that program's memory are gone."""
        gone = [c for c in self.conditions if c.layer is Layer.PROCESS and c.parameter in parameters]
        if gone:
            self.conditions = [c for c in self.conditions if c not in gone]
            self.world.truth.cleared(self.name, gone, self.world.now, "supervisor")
            self.conditions_changed()

    def restart_delay(self) -> float | None:
        return crash_loop_delay(self.deaths)

    def busy(self) -> bool:
        return bool(self.proxy.open)

    @property
    def traffic(self) -> tuple[float, float]:
        """With replicas, on other machines."""
        return (self._received, self.handle.sent_bytes)

    def sample(self) -> Sequence[float]:
        controller, handle, proxy = self.controller, self.handle, self.proxy
        healthy = len(controller.running)
        whole = not controller.replacing and healthy == sum(r.state is not State.ABSENT for r in self.replicas)
        processing = sum(len(t.sent) for t in handle.targets.values())
        room = healthy * self.max_ongoing
        return (
            handle.routed,
            proxy.errors[500],
            proxy.errors[503],
            proxy.disconnects,
            len(handle.waiting),
            len(proxy.open),
            healthy,
            controller.check_failures,
            PROXY_HEALTHY if proxy.running else PROXY_UNHEALTHY,
            DEPLOYMENT_HEALTHY if whole else DEPLOYMENT_UNHEALTHY,
            APPLICATION_RUNNING if whole else APPLICATION_UNHEALTHY,
            handle.routed,
            self._completed,
            controller.starts,
            processing,
            processing,
            100.0 * processing / room if room else 0.0,
            proxy.requests,
            self._cancelled,
            controller.passes,
            controller.pass_seconds,
            *proxy.latency.values(),
            *self._processing.values(),
            *controller.check_latency.values(),
            *controller.startup_latency.values(),
            *controller.shutdown_duration.values(),
            *self._container(),
            *(self.waypoint.values() if self.waypoint is not None else ()),
        )

    def _container(self) -> tuple[float, ...]:
        """What goes to replicas has come from the gateway, and what comes from them goes there."""
        passed = self._received + self.handle.sent_bytes
        tokens = self._received / ANSWER_BYTES_PER_TOKEN
        costs = container.RAY_HEAD
        return container.values(self, costs, self._submitted, tokens, len(self.proxy.open), passed, passed)
