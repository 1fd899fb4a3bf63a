"""The metrics of a case, and who called whom: data.csv, latency_merged_90.csv and mpg.csv."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from twin.telemetry.export.rcaeval import inference, openstack
from twin.telemetry.export.rcaeval.latencies import Latencies, with_callers
from twin.telemetry.export.rcaeval.past import Column, Pair, Past
from twin.telemetry.export.rcaeval.services import KUBELET, Services
from twin.telemetry.export.rcaeval.spool import Rows
from twin.telemetry.export.rcaeval.table import Order, new, write_table
from twin.telemetry.folder import TelemetryFolder
from twin.telemetry.records import Profile, Span


def write_metrics(
    folder: TelemetryFolder, services: Services, spans: Iterable[Span], out: Path, profile: Profile, order: Order
) -> None:
    """Go through scrapes and spans, both once."""
    epoch = float(folder.manifest["epoch"])
    past, passing = Past(folder), iter(spans)
    is_openstack = folder.topology.cluster == "openstack"
    behind = openstack.behind_balancer(folder)
    latencies = Latencies(with_callers(passing) if is_openstack else (), services.by_component, behind)
    columns, pairs = _asked(folder, services, past, latencies, profile)
    data, merged = Rows(), Rows()
    for scrape in folder.each_scrape():
        past.push(scrape)
        if is_openstack:
            latencies.advance(scrape.time)
            pairs += [openstack.pair(latencies, *ends) for ends in list(latencies.pairs)[len(pairs) :]]
        data.add(epoch + scrape.time, [column.value() for column in columns])
        merged.add(epoch + scrape.time, [pair.quantile(0.9) for pair in pairs])
    latencies.drain()
    for _ in passing:
        pass  # whoever writes them down has seen the last one then
    _write_data(out / "data.csv", columns, data, order)
    ends = [(pairs[i].source, pairs[i].destination) for i in merged.columns]
    _write_latencies(out / "latency_merged_90.csv", ends, merged, order)
    shown = {columns[i].name.partition("_")[0] for i in data.columns}
    _write_graph(out / "mpg.csv", services, {*ends, *latencies.pairs}, shown)


def _asked(
    folder: TelemetryFolder, services: Services, past: Past, latencies: Latencies, profile: Profile
) -> tuple[list[Column], list[Pair]]:
    """All columns that may have a value, and the pairs of services that are known before the first scrape."""
    kinds = {node.name: node.kind for node in folder.topology.components}
    if folder.topology.cluster == "openstack":
        return list(openstack.columns(folder, services, past, latencies, profile, kinds)), []
    pairs = inference.pairs(folder, services, past)
    return list(inference.columns(services, past, pairs, profile, kinds)), pairs


def _write_data(path: Path, columns: list[Column], data: Rows, order: Order) -> None:
    shown = data.columns
    names = [columns[i].name for i in shown]
    write_table(path, names, order(names), ((time, [row[i] for i in shown]) for time, row in data))


def _write_latencies(path: Path, ends: list[tuple[str, str]], merged: Rows, order: Order) -> None:
    """Where no request ended the last value stands, and 0 before the first: methods read the file as it is."""
    shown = merged.columns

    def filled() -> Iterator[tuple[float, list[float]]]:
        last = [0.0] * len(shown)
        for time, row in merged:
            last = [before if math.isnan(row[i]) else row[i] for i, before in zip(shown, last, strict=True)]
            yield time, last

    names = [f"{source}_{destination}" for source, destination in ends]
    write_table(path, names, order(names), filled())


def _write_graph(path: Path, services: Services, called: set[tuple[str, str]], shown: set[str]) -> None:
    """Of the OpenStack cluster also who depends on whom without a span of its own: databases and brokers."""
    edges = set(called)
    if services.topology.cluster == "openstack":
        edges |= set(services.topology.edges)
    edges |= {(s.name, f"{s.host}{KUBELET}") for s in services.all if s.name in shown and s.name != s.host}
    with new(path) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("source", "destination"))
        rows.writerows(sorted(edges))
