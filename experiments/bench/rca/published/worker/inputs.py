"""A case as RCAEval's main.py hands it to a method, with what the study of arXiv 2603.02057 changed for its own data.

Of `data.csv`: latencies are the 90th percentiles alone; what is infinite or absent becomes the last value there was,
and zero before the first; at most 1,800 rows on either side of the injection; columns about pods and nodes are dropped,
and those of names that the collector did not know. The columns of every table are in an order drawn from the seed:
several methods break ties by it.

Sources: phamquiluan/RCAEval and mcd01/RCAEval, both `main.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

METRICS = ("data.csv", "simple_metrics.csv")
IDENTIFIERS = ("traceID", "spanID", "parentSpanID")
"""Read as text: an id such as 15e0351422843695078 is a number to pandas, whose exponent makes its parser crash."""
LENGTH = 60
"""`--length` of the study's runs: half of it are the minutes on either side of the injection, in rows of a second."""
DROPPED = ("_pod_", "_node_", "unknown")
WINDOW = LENGTH * 60 // 2
"""Rows before and after the injection at most."""


@dataclass(frozen=True)
class Inputs:
    """One case."""

    folder: Path
    seed: int
    inject_time: int
    """Unix seconds."""
    data: pd.DataFrame
    """`time` and `<service>_<metric>`, with one underscore."""
    columns: int
    """How many metrics the file has: the study's number of iterations."""
    notes: list[str] = field(default_factory=list)
    """What was done to the case so that a method could run on it."""

    @cached_property
    def traces(self) -> pd.DataFrame:
        """The spans, without those that are no service's or no operation's, as the study leaves them out."""
        spans = pd.read_csv(self.folder / "traces.csv", dtype=dict.fromkeys(IDENTIFIERS, str))
        return spans.dropna(subset=["traceID", "serviceName", "operationName", "methodName"]).reset_index(drop=True)

    @cached_property
    def services_named(self) -> set[str]:
        """Every service with a metric, a line or a span."""
        named = {_service(column) for column in self.data.columns if column != "time"}
        for file, column in (("logs.csv", "container_name"), ("traces.csv", "serviceName")):
            if (self.folder / file).is_file():
                named |= set(pd.read_csv(self.folder / file, usecols=[column])[column].dropna().astype(str))
        return named

    def table(self, name: str) -> pd.DataFrame:
        """A table of counts (logts.csv, tracets_err.csv, tracets_lat.csv) around the injection, columns shuffled.

        Empty where the case has no such file.
        """
        path = self.folder / name
        if not path.is_file():
            return pd.DataFrame()
        return around(shuffled(pd.read_csv(path), self.seed), self.inject_time)

    @cached_property
    def service_level(self) -> str | None:
        """The column of the gateway's latency: that of the service where most traces begin.

        Never the faulty service's own, which RCAEval's main.py takes where there is one: it gives the answer away.
        """
        if not (self.folder / "traces.csv").is_file():
            return None
        spans = self.traces
        begun = spans[spans["parentSpanID"].isna()]["serviceName"].value_counts(sort=False)
        measured = [(-count, f"{name}_latency") for name, count in begun.items() if f"{name}_latency" in self.data]
        return min(measured, default=(0, None))[1]

    def services(self, ranks: Iterable[str]) -> list[str]:
        """Services for the columns or operations that a method ranked, each where it came first.

        As in RCAEval's evaluation: what stands before the first underscore, and a service's database is the service.
        """
        named: dict[str, None] = {}
        for rank in ranks:
            service = _service(str(rank))
            bare = service.replace("-db", "")
            named.setdefault(bare if bare in self.services_named else service)
        return list(named)


def read(folder: Path, seed: int) -> Inputs:
    """Read a case; raises what pandas raises where there is none."""
    path = next((folder / name for name in METRICS if (folder / name).is_file()), folder / METRICS[0])
    inject_time = int((folder / "inject_time.txt").read_text().split()[0])
    data = shuffled(pd.read_csv(path), seed)
    data = data.loc[:, ~data.columns.str.endswith("_latency-50")]
    data = data.replace([np.inf, -np.inf], np.nan).ffill().fillna(0)
    data = around(data, inject_time)
    columns = len(data.columns) - 1
    data = data.rename(columns={name: name.replace("_latency-90", "_latency") for name in data.columns})
    data = data.drop(columns=[name for name in data.columns if any(part in name for part in DROPPED)])
    return Inputs(folder, seed, inject_time, data.rename(columns=with_one_underscore), columns)


def with_one_underscore(column: str) -> str:
    """`<service>_<metric>` with hyphens for the underscores of the metric.

    RCAEval's names have one. CIRCA takes what is between the first two for the metric, PDiagnose stops at a second.
    """
    service, underscore, name = column.partition("_")
    return service + underscore + name.replace("_", "-")


def shuffled(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A table with `time` first and its other columns in an order drawn from the seed."""
    names = [name for name in table.columns if name != "time"]
    order = np.random.default_rng(seed).permutation(len(names))
    return table[["time", *(names[i] for i in order)]]


def around(table: pd.DataFrame, inject_time: int, rows: int = WINDOW) -> pd.DataFrame:
    """The rows before and after the injection, at most so many of each."""
    before, after = table[table["time"] < inject_time].tail(rows), table[table["time"] >= inject_time].head(rows)
    return pd.concat([before, after], ignore_index=True)


def _service(name: str) -> str:
    return name.partition("_")[0]
