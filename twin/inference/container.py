"""What cAdvisor exposes of a container that is no engine: nginx, Ray's head, the model store.

Its CPU time is what it needs when idle and what its requests cost; its memory grows with those that are open. An
engine's container has a control group of its own (`twin.inference.cgroup`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.mechanics.host import PACKET_BYTES
from twin.telemetry.records import Metric, counter, gauge

if TYPE_CHECKING:
    from twin.process import Process

METRICS: tuple[Metric, ...] = (
    gauge("container_memory_working_set_bytes", "bytes", None),
    counter("container_cpu_usage_seconds_total", "s", None),
    counter("container_network_transmit_bytes_total", "bytes", None),
    counter("container_network_receive_bytes_total", "bytes", None),
    counter("container_network_transmit_packets_total", "packets", None),
    counter("container_network_receive_packets_total", "packets", None),
    gauge("container_start_time_seconds", "s", None),
)

IDLE_TRAFFIC = 4e3
"""Bytes a second each way of a container without requests: health checks and scrapes (assumed)."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a program's work costs it: cores when idle, CPU seconds of a request and of a token of its answer, bytes
    of an open request. All assumed; together no more than the 0.1 cores that its node counts for it."""

    idle: float
    request: float
    token: float
    memory: float


NGINX = Costs(0.005, 1e-4, 1.5e-5, 64e3)
"""A chunk of a streamed answer is a read and a write; an open request holds two sets of proxy buffers."""
RAY_HEAD = Costs(0.02, 1e-3, 5e-5, 250e3)
"""GCS, controller and dashboard; the proxy handles each chunk in Python."""
OBJECT_STORE = Costs(0.01, 1e-3, 0.0, 4e6)


def values(
    process: Process, costs: Costs, requests: float, tokens: float, open_requests: int, received: float, sent: float
) -> tuple[float, ...]:
    """The values of `METRICS`; requests, tokens, and bytes on its own interface, since the process started."""
    world = process.world
    age = world.now - process.started_at
    other = IDLE_TRAFFIC * age
    received, sent = received + other, sent + other
    return (
        process.resident_memory + costs.memory * open_requests,
        costs.idle * age + costs.request * requests + costs.token * tokens,
        sent,
        received,
        sent / PACKET_BYTES,
        received / PACKET_BYTES,
        world.epoch + process.started_at + process.clock_offset,
    )
