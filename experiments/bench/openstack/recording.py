"""A recorded control plane with two faults, and the twin living through the same.

The recording is nova 26 (Zed) with three nova-computes on the fake driver: servers that need no time to start, so its
times are those of the control plane. Preset `fake-driver` has a pace for each of six services, each fitted on a median
of that service's own lines in normal running, and one spread, fitted on the API lines (`twin.mechanics.hypervisor`,
PACES): other jobs held more than one of the machine's two cores. Neither the sets of services, nor the seconds to
`down`, nor the times to ACTIVE are fitted; the latter are made of the former. Services that were not recorded (libvirt,
cinder, heat) are left out. Seventeen servers are all there is of normal running: for as many out of one distribution
the distance stays below 0.32 in 95 % of cases.
"""

from __future__ import annotations

import csv
import json
import lzma
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from experiments.bench.openstack import boots, worlds
from experiments.bench.openstack.lines import RECORDING, Line, of_twin
from experiments.bench.openstack.lines import recording as recorded_lines
from experiments.bench.openstack.measures import jaccard, kolmogorov_smirnov, quantile
from experiments.bench.rows import Row, at_least, at_most, within
from twin.world import World

SCENARIO = "openstack-recording"
AFTERMATH = 60.0
"""Seconds after the restart that still belong to a fault: stale connections fail only when they are next used."""
RISE = 2.0
"""A rate of ERROR lines has risen where it is more than so many times what it was before the first fault."""
SEEDS = 20
"""Lives of the twin, each with another luck: how a client's polls lie to the periodic tasks is one draw a life, and
moves its distance between 0.18 and 0.28."""
SIMILARITY, DOWN, DISTANCE = 0.7, (48.0, 62.0), 0.25


@dataclass(frozen=True, slots=True)
class Window:
    """When a fault was there and had after-effects, seconds."""

    name: str
    start: float
    restart: float
    end: float


def rows(data: Path, quick: bool) -> Iterator[Row]:
    """Who logs ERROR in each fault, how long a dead service looks alive, how long servers take to be ACTIVE."""
    real = recorded_lines(data)
    events = [json.loads(line) for line in (data / RECORDING / "events.jsonl").read_text("utf-8").splitlines()]
    began = next(event["t"] - event["rel"] for event in events if event["event"] == "start")
    real_windows = windows_of(events, began)
    real_lines = [line._replace(time=line.time - began) for line in real]
    theirs = erring(real_lines, real_windows, since=0.0)
    recorded = {line.service for line in real_lines}
    lives = [worlds.lived(SCENARIO, seed=seed) for seed in range(1, (2 if quick else SEEDS) + 1)]
    yield from erring_rows(theirs, [erring_in(world, recorded) for world in lives])
    yield from down_rows(data, began, real_windows[0], lives)
    yield from active_rows(data, real_windows, lives)


def erring_in(world: World, recorded: Collection[str]) -> list[set[str]]:
    """Which recorded services of the twin's world err more in each fault."""
    lines = (line._replace(service=as_recorded(line.service)) for line in of_twin(world.log_lines(0.0, world.now)))
    return [names & set(recorded) for names in erring(lines, windows_in(world), since=worlds.WARM_UP)]


def windows_of(events: Sequence[Mapping[str, object]], began: float) -> list[Window]:
    """The faults of the recording, by seconds since it began."""
    found = []
    for injected in events:
        if injected["event"] != "injected":
            continue
        back = next(e for e in events if e["event"] == "restarted" and e["name"] == injected["name"])
        start, restart = float(str(injected["t"])) - began, float(str(back["t"])) - began
        found.append(Window(str(injected["name"]), start, restart, restart + AFTERMATH))
    return _without_overlap(found)


def windows_in(world: World) -> list[Window]:
    """The faults of the twin's world, the same way."""
    faults = sorted(world.spec.faults, key=lambda fault: fault.at)
    found = [
        Window(fault.name, fault.at, fault.at + (fault.duration or 0.0), fault.at + (fault.duration or 0.0) + AFTERMATH)
        for fault in faults
    ]
    return _without_overlap(found)


def _without_overlap(found: Sequence[Window]) -> list[Window]:
    ends = [window.start for window in found[1:]] + [float("inf")]
    return [Window(w.name, w.start, w.restart, min(w.end, end)) for w, end in zip(found, ends, strict=True)]


def erring(lines: Iterable[Line], windows: Sequence[Window], since: float) -> list[set[str]]:
    """For each window the services whose rate of ERROR lines is higher than from `since` to the first window."""
    before: Counter[str] = Counter()
    counts: list[Counter[str]] = [Counter() for _ in windows]
    for line in lines:
        if line.level not in ("ERROR", "CRITICAL"):
            continue
        if since <= line.time < windows[0].start:
            before[line.service] += 1
        for window, count in zip(windows, counts, strict=True):
            count[line.service] += window.start <= line.time < window.end
    calm = windows[0].start - since
    return [
        {name for name, n in count.items() if n / (w.end - w.start) > RISE * before[name] / calm}
        for w, count in zip(windows, counts, strict=True)
    ]


SERVICES: dict[str, str] = {"mysql-0": "mariadb", "mysql": "mariadb", "rabbitmq-0": "rabbitmq"}
PER_HOST: dict[str, str] = {"nova-compute": "nova-compute", "neutron-openvswitch-agent": "neutron-agent"}


