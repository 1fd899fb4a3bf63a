"""What may be seen of which split, and that what is judged is what is exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from experiments import exporting, interpreter_training, tracking, tuning
from experiments import store as places
from experiments.cli import app
from experiments.errors import UserError
from experiments.exporting import _interpreter_of
from llm.config import InterpreterConfig
from twin.scenario import Study, Suite


def test_a_trial_does_not_learn_from_the_seeds_that_it_is_judged_on(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learnt: list[Suite] = []

    def trained(suite: Suite, *_: Any) -> Any:
        learnt.append(suite)
        return SimpleNamespace(policy=SimpleNamespace(save=lambda folder: None), steps=1)

    monkeypatch.setattr(tuning, "trained", trained)
    monkeypatch.setattr(tuning, "_judged", lambda suite, *_: float(suite.seeds[-1]))
    study = Study.load("ppo")
    tuning.tune(study, tmp_path / "study", trials=1)
    assert learnt[0].seeds == study.suite.seeds[: -tuning.JUDGING_SEEDS]
    assert tuning._learnt_from(replace(study.suite, seeds=(7,))).seeds == (7,), "a suite of one seed has no others"


def test_a_study_gone_on_with_does_not_draw_again_what_it_drew(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn: list[float] = []

    def trained(suite: Suite, place: Path, config: Any, *_: Any) -> Any:
        drawn.append(config.learning_rate)
        return SimpleNamespace(policy=SimpleNamespace(save=lambda folder: None), steps=1)

    monkeypatch.setattr(tuning, "trained", trained)
    monkeypatch.setattr(tuning, "_judged", lambda *_: 1.0)
    for trials in (2, 4):
        tuning.tune(Study.load("ppo"), tmp_path / "study", trials=trials)
    assert len(drawn) == len(set(drawn)) == 4


def test_validation_is_for_the_gate_alone(store: Path, make_suite: Callable[[str], Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--suite", str(make_suite("validation")), "--policy", str(tmp_path)])
    assert done.exit_code == 2
    assert "only `healtwin export` judges a policy on it" in done.output


def test_a_bundle_holds_the_interpreter_that_the_gate_judged_with(tmp_path: Path) -> None:
    own, copy, other = (tmp_path / name for name in ("own", "copy", "other"))
    for folder, text in ((own, "a"), (copy, "a"), (other, "b")):
        folder.mkdir()
        (folder / "interpreter.json").write_text(text)
    record = {"interpreter": str(own)}
    assert _interpreter_of(record, None) == own
    assert _interpreter_of(record, copy) == own
    with pytest.raises(UserError, match="is not the interpreter that the policy was trained with"):
        _interpreter_of(record, other)
    with pytest.raises(UserError, match="trained without an interpreter"):
        _interpreter_of({}, own)


def test_a_bundle_holds_no_path_of_the_machine_that_trained_it(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy, interpreter = tmp_path / "policy", tmp_path / "interpreter"
    policy.mkdir()
    interpreter.mkdir()
    (policy / "training.json").write_text(json.dumps({"suite": "training", "interpreter": str(interpreter)}))
    given: dict[str, Any] = {}

    def export(network: Any, folder: Path, **details: Any) -> Any:
        given.update(details)
        folder.mkdir()
        (folder / "policy.json").write_text("{}")
        return SimpleNamespace(validated=False)

    monkeypatch.setattr(exporting.NetworkPolicy, "load", staticmethod(lambda folder: None))
    monkeypatch.setattr(exporting, "export", export)
    exporting.export_policy(policy, tmp_path / "bundle", suite=None, unvalidated=True)
    assert given["interpreter"] == interpreter
    assert given["metadata"]["training"] == {"suite": "training"}


def test_the_record_of_an_interpreter_names_its_base(
    store: Path, make_suite: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "interpreter"

    def save(place: Path) -> None:
        place.mkdir()
        (place / "interpreter.json").write_text("{}")

    done = SimpleNamespace(save=save, report={"steps": 3, "seconds": 1.0})
    monkeypatch.setattr(interpreter_training, "collect", lambda *_: ([], 1))
    monkeypatch.setattr("llm.training.train", lambda *_, **__: done)
    suite = Suite.load(make_suite("training"))
    config = InterpreterConfig(base="some/model", revision="abc")
    trained = interpreter_training.train_interpreter(suite, folder, config=config, steps=3, runs=1)
    command = json.loads(tracking.find(trained.run).data.tags[tracking.COMMAND])
    assert command[-4:] == ["--base", "some/model", "--revision", "abc"]


def test_a_relative_store_lies_in_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    uri = places.tracking_uri()
    root = places.artifact_root(uri)
    assert uri == f"sqlite:///{tmp_path / 'runs.db'}"
    assert root is not None and root.as_uri() == (tmp_path / "artifacts").as_uri()
