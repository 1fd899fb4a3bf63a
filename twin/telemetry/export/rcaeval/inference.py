"""The columns of a case of the inference cluster.

Profile `paper` has those of the study (exalsius/rca-llm, export_rca_data.py), by its own queries: rates over a minute,
of the working set's gauge as well, and the square of thousands of packets. `serving` adds what engines, gateway and
head say of themselves, `enriched` what DCGM says of the GPUs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from twin.mechanics.gpu_clocks import POWER, THERMAL, ClockEvent
from twin.telemetry.export.promql import Samples
from twin.telemetry.export.rcaeval.past import Buckets, Column, Pair, Past
from twin.telemetry.export.rcaeval.queries import (
    Query,
    average,
    bits_set,
    busy_share,
    finite,
    highest,
    of_both,
    quantile,
    rates,
    total,
    value,
)
from twin.telemetry.export.rcaeval.services import Service, Services
from twin.telemetry.exposition import parted, written
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.records import Profile

MEASURED = "istio_request_duration_milliseconds"
"""The waypoint's histogram of a pair of apps."""

ENGINE_MEANS = {
    "ttft": "vllm:time_to_first_token_seconds",
    "tpot": "vllm:inter_token_latency_seconds",
    "e2e": "vllm:e2e_request_latency_seconds",
    "queue-time": "vllm:request_queue_time_seconds",
}
"""Histograms of which the mean and the 90th percentile are shown, seconds."""
ENGINE_GAUGES = {
    "running": "vllm:num_requests_running",
    "waiting": "vllm:num_requests_waiting",
    "cache-usage": "vllm:kv_cache_usage_perc",
}
ENGINE_RATES = {
    "prompt-tokens": "vllm:prompt_tokens_total",
    "output-tokens": "vllm:generation_tokens_total",
    "preemptions": "vllm:num_preemptions_total",
    "cache-queries": "vllm:prefix_cache_queries_total",
    "cache-hits": "vllm:prefix_cache_hits_total",
    "finished": 'vllm:request_success_total{finished_reason="stop"}',
}
GATEWAY_GAUGES = {"connections": "nginx_connections_active"}
GATEWAY_RATES = {
    "requests": "nginx_http_requests_total",
    "answers-2xx": 'nginx_http_response_count_total{status="2xx"}',
    "answers-4xx": 'nginx_http_response_count_total{status="4xx"}',
    "answers-5xx": 'nginx_http_response_count_total{status="5xx"}',
}
HEAD_GAUGES = {
    "queued": "ray_serve_deployment_queued_queries",
    "ongoing": "ray_serve_num_ongoing_http_requests",
    "healthy-replicas": "ray_serve_deployment_replica_healthy",
    "proxy-status": "ray_serve_proxy_status",
}
HEAD_RATES = {
    "routed": "ray_serve_num_router_requests_total",
    "errors-500": 'ray_serve_num_http_error_requests_total{error_code="500"}',
    "errors-503": 'ray_serve_num_http_error_requests_total{error_code="503"}',
    "check-failures": "ray_serve_health_check_failures_total",
    "control-loops": "ray_serve_controller_num_control_loops",
}
STORE_GAUGES = {"inflight": "minio_s3_requests_inflight_total"}
STORE_RATES = {
    "requests": "minio_s3_requests_total",
    "errors": "minio_s3_requests_errors_total",
    "sent-bytes": "minio_s3_traffic_sent_bytes",
}
GPU_GAUGES = {
    "gpu-sm-clock": "DCGM_FI_DEV_SM_CLOCK",
    "gpu-memory-clock": "DCGM_FI_DEV_MEM_CLOCK",
    "gpu-power": "DCGM_FI_DEV_POWER_USAGE",
    "gpu-temperature": "DCGM_FI_DEV_GPU_TEMP",
    "gpu-memory-temperature": "DCGM_FI_DEV_MEMORY_TEMP",
    "gpu-utilization": "DCGM_FI_DEV_GPU_UTIL",
    "gpu-memory-used": "DCGM_FI_DEV_FB_USED",
    "gpu-tensor-active": "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    "gpu-dram-active": "DCGM_FI_PROF_DRAM_ACTIVE",
    "gpu-xid": "DCGM_FI_DEV_XID_ERRORS",
    "gpu-row-remap-pending": "DCGM_FI_DEV_ROW_REMAP_PENDING",
    "gpu-row-remap-failure": "DCGM_FI_DEV_ROW_REMAP_FAILURE",
}
GPU_RATES = {
    "gpu-power-violation": "DCGM_FI_DEV_POWER_VIOLATION",
    "gpu-thermal-violation": "DCGM_FI_DEV_THERMAL_VIOLATION",
    "gpu-pcie-replays": "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
    "gpu-nvlink-bytes": "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
    "gpu-nvlink-errors": "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",
    "gpu-corrected-errors": "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
    "gpu-uncorrected-errors": "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
}
THROTTLED = {"power": POWER, "thermal": THERMAL, "hardware": ClockEvent.HW_SLOWDOWN}
"""Reasons why a clock is lowered, 1 where one of a group's bits is set."""
EVENTS = "DCGM_FI_DEV_CLOCKS_EVENT_REASONS"

ALARMING = ("gpu-xid", "gpu-row-remap-pending", "gpu-row-remap-failure")
"""What says that something is wrong with one of several GPUs."""