def as_recorded(component: str) -> str:
    """The recording's name of a component of the twin; its own where the recording has none."""
    kind, at, host = component.partition("@compute-")
    if at and kind in PER_HOST:
        return f"{PER_HOST[kind]}-{int(host) + 1}"
    return SERVICES.get(component, component)


def erring_rows(theirs: Sequence[set[str]], lives: Sequence[Sequence[set[str]]]) -> Iterator[Row]:
    """The Jaccard index of the (fault, service) pairs, and each fault's own; medians over the twin's lives.

    Which agents happen to report within a short fault is luck of their phases, in the recording as in the twin.
    """
    for i, real in enumerate(theirs):
        ours = lives[0][i]
        told = f"only real: {', '.join(sorted(real - ours)) or '-'}; only twin: {', '.join(sorted(ours - real)) or '-'}"
        value = median(jaccard(real, twins[i]) for twins in lives)
        yield Row(f"services with more ERROR, fault {i + 1}", value, "Jaccard", anchor=f"seed 1: {told}")
    found = [jaccard(_pairs(theirs), _pairs(twins)) for twins in lives]
    told = f"{len(found)} seeds: {min(found):.2f} to {max(found):.2f}"
    yield at_least("services with more ERROR, both faults", median(found), "Jaccard", SIMILARITY, told)


def _pairs(found: Sequence[set[str]]) -> set[tuple[int, str]]:
    return {(i, name) for i, names in enumerate(found) for name in names}


def down_rows(data: Path, began: float, real: Window, lives: Sequence[World]) -> Iterator[Row]:
    """Seconds from the kill to the first sample in which nova calls the service down."""
    with lzma.open(data / RECORDING / "metrics.csv.xz", "rt", encoding="utf-8") as file:
        samples = [
            (float(row["t"]) - began, float(row["value"]))
            for row in csv.DictReader(file)
            if row["metric"] == "nova_service_up" and row["service"] == "nova-compute@compute-1"
        ]
    reference = first_down(samples, real.start)
    anchor = f"real: {reference:.1f} s, sampled every 5 s"
    seconds = []
    for world in lives:
        target = world.spec.faults[0].selector.components
        down = first_down(state_of(world, target[0]), windows_in(world)[0].start) if target else None
        if down is not None:
            seconds.append(down)
    name = "seconds from kill to down"
    if not seconds:
        yield Row(name, None, "s", f"{DOWN[0]:g} to {DOWN[1]:g}", f"{anchor}; the twin never calls it down", False)
    else:
        yield within(name, median(seconds), "s", *DOWN, f"{anchor}; {len(seconds)} seeds: to {max(seconds):.1f}")


def state_of(world: World, component: str) -> list[tuple[float, float]]:
    """What openstack-exporter showed of a nova service at each scrape."""
    offset = 0
    for other, begins in zip(world.components.values(), world.exposition.offsets, strict=True):
        if other.name == component:
            names = [metric.name for metric in other.metrics]
            offset = begins + next(i for i, name in enumerate(names) if name.startswith("openstack_nova_agent_state"))
    times, series = world.recorder.scrape_times, world.recorder.series
    return [(time, float(values[offset])) for time, values in zip(times, series, strict=True)]


def first_down(samples: Iterable[tuple[float, float]], since: float) -> float | None:
    """Seconds from `since` to the first sample of 0; None where there is none."""
    return next((time - since for time, value in samples if time > since and value == 0.0), None)


def active_rows(data: Path, real: Sequence[Window], lives: Sequence[World]) -> Iterator[Row]:
    """Seconds from a client's request to ACTIVE as its polls see it, before and after the faults."""
    with lzma.open(data / RECORDING / "client.jsonl.xz", "rt", encoding="utf-8") as file:
        requests = [json.loads(line) for line in file]
    made = [
        (request["rel"] - request["ready_s"], request["rel"])
        for request in requests
        if request["op"] == "create" and request.get("final") == "ACTIVE"
    ]
    reference = calm(made, real)
    seconds: list[float] = []
    for world in lives:
        polled = boots.ready_times(worlds.lines(world, "nova-api"))
        seconds += calm([(asked, ready) for asked, ready in polled if asked > worlds.WARM_UP], windows_in(world))
    name = "time to ACTIVE, normal running"
    anchor = f"real: p50 {median(reference):.2f}, p90 {quantile(reference, 0.9):.2f} s, n {len(reference)}"
    if not seconds:
        yield Row(name, None, "KS", f"<= {DISTANCE:g}", f"{anchor}; the twin shows none", False)
        return
    anchor += f"; twin: {median(seconds):.2f}, {quantile(seconds, 0.9):.2f}, n {len(seconds)}"
    yield at_most(name, kolmogorov_smirnov(reference, seconds), "KS", DISTANCE, anchor)


def calm(made: Iterable[tuple[float, float]], windows: Sequence[Window]) -> list[float]:
    """Seconds of those (asked, ready) that were ready before the first fault or asked for after the last restart.

    Between the faults other jobs overloaded the recording's machine (`node_load1` of 10 and more on two cores).
    """
    first, last = windows[0].start, max(window.restart for window in windows)
    return [ready - asked for asked, ready in made if ready < first or asked >= last]
