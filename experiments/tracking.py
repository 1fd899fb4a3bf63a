"""Runs in MLflow: what was run, with which seeds, code and versions, what came out, and how to run it again.

A run is written through a client, never through MLflow's global "active run", so that nested and parallel runs
cannot mix. Importing this module is cheap; the first run loads mlflow (2 to 4 s) and, once per store, creates the
database schema (2 to 10 s).
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import store
from experiments.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

EXPERIMENT = "healtwin"
COMMAND, KIND, REPRODUCES = "healtwin.command", "healtwin.kind", "healtwin.reproduces"
"""Tags of a run: its command line as a JSON list, the verb, and the run that it repeats."""
REPRODUCES_VARIABLE = "HEALTWIN_REPRODUCES"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
BATCH = 1000
"""Metrics a request: MLflow's limit."""


def client(uri: str | None = None) -> MlflowClient:
    """A client of the store, whose schema exists."""
    return _client(uri or store.tracking_uri())


@cache
def _client(uri: str) -> MlflowClient:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    root = store.artifact_root(uri)
    if root is None:
        return _connect(uri)
    root.mkdir(parents=True, exist_ok=True)
    with (root.parent / "schema.lock").open("w", encoding="utf-8") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two processes must not create the schema at once
        return _connect(uri)


def _connect(uri: str) -> MlflowClient:
    import logging

    from mlflow import MlflowClient

    for chatty in ("alembic", "mlflow", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    found = MlflowClient(tracking_uri=uri)
    _experiment(found, uri)
    return found


def _experiment(connected: MlflowClient, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    found = connected.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    root = store.artifact_root(uri)
    try:
        return str(connected.create_experiment(EXPERIMENT, artifact_location=root.as_uri() if root else None))
    except MlflowException:  # another process was faster
        again = connected.get_experiment_by_name(EXPERIMENT)
        if again is None:
            raise
        return str(again.experiment_id)


@dataclass
class Run:
    """A run that is going on. Metrics are kept back and written in batches; `flush` writes what is waiting."""

    client: MlflowClient
    id: str
    kind: str
    name: str
    _waiting: list[Any] = field(default_factory=list)

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Record metrics at an environment step (or another count that the metric's name says). NaN is left out."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(name, float(v), now, step) for name, v in metrics.items() if v == v]
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the metrics that are waiting."""
        waiting, self._waiting = self._waiting, []
        for at in range(0, len(waiting), BATCH):
            self.client.log_batch(self.id, metrics=waiting[at : at + BATCH])

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Record parameters; a value is cut to what MLflow keeps."""
        from mlflow.entities import Param

        self.client.log_batch(self.id, params=[Param(name, str(v)[:6000]) for name, v in values.items()])

    def tag(self, name: str, value: str) -> None:
        """Set a tag."""
        self.client.set_tag(self.id, name, value)

    def command(self, arguments: Sequence[str]) -> None:
        """Record the arguments of `healtwin` that run this again: budgets in steps, not in seconds."""
        self.tag(COMMAND, json.dumps(list(arguments)))
        self.tag("healtwin.command_line", "healtwin " + shlex.join(arguments))

    def text(self, text: str, name: str) -> None:
        """Record a text as an artifact."""
        self.client.log_text(self.id, text, name)

    def json(self, value: Any, name: str) -> None:
        """Record a JSON document as an artifact."""
        self.client.log_text(self.id, json.dumps(value, indent=1), name)

    def file(self, path: Path, folder: str | None = None) -> None:
        """Record a file, or a folder with all that is in it, as an artifact."""
        if path.is_dir():
            self.client.log_artifacts(self.id, str(path), folder or path.name)
        else:
            self.client.log_artifact(self.id, str(path), folder)

    def dataset(self, name: str, digest: str, context: str, profile: Mapping[str, Any]) -> None:
        """Record what the run learned from or was judged on: a suite or a scenario, by name and hash."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = json.dumps({"suite": name})
        entity = Dataset(name[:500], digest[:36], "code", source, profile=json.dumps(dict(profile)))
        self.client.log_inputs(self.id, [DatasetInput(entity, [InputTag("mlflow.data.context", context)])])


@contextmanager
def run(
    name: str,
    kind: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    command: Sequence[str] | None = None,
    parent: Run | None = None,
) -> Iterator[Run]:
    """A run in MLflow: FINISHED at the end, FAILED on an exception, KILLED on Ctrl-C."""
    connected = client()
    tags = {"mlflow.runName": name, "mlflow.source.name": "healtwin", KIND: kind}
    if parent is not None:
        tags["mlflow.parentRunId"] = parent.id
    if os.environ.get(REPRODUCES_VARIABLE) and parent is None:
        tags[REPRODUCES] = os.environ[REPRODUCES_VARIABLE]
    code = store.commit()
    if code is not None:
        tags["mlflow.source.git.commit"] = code[0]
        tags["healtwin.dirty"] = str(bool(code[1])).lower()
    experiment = _experiment(connected, store.tracking_uri())
    created = connected.create_run(experiment, tags=tags, run_name=name)
    current = Run(connected, str(created.info.run_id), kind, name)
    status = "FAILED"
    try:
        if command is not None:
            current.command(command)
        current.parameters({**(parameters or {}), **{f"version.{k}": v for k, v in store.versions().items()}})
        if parent is None:
            current.text(store.lock(), "environment.txt")
            if code is not None and code[1]:
                current.text(code[1], "uncommitted.diff")
        yield current
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        try:
            current.flush()
        finally:
            connected.set_terminated(current.id, status)


def find(identifier: str) -> StoredRun:
    """The run with this id, unique beginning of an id, or name (the newest); `last` is the newest run of all.

    Raises UserError where there is none, or several ids begin so.
    """
    connected = client()
    experiment = connected.get_experiment_by_name(EXPERIMENT)
    stored = [] if experiment is None else list(connected.search_runs([experiment.experiment_id], max_results=5000))
    if identifier == "last" and stored:
        return next((r for r in stored if "mlflow.parentRunId" not in r.data.tags), stored[0])
    matches = [r for r in stored if len(identifier) >= 4 and r.info.run_id.startswith(identifier)]
    if len(matches) > 1:
        raise UserError(f"{len(matches)} runs have an id that begins with '{identifier}'; give more of it")
    matches = matches or [r for r in stored if r.info.run_name == identifier]
    if not matches:
        raise UserError(f"no run '{identifier}' in {store.tracking_uri()}; `healtwin ui` lists the runs")
    return matches[0]


def artifact_text(stored: StoredRun, name: str) -> str | None:
    """A text artifact of a run, or None where the run has none of that name."""
    connected = client()
    folder = str(Path(name).parent) if "/" in name else None
    if name not in {item.path for item in connected.list_artifacts(stored.info.run_id, folder)}:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        path = connected.download_artifacts(stored.info.run_id, name, scratch)
        return Path(path).read_text(encoding="utf-8")
