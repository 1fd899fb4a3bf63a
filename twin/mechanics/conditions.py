"""Conditions: what a fault changes in the mechanics of a component."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from twin.mechanics.layers import Layer


@dataclass(frozen=True, slots=True)
class Parameter:
    """A quantity of the mechanics that conditions can change: its unit, its healthy value, how several combine."""

    unit: str
    neutral: float
    combine: Callable[[Iterable[float]], float]


def _any_of(shares: Iterable[float]) -> float:
    """The share hit by at least one of several independent shares."""
    return 1.0 - math.prod(1.0 - share for share in shares)


PARAMETERS: dict[str, Parameter] = {
    "power_limit": Parameter("W", math.inf, min),  # board power limit below the default
    "off_bus": Parameter("bool", 0.0, max),  # the device no longer answers on PCIe
    "heat_path": Parameter("ratio", 1.0, math.prod),  # thermal resistance from a GPU to its inlet air
    "thermal_alert": Parameter("bool", 0.0, max),  # a hot spot makes the GPU's hardware divide its clock
    "power_brake": Parameter("bool", 0.0, max),  # the power supply makes the GPU's hardware divide its clock
    "memory_bandwidth": Parameter("ratio", 1.0, math.prod),  # of the device memory, left
    "pcie_width": Parameter("ratio", 1.0, min),  # of the lanes to the host, left
    "nvlink_bandwidth": Parameter("ratio", 1.0, math.prod),  # to the peers, left
    "nvlink_errors": Parameter("1/s", 0.0, sum),  # flits with a wrong CRC, which are sent again
    "nvlink_down": Parameter("links", 0.0, sum),  # links to the peers that have failed for good
    "silent_corruption": Parameter("ratio", 0.0, max),  # of the results, wrong without a sign of it
    "illegal_instruction": Parameter("bool", 0.0, max),  # a context's kernel traps
    "illegal_address": Parameter("bool", 0.0, max),  # a context's kernel touches an unmapped address
    "software_exception": Parameter("bool", 0.0, max),  # a context's channel is stopped by its own software
    "context_removed": Parameter("bool", 0.0, max),  # the operating system takes a context away
    "poisoned_page": Parameter("bool", 0.0, max),  # a context read data with an uncorrectable error
    "row_to_remap": Parameter("rows", 0.0, sum),  # memory rows that a spare will replace from the next reset on
    "no_spare_rows": Parameter("bool", 0.0, max),  # a memory row in use is damaged and has no spare left
    "correctable_errors": Parameter("1/s", 0.0, sum),  # single-bit errors in device memory
    "uncontained_error": Parameter("bool", 0.0, max),  # corrupt data may have reached any context
    "context_switch_hang": Parameter("bool", 0.0, max),  # an engine does not give up its context
    "gsp_silent": Parameter("bool", 0.0, max),  # the GPU System Processor does not answer
    "gsp_fault": Parameter("bool", 0.0, max),  # a task of the GPU System Processor has crashed
    "crash": Parameter("bool", 0.0, max),  # the process cannot live: it dies now and at every start
    "unit_stopped": Parameter("signal", 0.0, max),  # stopped by that signal, and nobody starts it while this lasts
    "killed": Parameter("bool", 0.0, max),  # the same, by SIGKILL: the program does not hear it
    "memory_taken": Parameter("bytes", 0.0, sum),  # resident memory of foreign processes
    "memory_growth": Parameter("bytes/s", 0.0, sum),  # how fast the foreign process reaches that size
    "memory_adjustment": Parameter("ratio", 0.0, min),  # oom_score_adj / 1000 of the foreign processes
    "cpu_stress": Parameter("workers", 0.0, sum),  # foreign runnable threads
    "hang": Parameter("bool", 0.0, max),  # a worker of the engine does not come back from its step
    "collective_hang": Parameter("bool", 0.0, max),  # the same, with its kernels spinning on the GPUs
    "frozen": Parameter("bool", 0.0, max),  # no thread of the container runs
    "memory_leak": Parameter("bytes/s", 0.0, sum),  # growth of the process itself
    "max_num_seqs": Parameter("sequences", 0.0, max),  # rolled out to engines; 0: as deployed
    "gpu_memory_utilization": Parameter("ratio", 0.0, max),  # the same
    "foreign_sessions": Parameter("connections", 0.0, sum),  # that strangers hold on a database server
    "lock_share": Parameter("ratio", 0.0, _any_of),  # of write transactions, meeting rows that a stranger has locked
    "lock_hold": Parameter("s", 0.0, max),  # for which the stranger's transactions last
    "connect_failures": Parameter("ratio", 0.0, _any_of),  # of new connections, dropped by a full listen queue
    "leak_limit": Parameter("bytes", math.inf, min),  # at which a growing process stops to grow
    "service_time": Parameter("ratio", 1.0, math.prod),  # service-time multiplier
    "latency": Parameter("s", 0.0, sum),  # that packets take longer
    "jitter": Parameter("s", 0.0, sum),  # by which that varies, either way
    "correlation": Parameter("ratio", 0.0, max),  # of the delays of packets of one time
    "loss": Parameter("ratio", 0.0, _any_of),  # of packets
    "corruption": Parameter("ratio", 0.0, _any_of),  # of packets, which their checksum reveals
    "duplicate": Parameter("ratio", 0.0, sum),  # of packets
    "bandwidth": Parameter("bytes/s", math.inf, min),  # of a token bucket
    "blocked": Parameter("bool", 0.0, max),  # no packet passes
    "dns_failure": Parameter("bool", 0.0, max),  # names do not resolve
    "disk_taken": Parameter("bytes", 0.0, sum),  # of a machine's disk, by foreign files
    "disk_slowdown": Parameter("ratio", 1.0, math.prod),  # of a machine's disk
    "io_latency": Parameter("s", 0.0, sum),  # that each file operation of a container takes longer
    "io_errors": Parameter("ratio", 0.0, _any_of),  # of the file operations of a container, failing
    "clock_offset": Parameter("s", 0.0, sum),  # of the clock of a machine or a container
    "power_lost": Parameter("bool", 0.0, max),  # a machine's power supply has no input
    "gcs_down": Parameter("bool", 0.0, max),  # Ray's GCS answers no call
    "controller_stuck": Parameter("bool", 0.0, max),  # the Serve controller's loop stands still
    "proxy_hang": Parameter("bool", 0.0, max),  # the Serve proxy accepts connections and says nothing
    "router_stale": Parameter("bool", 0.0, max),  # the proxy's routing table and queue lengths are not updated
    "queue_limit": Parameter("requests", math.inf, min),  # Serve's max_queued_requests
    "ongoing_limit": Parameter("requests", math.inf, min),  # Serve's max_ongoing_requests
    "upstream_timeout": Parameter("s", math.inf, min),  # nginx's proxy_read_timeout
    "upstream_port_wrong": Parameter("bool", 0.0, max),  # nginx's proxy_pass names a port nobody listens on
    "connection_limit": Parameter("connections", math.inf, min),  # nginx's worker_connections
    "store_refuses": Parameter("bool", 0.0, max),  # the store's port refuses connections
    "store_rate": Parameter("ratio", 1.0, math.prod),  # share of its bandwidth that the store can send
    "objects_missing": Parameter("bool", 0.0, max),  # the store answers 404 for weights and images
    "arrival_rate": Parameter("ratio", 1.0, math.prod),  # of the usual rate of calls
    "arrival_ramp": Parameter("s", 0.0, max),  # over which a crowd gathers
    "prompt_length": Parameter("ratio", 1.0, math.prod),  # of the usual prompts
    "output_length": Parameter("ratio", 1.0, math.prod),  # of the usual outputs
    "shifted_share": Parameter("ratio", 1.0, min),  # of the calls whose lengths changed
    "client_timeout": Parameter("s", math.inf, min),  # how long clients wait for a whole answer
    "client_retries": Parameter("attempts", 0.0, sum),  # more than usual
    "client_backoff": Parameter("ratio", 1.0, math.prod),  # of the usual pause before a retry
    "abuse_rate": Parameter("1/s", 0.0, sum),  # calls of a client that asks too much
    "abuse_prompt": Parameter("tokens", 0.0, max),  # of each of its calls
    "abuse_output": Parameter("tokens", 0.0, max),
    "fernet_mismatch": Parameter("ratio", 0.0, max),  # of keystone's processes, with other keys than the rest
    "certificate_expired": Parameter("bool", 0.0, max),  # of what ends TLS: no client accepts it
    "workers_held": Parameter("workers", 0.0, sum),  # of a service, by requests that never end
    "broker_password_wrong": Parameter("bool", 0.0, max),  # rolled out to a service: the broker refuses its login
    "cpu_allocation_ratio": Parameter("ratio", math.inf, min),  # rolled out to a compute host; infinite: as deployed
    "mutation": Parameter("calls", 0.0, sum),  # of the program, changed by a bad release
    "libvirt_hang": Parameter("bool", 0.0, max),  # libvirtd's threads wait for a lock nobody gives back
    "stuck_guests": Parameter("guests", 0.0, max),  # on a host, whose qemu answers nobody
    "noisy_guests": Parameter("guests", 0.0, max),  # of one tenant on a host, that work hard
    "guest_cpu": Parameter("cores", 0.0, max),  # that each of them wants
    "guest_streams": Parameter("streams", 0.0, max),  # of requests to the disk that each of them keeps going
    "flows_lost": Parameter("ratio", 0.0, max),  # of a bridge's ports whose flows are gone
    "dhcp_dead": Parameter("level", 0.0, max),  # 1: dnsmasq was killed; 2: it dies whenever it is started
    "mtu": Parameter("bytes", math.inf, min),  # of a machine's interface to the others
    "backend_taken": Parameter("ratio", 0.0, max),  # of a storage pool, by data nobody in this cloud knows
    "target_down": Parameter("bool", 0.0, max),  # a storage backend's target takes no connection
    "image_corrupt": Parameter("bool", 0.0, max),  # the image store's data is not what its checksum says
}
"""Every parameter a condition may name."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Which packets of a component a condition concerns: those it sends, receives or both, to or from whom."""

    direction: Literal["to", "from", "both"] = "to"
    peers: frozenset[str] = frozenset()
    """Names of the components (or nodes) at the other end; empty for all."""
    own: frozenset[str] = frozenset()
    """Names of the components at this end, where a machine's rule concerns some of its programs only."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One change of mechanics: `parameter` has `value` as long as `layer` is not renewed or the fault lifted.

    `cause` is the name of the fault; it is ground truth and is never shown to an interpreter or policy.
    """

    layer: Layer
    parameter: str
    value: float
    cause: str
    traffic: Traffic = Traffic()
    """Of parameters that concern packets, which packets."""
    code: str = ""
    """Of a mutation, what it changes in the program (`twin.openstack.mutation.operators.Mutation.text`)."""

    def __post_init__(self) -> None:
        if self.parameter not in PARAMETERS:
            raise ValueError(f"no such parameter: {self.parameter}; known: {', '.join(PARAMETERS)}")


def effective(conditions: Iterable[Condition], parameter: str) -> float:
    """The combined value of `parameter` under the given conditions, or its neutral value."""
    known = PARAMETERS[parameter]
    values = [c.value for c in conditions if c.parameter == parameter]
    return float(known.combine(values)) if values else known.neutral
