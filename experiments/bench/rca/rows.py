"""`bench rca`: how much of real logs is read, what a data set costs to make, and how long our rankers take.

How well methods rank is no row of this: `rca bench` and `rca findings` print that with intervals, by the protocol of
docs/rca-suites.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.bench.rca import runner
from experiments.bench.rca.cases import read_dataset
from experiments.bench.rca.dataset import Plan, make
from experiments.bench.rca.methods import chosen
from experiments.bench.rca.scores import ALL, scores
from experiments.bench.rows import Row, at_least, at_most, skipped
from experiments.diagnosing import share
from llm.reading.errors import ReadingError
from llm.reading.folder import LogFolder, read_folder
from twin.scenario import Suite

LOGS = ("openstack", "openstack-real")
"""Folders of real logs, below the one that `--data` names."""
READ, MILLISECONDS = 95.0, 50.0
SUITE = "rca-llm"


def rows(quick: bool, data: Path | None) -> Iterator[Row]:
    """The rows of the benchmark, as they are measured."""
    for name in LOGS:
        yield from read_rows(name, data)
    if quick:
        yield skipped(f"{SUITE}: data set and rankers", "not with --quick")
        return
    with TemporaryDirectory() as scratch:
        folder = Path(scratch, SUITE)
        yield from make(Plan(Suite.load(SUITE), 0, "paper"), folder).rows()
        yield from speed_rows(folder)


def read_rows(name: str, data: Path | None) -> Iterator[Row]:
    """What of a folder of real logs is read, lines and the fields of records."""
    row = f"{name}: lines read"
    if data is None or not (data / name).is_dir():
        yield skipped(row, f"needs --data with {name}/")
        return
    try:
        logs = read_folder(data / name)
    except ReadingError as error:
        yield Row(row, None, "%", f">= {READ:g}", str(error), False)
        return
    lines = sum(report.lines for report in logs.reports)
    yield at_least(row, 100 * share(logs.reports), "%", READ, f"{lines:,} lines of {len(logs.reports)} files")
    yield Row(f"{name}: records by field", with_field(logs, "level"), "% with a level", anchor=fields(logs))


def with_field(logs: LogFolder, field: str) -> float:
    """Records that have a field, in percent of all."""
    records = [*logs.entries, *logs.undated]
    return 100 * sum(bool(getattr(record, field)) for record in records) / max(1, len(records))


def fields(logs: LogFolder) -> str:
    """What share of the records has which other field."""
    return ", ".join(f"{field} {with_field(logs, field):.1f} %" for field in ("logger", "request", "instance"))


def speed_rows(folder: Path) -> Iterator[Row]:
    """Milliseconds a case of each of our rankers, reading its logs and spans included."""
    data = read_dataset(folder)
    with chosen(["ours"]) as methods:
        found = runner.run(data, methods, folder / runner.RESULTS)
    for score in scores(found.outcomes, found.asked):
        if score.group == ALL:
            anchor = f"{score.cases} cases, {score.failures} failed; slowest {1000 * score.slowest:.0f} ms"
            yield at_most(f"{score.method}: time a case", 1000 * score.seconds, "ms", MILLISECONDS, anchor)
