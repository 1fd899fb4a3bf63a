"""The columns of a case of the OpenStack cluster, in RCAEval's names where it has some.

Of each service CPU time and memory, of each that answers requests their number, failures and durations, from spans that
ended within the last minute; of each machine CPU, memory, network and disk. Profile `paper` and `serving` have also the
exporters' own series that policies see, `enriched` has all of them. Counters are rates over a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from twin.telemetry.export.rcaeval.latencies import Latencies
from twin.telemetry.export.rcaeval.past import Column, Pair, Past
from twin.telemetry.export.rcaeval.queries import Query, busy_share, value
from twin.telemetry.export.rcaeval.services import Services
from twin.telemetry.exposition import parted
from twin.telemetry.features import SHOWN
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.records import Profile

BALANCER = "haproxy"
"""The gateway: what it measures are the calls from outside, which are the service-level indicator."""
BALANCED = "haproxy_backend_current_sessions"
"""A metric of every service behind it."""

PREFIXES = (
    "mysql_global_status_",
    "mysql_global_variables_",
    "mysql_",
    "rabbitmq_",
    "haproxy_backend_",
    "haproxy_process_",
    "memcached_",
    "openstack_nova_",
    "openstack_neutron_",
    "openstack_cinder_",
    "openstack_glance_",
    "openstack_identity_",
    "libvirt_domain_",
    "libvirt_",
    "lvm_",
    "node_",
)
"""What exporters put before the name of a metric."""

CLOCKS = frozenset({"node_time_seconds", "node_boot_time_seconds", "mysql_global_status_uptime"})
"""Tell the time: no symptom, and never twice the same."""
COUNTING = frozenset({"mysql_global_status_wsrep_last_committed"})
"""Exported as gauges, only ever larger."""

CPU, MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"
RENAMED = {CPU: "cpu", MEMORY: "mem", "rabbitmq_process_resident_memory_bytes": "mem"}


def pair(latencies: Latencies, source: str, destination: str) -> Pair:
    """A pair of services by their names."""
    return Pair(source, destination, lambda q: latencies.quantile(q, (source, destination)))


def behind_balancer(folder: TelemetryFolder) -> tuple[str, frozenset[str]]:
    """The gateway, and the services whose calls from outside pass it."""
    metrics = folder.metrics.items()
    return BALANCER, frozenset(name for name, shown in metrics if any(metric.name == BALANCED for metric in shown))


def columns(
    folder: TelemetryFolder,
    services: Services,
    past: Past,
    latencies: Latencies,
    profile: Profile,
    kinds: Mapping[str, str],
) -> Iterator[Column]:
    """The columns of every service that may appear; `kinds` are those of the components."""
    for service in services.all:
        name, kind = service.name, kinds[service.name]
        queries = _machine(name, past) if kind == "node" else _requests(name, latencies)
        for metric in folder.metrics.get(name, ()):
            wanted = metric.name in SHOWN[kind] or metric.name in RENAMED or profile == "enriched"
            if wanted and metric.type != "histogram" and metric.name not in CLOCKS:
                samples = past.series(name, metric.name)
                rising = metric.type == "counter" or metric.name in COUNTING
                queries[_named(metric.name)] = samples.rate if rising else value(samples)
        for word, query in queries.items():
            yield Column(f"{name}_{word}", query)


def _machine(name: str, past: Past) -> dict[str, Query]:
    available = past.series(name, "node_memory_MemAvailable_bytes")
    memory = past.series(name, "node_memory_MemTotal_bytes")
    sent = past.series(name, 'node_network_transmit_packets_total{device="eth0"}')
    received = past.series(name, 'node_network_receive_packets_total{device="eth0"}')
    return {
        "cpu": busy_share(past, name),
        "mem": lambda: 1.0 - available.value / memory.value,
        "network": lambda: (sent.rate() + received.rate()) / 1000.0,
        "diskio": past.series(name, 'node_disk_io_time_seconds_total{device="nvme0n1"}').rate,
    }


def _requests(name: str, latencies: Latencies) -> dict[str, Query]:
    return {
        "latency-50": lambda: latencies.quantile(0.5, name),
        "latency-90": lambda: latencies.quantile(0.9, name),
        "workload": lambda: latencies.workload(name),
        "error": lambda: latencies.errors(name),
    }


def _named(series: str) -> str:
    """A metric's name without its exporter's, words joined by hyphens: what follows the underscore of a column."""
    if series in RENAMED:
        return RENAMED[series]
    name, labels = parted(series)
    bare = next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)
    told = (text for label, text in labels.items() if label not in ("device", "mountpoint"))
    return "-".join((bare.removesuffix("_total"), *told)).replace("_", "-").lower()
