"""Speed and memory of the OpenStack twin, everything recorded.

Twenty hosts with half an API request a second, with builds and with requests that only read; and a thousand hosts with
ten thousand servers, in a process of its own, whose peak memory is nobody else's. Requests are those that nova-api
answered, by its own lines.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from experiments.bench.openstack import worlds
from experiments.bench.rows import Row, at_least, at_most, skipped
from twin.scenario import Scenario
from twin.world import World

SPEED, HOSTS, REQUESTS = 500.0, 20, 0.5
REAL_TIME, MEMORY = 1.0, 2048.0
LARGE_HOSTS, LARGE_SERVERS = 1000, 10_000
SERVER_REQUESTS = 12.0
"""Requests to nova-api of one server's life on an idle cloud: a creation, polls, a deletion, neutron's events."""
SETTLED = 120.0
"""Seconds after which a cloud counts."""


def rows(quick: bool, long: bool) -> Iterator[Row]:
    """Simulated seconds per CPU-second, and what the large cloud needs."""
    horizon = 120.0 if quick else 900.0
    reads = {"requests": f"{REQUESTS}/s"}
    builds = {"requests": f"{REQUESTS / 2}/s", "arrivals": {"poisson": f"{REQUESTS / 2 / SERVER_REQUESTS}/s"}}
    yield busy_row(f"{HOSTS} hosts, requests that read", reads, horizon)
    yield busy_row(f"{HOSTS} hosts, half of the requests for builds", builds, horizon)
    name = f"{LARGE_HOSTS:,} hosts, {LARGE_SERVERS:,} servers"
    if not long:
        yield skipped(name, "needs --long")
        return
    measured = alone(f"large({LARGE_HOSTS}, {LARGE_SERVERS}, 300.0)")
    anchor = (
        f"built in {measured['build']:,.0f} CPU-s; {measured['servers']:,.0f} servers, {measured['lines']:.0f} lines/s"
    )
    yield at_least(name, measured["speed"], "simulated s / CPU-s", REAL_TIME, anchor)
    yield at_most(f"{name}: peak memory", measured["peak"], "MiB", MEMORY)


def scenario(cluster: dict[str, Any], workload: dict[str, Any], horizon: float) -> Scenario:
    """A healthy cloud without warm-up, everything recorded and scraped."""
    spec = {"cluster": {"kind": "openstack", **cluster}, "workload": workload, "horizon": f"{horizon}s"}
    head = {"apiVersion": "healtwin/v1", "kind": "Scenario", "metadata": {"name": "bench"}}
    return Scenario.parse(json.dumps({**head, "spec": spec | {"control": {"warmup": "0s"}}}))


def busy_row(name: str, load: dict[str, Any], horizon: float) -> Row:
    """Twenty hosts with ten servers each, whose owners send half a request a second."""
    workload = {"tenants": {"servers": 10 * HOSTS}, **load}
    world = World(scenario({"preset": "medium", "computes": HOSTS, "spares": 0}, workload, SETTLED + horizon), seed=1)
    world.run(until=SETTLED)
    began = time.process_time()
    world.run()
    spent = time.process_time() - began
    answered = sum('" status: ' in line.text for line in worlds.lines(world, "nova-api", start=SETTLED))
    logged = len(world.recorder.logs_between(SETTLED, world.now))
    anchor = f"{answered / horizon:.2f} answers/s of nova-api, {logged / horizon:.0f} lines/s"
    return at_least(name, horizon / spent, "simulated s / CPU-s", SPEED, anchor)


def alone(call: str) -> dict[str, float]:
    """What a function of this module measures in a fresh process."""
    program = f"import json; from {__name__} import *; print(json.dumps({call}))"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def large(hosts: int, servers: int, horizon: float) -> dict[str, float]:
    """Live a large cloud with that many servers: CPU-seconds to build it, speed after that, peak memory in MiB."""
    import resource

    began = time.process_time()
    workload = {"tenants": {"servers": servers}, "requests": f"{REQUESTS}/s"}
    world = World(scenario({"preset": "large", "computes": hosts, "spares": 0}, workload, horizon), seed=1)
    built = time.process_time()
    world.run()
    spent = time.process_time() - built
    there = len(world.cluster.site.tables.servers)  # type: ignore[attr-defined]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    lines = world.recorder.logged / horizon
    return {"build": built - began, "speed": horizon / spent, "peak": peak, "servers": there, "lines": lines}
