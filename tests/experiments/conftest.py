"""A store of its own for every test: the schema, which takes seconds, is made once a session and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from experiments import tracking


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's schema and no runs."""
    folder = tmp_path_factory.mktemp("migrated")
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def store(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store that MLFLOW_TRACKING_URI points to; the current folder is an empty one beside it."""
    folder, here = tmp_path / "store", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    shutil.copy(migrated, folder / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.delenv(tracking.REPRODUCES_VARIABLE, raising=False)
    monkeypatch.chdir(here)
    return folder


@pytest.fixture
def short_scenario(tmp_path: Path) -> Path:
    """A crash loop on one replica, over in 200 simulated seconds."""
    path = tmp_path / "short.yaml"
    path.write_text(
        dedent("""
        apiVersion: healtwin/v1
        kind: Scenario
        metadata: {name: short, title: "An engine dies at <b>every</b> start", labels: {family: process}}
        spec:
          cluster: {kind: inference, preset: small}
          workload: {arrivals: {poisson: 5/s}, prompt: 512, output: 128}
          faults:
            - name: loop
              kind: ProcessChaos
              action: crash
              layer: container
              at: 70s
              selector: {pods: {ray: [ray-replicas-0]}}
          slo: {ttftP99: 2s}
          horizon: 200s
        """),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def make_suite(tmp_path: Path, short_scenario: Path) -> Callable[[str], Path]:
    """Two seeds of the short scenario as a suite of a split."""

    def make(split: str) -> Path:
        path = tmp_path / f"{split}.yaml"
        path.write_text(
            f"apiVersion: healtwin/v1\nkind: Suite\nmetadata: {{name: short-{split}}}\n"
            f"spec: {{split: {split}, scenarios: [{short_scenario.name}], seeds: [1, 2]}}\n",
            encoding="utf-8",
        )
        return path

    return make
