"""The model store: an object store in the cluster with weights and images, and what nodes keep of it on their disks.

A replica that starts where its weights are not yet on the disk downloads them first:

    if not (yield from store.obtain(self, self.node, self.model.name, self.model.weight_bytes)):
        return False  # the start-up failed, and the program has printed why

`fetch` is one download without a cache. Both return whether the bytes arrived.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from twin.components import Component
from twin.inference import container
from twin.inference.messages import hub
from twin.mechanics.layers import Layer
from twin.mechanics.serving import (
    CLIENT_BANDWIDTH,
    FETCH_BACKOFF,
    FETCH_TIMEOUT,
    STORE_BANDWIDTH,
    STORE_LONGEST_STALL,
    STORE_START,
)
from twin.mechanics.supervision import crash_loop_delay
from twin.node import Node
from twin.process import Process, State
from twin.telemetry.records import counter, gauge

if TYPE_CHECKING:
    from twin.world import World

IMAGE = "image"
"""The artefact of the serving image; weights go by their model's name."""


class Transfers:
    """Downloads that share a bandwidth equally, none above `CLIENT_BANDWIDTH`: exact processor sharing.

    All get the same rate, so one number says how far everybody has come: bytes given to each since the beginning
    (`_given`). A download ends when that number has grown by its size.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._clock = store.world.clock
        self._heap: list[tuple[float, int, Event]] = []
        self._given = 0.0
        self._settled = 0.0
        self._rate = 0.0
        self._number = self._plan = 0
        self.sent = 0.0
        """Bytes sent so far."""

    @property
    def active(self) -> int:
        """Downloads in progress."""
        return len(self._heap)

    def begin(self, size: float) -> Event:
        """Start a download; the event succeeds with whether it was completed."""
        self.settle()
        done = self._clock.event()
        self._number += 1
        heappush(self._heap, (self._given + size, self._number, done))
        self.replan()
        return done

    def settle(self) -> None:
        """Account for what has been sent by now."""
        step = (self._clock.now - self._settled) * self._rate
        self._given += step
        self.sent += step * len(self._heap)
        self._settled = self._clock.now

    def replan(self) -> None:
        """Bandwidth or the number of downloads changed."""
        self.settle()
        self._plan += 1
        if not self._heap:
            self._rate = 0.0
            return
        self._rate = min(CLIENT_BANDWIDTH, self._store.bandwidth / len(self._heap))
        if self._rate > 0:
            plan = self._plan
            left = max(0.0, self._heap[0][0] - self._given)
            self._clock.at(self._clock.now + left / self._rate, lambda _: self._first_done(plan))

    def _first_done(self, plan: int) -> None:
        if plan != self._plan:
            return
        self.settle()
        end = self._heap[0][0]
        self._given = max(self._given, end)
        while self._heap and self._heap[0][0] <= self._given:
            heappop(self._heap)[2].succeed(True)
        self.replan()

    def drop(self, done: Event) -> None:
        """A client gave a download up."""
        self.settle()
        self._heap = sorted(entry for entry in self._heap if entry[2] is not done)
        self.replan()

    def break_off(self) -> None:
        """All connections break."""
        self.settle()
        broken, self._heap = self._heap, []
        for _, _, done in sorted(broken, key=lambda entry: entry[1]):
            done.succeed(False)
        self.replan()


class ModelStore(Process):
    """An S3-compatible store (MinIO) that serves weights as a mirror of the Hugging Face hub, and image layers."""

    kind = "model-store"
    program = "minio"
    layers = Process.layers | {Layer.DATA, Layer.NETWORK}
    metrics = (
        counter("minio_s3_requests_total", "requests"),
        counter("minio_s3_requests_errors_total", "requests"),
        gauge("minio_s3_requests_inflight_total", "requests"),
        counter("minio_s3_traffic_sent_bytes", "bytes"),
        *container.METRICS,
    )

    def __init__(self, world: World, name: str, place: Component) -> None:
        super().__init__(world, name, place)
        self.requests = self.errors = 0
        self.transfers = Transfers(self)
        self._kept: dict[str, set[str]] = {}
        """What each node has on its disk, by the node's name."""

    @property
    def bandwidth(self) -> float:
        """Bytes/s that it can send in all."""
        return STORE_BANDWIDTH * self.value("store_rate") if self.serving else 0.0

    @property
    def serving(self) -> bool:
        """Whether it answers."""
        return self.state is State.RUNNING and not self.value("store_refuses")

    # --- what nodes keep --------------------------------------------------------------------------------------

    def has(self, node: Node, artefact: str) -> bool:
        """Whether a node's disk holds weights or an image, by their name."""
        return artefact in self._kept.get(node.name, ())

    def remember(self, node: Node, artefact: str) -> None:
        """A node has them from now on."""
        self._kept.setdefault(node.name, set()).add(artefact)

    def forget(self, node: Node) -> None:
        """A node's disk is empty (another machine has taken its role)."""
        self._kept.pop(node.name, None)

    def obtain(self, client: Component, node: Node, artefact: str, size: float) -> Generator[Any, Any, bool]:
        """Have weights or an image on the node's disk, by a download where they are not; whether they are."""
        if not self.has(node, artefact):
            if not (yield from self.fetch(client, size)):
                return False
            self.remember(node, artefact)
        return True

    # --- downloads --------------------------------------------------------------------------------------------

    def fetch(self, client: Component, size: float) -> Generator[Any, Any, bool]:
        """Download `size` bytes to where `client` runs; returns whether all arrived.

        As huggingface_hub does: an attempt that fails is repeated after 1, 2, 4, 8 and 8 s, a missing object is not.
        """
        for attempt in range(len(FETCH_BACKOFF) + 1):
            error = yield from self._attempt(client, size)
            if error is None:
                return True
            if client.kind == "vllm":
                client.log(hub.FAILED, error)
            if error == hub.NOT_FOUND or attempt == len(FETCH_BACKOFF):
                break
            if client.kind == "vllm":
                client.log(hub.RETRYING, FETCH_BACKOFF[attempt], attempt + 1, len(FETCH_BACKOFF))
            yield self.world.clock.timeout(FETCH_BACKOFF[attempt])
        if client.kind == "vllm":
            client.log(hub.GAVE_UP)
        return False

    def _attempt(self, client: Component, size: float) -> Generator[Any, Any, str | None]:
        """One attempt; None where it worked, else the error."""
        clock, network = self.world.clock, self.world.network
        if not network.reachable(client, self):
            yield clock.timeout(FETCH_TIMEOUT)
            return hub.TIMED_OUT
        if not network.resolves(client):
            return hub.NO_NAME
        yield clock.timeout(network.round_trip(client, self))
        if not self.serving:
            return hub.REFUSED
        self.requests += 1
        if self.value("objects_missing"):
            self.errors += 1
            return hub.NOT_FOUND
        done = self.transfers.begin(size)
        shortest = network.transfer_seconds(self, client, size)
        began = clock.now
        try:
            while not done.processed:
                yield done | clock.timeout(STORE_LONGEST_STALL)
                if not done.triggered and not network.reachable(client, self):
                    return hub.TIMED_OUT
        finally:  # the client may be gone
            if not done.triggered:
                self.transfers.drop(done)
        if not done.value:
            self.errors += 1
            return hub.BROKEN
        if shortest < float("inf"):  # the client's own path may be the narrow part
            yield clock.timeout(max(0.0, began + shortest - clock.now))
        return None

    # --- life -------------------------------------------------------------------------------------------------

    def startup(self) -> Generator[Any, Any, bool]:
        yield self.world.clock.timeout(STORE_START)
        return True

    def on_running(self) -> None:
        self.requests = self.errors = 0
        self.transfers.sent = 0.0

    def on_down(self, reason: str) -> None:
        self.transfers.break_off()

    def conditions_changed(self) -> None:
        super().conditions_changed()
        if self.serving:
            self.transfers.replan()
        else:
            self.transfers.break_off()

    def restart_delay(self) -> float | None:
        return crash_loop_delay(self.deaths)

    def busy(self) -> bool:
        return self.transfers.active > 0

    @property
    def traffic(self) -> tuple[float, float]:
        self.transfers.settle()
        return (0.0, self.transfers.sent)

    def sample(self) -> Sequence[float]:
        self.transfers.settle()
        active, sent = self.transfers.active, self.transfers.sent
        contained = container.values(self, container.OBJECT_STORE, self.requests, 0.0, active, 0.0, sent)
        return (self.requests, self.errors, active, sent, *contained)
