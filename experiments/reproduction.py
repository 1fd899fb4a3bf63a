"""Run a run again, from what was recorded about it, and compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments import store, tracking
from experiments.errors import UserError

if TYPE_CHECKING:
    from mlflow.entities import Run as StoredRun

CLOCKED = ("SPS", "seconds", "simulated_seconds_per_cpu_second")
"""Metrics that measure time, and differ from run to run."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both runs; None where a run does not have it."""

    name: str
    before: float | str | None
    after: float | str | None

    @property
    def timed(self) -> bool:
        """Whether it measures time and is not expected to repeat."""
        return self.name.rpartition("/")[2] in CLOCKED

    @property
    def same(self) -> bool:
        """Whether both runs agree to the last bit."""
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A repeated run beside the first."""

    run: str
    again: str
    rows: tuple[Compared, ...]
    notes: tuple[str, ...]
    """What is not as it was: code, versions."""

    @property
    def same(self) -> bool:
        """Whether everything that should repeat does."""
        return all(row.same for row in self.rows if not row.timed)


def reproduce(identifier: str) -> Reproduction:
    """Run a run's command again, tracked in the same store, into a folder that is thrown away.

    Raises UserError where the run is not there, did not finish, has no command, or its repetition fails.
    """
    stored = tracking.find(identifier)
    recorded = stored.data.tags.get(tracking.COMMAND)
    if recorded is None or recorded == "[]":
        raise UserError(f"run {stored.info.run_id} has no command of its own: repeat the run that it is part of")
    if stored.info.status != "FINISHED":
        raise UserError(f"run {stored.info.run_id} is {stored.info.status}: only a finished run can be compared")
    with tempfile.TemporaryDirectory(prefix="healtwin-repro-") as scratch:
        arguments = _arguments(stored, json.loads(recorded), Path(scratch))
        environment = {**os.environ, tracking.REPRODUCES_VARIABLE: stored.info.run_id}
        environment["MLFLOW_TRACKING_URI"] = store.tracking_uri()
        program = [sys.executable, "-m", "experiments", *arguments]
        done = subprocess.run(program, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise UserError(f"`healtwin {' '.join(arguments)}` ended with exit code {done.returncode}")
    again = _repetition_of(stored)
    return Reproduction(
        stored.info.run_id, again.info.run_id, tuple(_rows(stored, again)), tuple(_notes(stored, again))
    )


def _arguments(stored: StoredRun, arguments: list[str], scratch: Path) -> list[str]:
    """The recorded command with its outputs in `scratch`; a simulation runs from its own resolved scenario."""
    kept = _without(arguments, {"--out", "--json"}, {"--force", "--resume"})
    kind = stored.data.tags.get(tracking.KIND)
    if kind == "simulate":
        text = tracking.artifact_text(stored, "scenario.yaml")
        if text is not None:
            (scratch / "scenario.yaml").write_text(text, encoding="utf-8")
            kept = ["simulate", str(scratch / "scenario.yaml"), "--seed", stored.data.params["seed"]]
            if stored.data.params["policy"] != "noop":
                kept += ["--policy", stored.data.params["policy"]]
    return kept if kind in ("evaluate", "bench") else [*kept, "--out", str(scratch / "out")]


def _without(arguments: list[str], options: set[str], flags: set[str]) -> list[str]:
    kept, skip = [], False
    for argument in arguments:
        if skip or argument in flags or argument.partition("=")[0] in options:
            skip = not skip and argument in options
            continue
        kept.append(argument)
    return kept


def _repetition_of(stored: StoredRun) -> StoredRun:
    connected = tracking.client()
    query = f"tags.`{tracking.REPRODUCES}` = '{stored.info.run_id}'"
    found = list(connected.search_runs([stored.info.experiment_id], query, order_by=["attributes.start_time DESC"]))
    if not found:
        raise UserError(f"the repetition of run {stored.info.run_id} recorded no run")
    return found[0]


def _rows(before: StoredRun, after: StoredRun) -> list[Compared]:
    rows = []
    if "telemetry_sha256" in before.data.params:
        pair = (run.data.params.get("telemetry_sha256") for run in (before, after))
        rows.append(Compared("telemetry_sha256", *pair))
    names = sorted({*before.data.metrics, *after.data.metrics})
    return rows + [Compared(name, before.data.metrics.get(name), after.data.metrics.get(name)) for name in names]


def _notes(before: StoredRun, after: StoredRun) -> list[str]:
    notes = []
    code = "mlflow.source.git.commit"
    if before.data.tags.get(code) != after.data.tags.get(code):
        notes.append(f"the code is another: commit {before.data.tags.get(code)} then, {after.data.tags.get(code)} now")
    if "true" in (before.data.tags.get("healtwin.dirty"), after.data.tags.get("healtwin.dirty")):
        notes.append("there were uncommitted changes; each run keeps its own as uncommitted.diff")
    for name in sorted({*before.data.params, *after.data.params}):
        if name.startswith("version.") or name.endswith("_digest"):
            then, now = before.data.params.get(name), after.data.params.get(name)
            if then != now:
                notes.append(f"{name}: {then} then, {now} now")
    return notes
