"""Runs in MLflow, and where the store is."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import store as places
from experiments import tracking
from experiments.errors import UserError


def test_a_run_records_what_is_needed_to_repeat_it(store: Path) -> None:
    with tracking.run("mine", "simulate", parameters={"seed": 7}, command=["simulate", "a b"]) as run:
        run.log({"loss": 1.0}, step=64)
        run.log({"loss": 0.5, "undefined": float("nan")}, step=128)
        run.json({"a": 1}, "deep/down.json")
    stored = tracking.find("mine")
    assert stored.info.status == "FINISHED"
    assert stored.data.params["seed"] == "7"
    assert stored.data.params["version.simpy"]
    assert stored.data.metrics == {"loss": 0.5}
    assert [m.step for m in tracking.client().get_metric_history(stored.info.run_id, "loss")] == [64, 128]
    assert stored.data.tags["healtwin.command_line"] == "healtwin simulate 'a b'"
    assert len(stored.data.tags["mlflow.source.git.commit"]) == 40
    assert tracking.artifact_text(stored, "deep/down.json") == '{\n "a": 1\n}'
    assert tracking.artifact_text(stored, "deep/missing.json") is None


def test_artifacts_lie_beside_the_database(store: Path) -> None:
    with tracking.run("mine", "simulate") as run:
        run.text("x", "x.txt")
    assert list(store.glob("artifacts/*/artifacts/x.txt"))


@pytest.mark.parametrize(("raised", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_ends_as_it_ended(store: Path, raised: type[BaseException], status: str) -> None:
    with pytest.raises(raised), tracking.run("mine", "simulate") as run:
        run.log({"until_then": 1.0})
        raise raised
    stored = tracking.find("mine")
    assert stored.info.status == status
    assert stored.data.metrics == {"until_then": 1.0}, "what was measured before is kept"


def test_trials_are_nested_and_last_means_the_outer_run(store: Path) -> None:
    with tracking.run("outer", "tune") as outer, tracking.run("inner", "trial", parent=outer):
        pass
    assert tracking.find("inner").data.tags["mlflow.parentRunId"] == tracking.find("outer").info.run_id
    assert tracking.find("last").info.run_name == "outer"


def test_a_run_that_is_not_there_is_the_users_error(store: Path) -> None:
    with pytest.raises(UserError, match="no run 'nothing'"):
        tracking.find("nothing")


def test_the_local_store_is_found_from_any_folder_of_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "healtwin"\n', encoding="utf-8")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert places.tracking_uri() == f"sqlite:///{tmp_path}/mlflow/store/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert places.tracking_uri() == "http://tracking.example:5000"
    assert places.artifact_root(places.tracking_uri()) is None


def test_outside_any_checkout_the_store_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "__file__", str(tmp_path / "site-packages" / "experiments" / "store.py"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert places.store_folder() == tmp_path / "home" / ".healtwin" / "mlflow" / "store"