OF_KIND: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "nginx": (GATEWAY_GAUGES, GATEWAY_RATES),
    "ray-head": (HEAD_GAUGES, HEAD_RATES),
    "vllm": (ENGINE_GAUGES, ENGINE_RATES),
    "model-store": (STORE_GAUGES, STORE_RATES),
}
"""Gauges and counters of each kind of component."""


def pairs(folder: TelemetryFolder, services: Services, past: Past) -> list[Pair]:
    """Who calls whom, as the waypoint measures it: the quantile of what ended between the last two scrapes."""
    found = []
    for component, metrics in folder.metrics.items():
        for metric in metrics:
            name, labels = parted(metric.name)
            if name == MEASURED:
                source, destination = (services.by_component[labels[end]] for end in ("source_app", "destination_app"))
                found.append(Pair(source, destination, _durations(past.histogram(component, written(name, labels)))))
    return found


def _durations(buckets: Buckets) -> Callable[[float], float]:
    return lambda q: buckets.quantile(q, Samples.irate)


def columns(
    services: Services, past: Past, latencies: Sequence[Pair], profile: Profile, kinds: Mapping[str, str]
) -> Iterator[Column]:
    """The columns of every service that may appear; `kinds` are those of the components."""
    for service in services.all:
        cpu = rates([past.series(c, "container_cpu_usage_seconds_total") for c in service.components])
        queries = {"ctn_cpu": cpu, **_container(service, past, cpu), **_durations_of(service, latencies)}
        if profile != "paper":
            for component in service.components:
                queries |= _serving(component, kinds[component], past)
        if profile == "enriched":
            queries |= _enriched(service, past, cpu)
        for metric, query in queries.items():
            yield Column(f"{service.name}_{metric}", query)


def _container(service: Service, past: Past, cpu: Query) -> dict[str, Query]:
    """The study's columns of a container, and those of its machine while the container is there."""
    members, host = service.components, service.host
    packets = rates([past.series(c, "container_network_transmit_packets_total") for c in members])
    memory = rates([past.series(c, "container_memory_working_set_bytes") for c in members])
    devices = range(len(service.gpus))
    gpus = [past.series(c, f'ray_node_gpus_utilization{{GpuIndex="{i}"}}') for c in members for i in devices]
    sent = past.series(host, 'node_network_transmit_packets_total{device="eth0"}')
    available = past.series(host, "node_memory_MemAvailable_bytes")
    memory_total = past.series(host, "node_memory_MemTotal_bytes")

    def network() -> float:
        thousands = packets() / 1000.0
        return thousands * thousands if thousands > 0.0 else 0.0

    def while_it_runs(query: Query) -> Query:
        return lambda: query() if finite(cpu()) else cpu()

    return {
        "ctn_network": while_it_runs(network),
        "ctn_memory": lambda: memory() / 1000.0,
        "ctn_gpu": average(gpus) if gpus else while_it_runs(lambda: 0.0),
        "node_cpu": while_it_runs(busy_share(past, host)),
        "node_network": while_it_runs(lambda: sent.rate() / 1000.0),
        "node_memory": while_it_runs(lambda: 1.0 - available.value / memory_total.value),
    }


def _durations_of(service: Service, latencies: Sequence[Pair]) -> dict[str, Query]:
    """The sums over all pairs that a service is part of, as the study has them."""
    mine = [pair for pair in latencies if service.name in (pair.source, pair.destination)]
    if not mine:
        return {}
    return {
        "latency-50": lambda: total(pair.quantile(0.5) for pair in mine),
        "latency-90": lambda: total(pair.quantile(0.9) for pair in mine),
    }


def _serving(component: str, kind: str, past: Past) -> dict[str, Query]:
    """What a program says of itself."""
    gauges, counters = OF_KIND[kind]
    queries: dict[str, Query] = {metric: value(past.series(component, name)) for metric, name in gauges.items()}
    queries |= {metric: past.series(component, name).rate for metric, name in counters.items()}
    for metric, name in ENGINE_MEANS.items() if kind == "vllm" else ():
        queries[metric] = of_both(past.series(component, f"{name}_sum"), past.series(component, f"{name}_count"))
        queries[f"{metric}-90"] = quantile(past.histogram(component, name), 0.9)
    return queries


def _enriched(service: Service, past: Past, cpu: Query) -> dict[str, Query]:
    """What DCGM says of a service's GPUs, from when its container was first seen: means and sums over them, the highest
    of what is alarming."""
    if not service.gpus:
        return {}
    queries: dict[str, Query] = {}
    for metric, name in GPU_GAUGES.items():
        samples = [past.series(gpu, name) for gpu in service.gpus]
        queries[metric] = highest(samples) if metric in ALARMING else average(samples)
    for metric, name in GPU_RATES.items():
        queries[metric] = rates([past.series(gpu, name) for gpu in service.gpus])
    events = [past.series(gpu, EVENTS) for gpu in service.gpus]
    queries |= {f"gpu-throttled-{reason}": bits_set(events, bits) for reason, bits in THROTTLED.items()}
    seen = False

    def once_seen(query: Query) -> Query:
        def ask() -> float:
            nonlocal seen
            seen = seen or finite(cpu())
            return query() if seen else cpu()

        return ask

    return {metric: once_seen(query) for metric, query in queries.items()}
