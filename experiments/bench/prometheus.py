"""A real Prometheus on the loopback interface, and what of a run it answers.

`promtool` and `prometheus` are what Debian's package `prometheus` installs; without them nothing here can be measured.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from twin.telemetry.export import openmetrics
from twin.telemetry.exposition import parted, unescaped
from twin.telemetry.families import target_labels
from twin.telemetry.folder import TelemetryFolder

START_SECONDS = 30.0
"""Wall-clock time in which Prometheus must be ready."""
ANSWER_SECONDS = 60.0
EXACT = "1ms"
"""A look-back that finds a sample at the very moment only: backfilled data have no staleness markers, so with the
usual five minutes a series would go on after its last sample."""

Labels = frozenset[tuple[str, str]]
"""A series: its labels, `__name__` among them."""
Samples = dict[tuple[Labels, int], float]
"""Values by series and Unix time in milliseconds."""


class PrometheusError(RuntimeError):
    """Prometheus or promtool did not do what was asked; the message is theirs."""


def missing() -> str:
    """Why nothing can be measured; empty where both programs are there."""
    absent = [program for program in ("promtool", "prometheus") if shutil.which(program) is None]
    return f"no {' and no '.join(absent)} here; Debian's package prometheus has them" if absent else ""


def version() -> tuple[int, ...]:
    """The version of the Prometheus here."""
    found = re.search(r"version (\d+)\.(\d+)", promtool("--version"))
    if found is None:
        raise PrometheusError("promtool --version names no version")
    return int(found[1]), int(found[2])


def backfill(metrics: Path, storage: Path) -> None:
    """Make blocks of an OpenMetrics file, as `promtool tsdb create-blocks-from openmetrics` does."""
    promtool("tsdb", "create-blocks-from", "openmetrics", str(metrics), str(storage))


def promtool(*arguments: str) -> str:
    """What promtool prints. Raises PrometheusError where it fails."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=300.0)
    if done.returncode:
        raise PrometheusError(f"promtool {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Prometheus:
    """A running Prometheus over one storage folder; a context. It ends with the block, at the latest 5 s later."""

    def __init__(self, storage: Path, config: str = "global: {}\n", lookback: str = EXACT) -> None:
        self._storage = storage
        self._config = config
        self._lookback = lookback
        self.url = ""
        """Where it answers."""

    def __enter__(self) -> Prometheus:
        self._storage.mkdir(parents=True, exist_ok=True)
        config, said = self._storage / "prometheus.yml", self._storage / "prometheus.log"
        config.write_text(self._config, encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self._storage}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            f"--query.lookback-delta={self._lookback}",
        ]
        with said.open("w") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            self._wait(said)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def query(self, expression: str, at: float) -> list[dict[str, Any]]:
        """The series that an expression gives at a Unix time: `metric`, and `value` or `values`."""
        return self._answer("query", query=expression, time=f"{at:.3f}")

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series that an expression gives from one Unix time to another: `metric` and `values`."""
        return self._answer("query_range", query=expression, start=f"{start:.3f}", end=f"{end:.3f}", step=str(step))

    def up(self) -> Mapping[str, str]:
        """Health of each scraped target, `up`, `down` or `unknown`, by its label `instance`."""
        with urlopen(f"{self.url}/api/v1/targets", timeout=ANSWER_SECONDS) as response:
            targets = json.load(response)["data"]["activeTargets"]
        return {target["labels"]["instance"]: target["health"] for target in targets}

    def _answer(self, verb: str, **parameters: str) -> list[dict[str, Any]]:
        body = urlencode(parameters).encode()
        with urlopen(f"{self.url}/api/v1/{verb}", data=body, timeout=ANSWER_SECONDS) as response:
            result: list[dict[str, Any]] = json.load(response)["data"]["result"]
        return result

    def _wait(self, said: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urlopen(f"{self.url}/-/ready", timeout=1.0).close()
                return
            except (URLError, OSError):
                time.sleep(0.05)
        code = self._process.poll()
        how = f"was not ready within {START_SECONDS:.0f} s" if code is None else f"ended with exit code {code}"
        last = " | ".join(said.read_text(errors="replace").splitlines()[-3:])
        raise PrometheusError(f"prometheus {how}: {last or 'it said nothing'}")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


# --- the round trip --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A run's samples beside those that Prometheus has of it."""

    exported: int
    """Samples that exporters showed in the run, and `up`."""
    by_type: Mapping[str, int]
    """Of those, how many belong to counters, gauges and histograms."""
    raw: int
    """How many of them Prometheus stores with the same labels, time and value."""
    ranged: int
    """How many of them `query_range` answers alike."""
    excess: int
    """Samples of Prometheus that no exporter showed."""


def round_trip(folder: TelemetryFolder, scratch: Path) -> RoundTrip:
    """Export a run, load it into Prometheus, ask for everything, and compare.

    Raises PrometheusError where one of the programs fails.
    """
    openmetrics.write(folder, scratch)
    storage = scratch / "storage"
    backfill(scratch / openmetrics.FILE, storage)
    expected, by_type = shown(folder)
    times = sorted({time for _, time in expected})
    first, last, step = times[0] / 1000, times[-1] / 1000, float(folder.manifest["scrape"])
    with Prometheus(storage) as prometheus:
        everything = '{__name__=~".+"}'
        # A range reaches back; its left end may or may not belong to it, by the version.
        raw = samples(prometheus.query(f"{everything}[{times[-1] - times[0] + 1000}ms]", last))
        ranged = samples(prometheus.query_range(everything, first, last, step))
    excess = (raw.keys() | ranged.keys()) - expected.keys()
    return RoundTrip(len(expected), by_type, _alike(expected, raw), _alike(expected, ranged), len(excess))


def _alike(expected: Samples, found: Samples) -> int:
    return sum(found.get(key) == value for key, value in expected.items())


def shown(folder: TelemetryFolder) -> tuple[Samples, dict[str, int]]:
    """What the exporters of a run showed, as Prometheus would store it, with `up`; and the samples by type."""
    kinds = {node.name: node.kind for node in folder.topology.components}
    types = {(name, metric.name): metric.type for name, metrics in folder.metrics.items() for metric in metrics}
    epoch = float(folder.manifest["epoch"])
    found: Samples = {}
    by_type: dict[str, int] = {"gauge": 0}
    labels: dict[tuple[str, str], Labels] = {}
    seen: set[str] = set()
    for scrape in folder.each_scrape():
        time = round((epoch + scrape.time) * 1000)
        for component, values in scrape.values.items():
            target = target_labels(component, kinds[component])
            if values:
                seen.add(component)
            if component in seen:
                found[frozenset({**target, "__name__": "up"}.items()), time] = float(bool(values))
                by_type["gauge"] += 1
            for series, value in values.items():
                key = (component, series)
                if key not in labels:
                    name, own = parted(series)
                    labels[key] = frozenset(
                        {**target, "__name__": name, **{k: unescaped(v) for k, v in own.items()}}.items()
                    )
                found[labels[key], time] = value
                kind = types.get(key, "histogram")
                by_type[kind] = by_type.get(kind, 0) + 1
    return found, by_type


def samples(result: Sequence[Mapping[str, Any]]) -> Samples:
    """The samples of an answer."""
    return dict(_each(result))


def _each(result: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[Labels, int], float]]:
    for series in result:
        labels = frozenset(series["metric"].items())
        for time_, value in series["values"]:
            yield (labels, round(time_ * 1000)), float(value)
