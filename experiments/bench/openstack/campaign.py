"""Fault injection: the twin's mutation campaign beside a public one.

The public data are counts of RPC and REST events of two workloads' experiments, with labels of what failed, and the
events that a sequence alignment calls added or missing (Cotroneo et al., JSS 2021). Of them the twin is held to one
thing here: that missing events outweigh added ones. The campaign itself has a frame of call sites whose hash was fixed
before its first run; nothing in this folder may be used to change it.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from experiments.bench.rows import Row, skipped

DATASET = Path("openstack") / "failure_dataset"
EXPERIMENTS, SEED, WORKERS, SITES = 900, 1, 2, "calls"
"""As `bench mutations` has them."""
WORKLOADS: dict[str, tuple[str, int]] = {"deployment": ("DEPL", 6), "network": ("NET", 4)}
"""A workload's files begin with; its label of experiments without a failure."""


def reference_rows(data: Path, quick: bool) -> Iterator[Row]:
    """What the public campaign shows; no bar, for nothing of the twin's is in it."""
    for workload, (prefix, well) in WORKLOADS.items():
        folder = data / DATASET
        labels = {row[0]: int(row[1]) for row in _table(folder / f"{prefix}_labels.tsv")[1:]}
        events = {row[0]: [int(x) for x in row[1:]] for row in _table(folder / f"{prefix}_SEQ.tsv.gz")[1:]}
        differing = {row[0]: [int(x) for x in row[1:]] for row in _table(folder / f"{prefix}_LCS_with_VMM.tsv.gz")[1:]}
        failed = [name for name, label in labels.items() if label != well]
        calm = [name for name, label in labels.items() if label == well]
        counts = [median(sum(events[name]) for name in names) for names in (failed, calm)]
        share = len(failed) / len(labels)
        anchor = f"{len(labels)} experiments; median events: failed {counts[0]:.0f}, not {counts[1]:.0f}"
        yield Row(f"real campaign, {workload}: failing", 100 * share, "% of experiments", anchor=anchor)
        missing, added = missing_and_added([differing[name] for name in failed])
        anchor = f"a failed experiment: {missing:.1f} missing, {added:.1f} added"
        yield Row(f"real campaign, {workload}: missing per added", missing / added, "events", anchor=anchor)


def missing_and_added(experiments: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Mean missing and added events of experiments whose columns are first all added, then all missing counts."""
    half = len(experiments[0]) // 2
    return fmean(sum(counts[half:]) for counts in experiments), fmean(sum(counts[:half]) for counts in experiments)


def _table(path: Path) -> list[list[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return list(csv.reader(file, delimiter="\t"))
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t"))


def rows(long: bool) -> Iterator[Row]:
    """The twin's own campaign, as `bench mutations` runs it; experiments that are in its file are not run again."""
    name = f"mutation campaign, {EXPERIMENTS} experiments"
    if not long:
        yield skipped(name, "needs --long; `bench mutations` runs it by itself")
        return
    from experiments.bench.mutations.experiment import experiment, reached
    from experiments.bench.mutations.figures import rows as figures
    from experiments.bench.mutations.runner import records_of, run
    from twin.openstack.mutation import campaign

    points = campaign.frame(reached(campaign.FRAME_SEED), campaign.FRAMES[SITES])
    if campaign.digest(points) != campaign.DIGESTS[SITES]:
        yield Row(name, None, "", "the frame that was fixed", "the sampling frame has changed since", False)
        return
    records = run(campaign.sample(points, EXPERIMENTS, SEED), experiment, records_of(SITES), SEED, WORKERS)
    yield from figures(records)
