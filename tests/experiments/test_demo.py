"""The main job at a tiny size: every stage runs, and the bundle that comes out decides by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from experiments import tracking
from experiments.cli import app
from experiments.contenders import TRAINING
from experiments.errors import UserError
from experiments.exporting import attempts_of
from experiments.tuning import tune
from twin.scenario import Study


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def make_study(tmp_path: Path, make_suite: Callable[[str], Path]) -> Callable[..., Path]:
    """A study over two settings of PPO on the short suite of the split `tuning`."""

    def make(parameter: str = "learningRate: {low: 1e-4, high: 1e-2, log: true}") -> Path:
        suite, path = make_suite("tuning"), tmp_path / "study.yaml"
        path.write_text(
            dedent(f"""
            apiVersion: healtwin/v1
            kind: Study
            metadata: {{name: tiny}}
            spec:
              suite: {suite.name}
              policy: ppo
              searchSpace: {{{parameter}, clipRange: {{choices: [0.1, 0.2]}}}}
              budget: {{trials: 2, seconds: 60, stepsPerTrial: 8}}
            """),
            encoding="utf-8",
        )
        return path

    return make


@pytest.fixture
def budget(
    tmp_path: Path, make_suite: Callable[[str], Path], make_study: Callable[..., Path], short_scenario: Path
) -> Path:
    """Seconds a stage, on the short scenario."""
    path = tmp_path / "budget.yaml"
    path.write_text(
        dedent(f"""
        scenario: {short_scenario}
        training: {make_suite("training")}
        unknown: {make_suite("unknown")}
        validation: {make_suite("validation")}
        study: {make_study()}
        seconds: {{interpreter: 3, tune: 2, policy: 2, evaluate: 4, rest: 2}}
        trialSteps: 8
        trainingSeeds: 1
        unknownSeeds: 1
        workers: 1
        interpreter: {{hidden_size: 32, layers: 1, modal_size: 16, state_size: 8, batch: 8}}
        ppo: {{rollout_steps: 4, environments: 1, width: 16, layers: 1, epochs: 1, minibatches: 1}}
        """),
        encoding="utf-8",
    )
    return path


def test_the_demo_ends_with_a_table_three_paths_and_an_honest_word(store: Path, budget: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    output = invoke("demo", "--budget", str(budget), "--out", str(out))
    for stage in ("1 simulate", "2 interpreter", "3 tune", "4 policy", "5 evaluate", "6 export"):
        assert stage in output
    assert "stopped by" in output
    assert "not shown to beat the rule ladder on unknown faults" in output
    assert "UNVALIDATED" in output

    run = tracking.find("last")
    assert run.data.tags[tracking.KIND] == "demo"
    assert run.info.run_id in output
    assert run.info.status == "FINISHED"
    assert "unknown/policy/violation_seconds" in run.data.metrics
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("Comparison on suite") == 2
    assert tracking.artifact_text(run, "report.html") == page

    manifest = json.loads((out / "bundle" / "policy.json").read_text(encoding="utf-8"))
    assert not manifest["validated"]
    assert manifest["gate_attempts"] == 1
    assert (out / "bundle" / "interpreter").is_dir()
    decisions = [json.loads(line) for line in _shadow(out / "bundle", out / "telemetry") if line.startswith("{")]
    assert len(decisions) > 5
    assert {"time", "category", "diagnosis"} <= set(decisions[0])

    attempts = attempts_of(out / "policy")
    refused = ["export", "--policy", str(out / "policy"), "--suite", str(tmp_path / "validation.yaml")]
    assert "refused: " in invoke(*refused, "--seeds", "1", "--out", str(tmp_path / "b"), code=1)
    assert not (tmp_path / "b").exists()
    assert attempts_of(out / "policy") == attempts + 1, "every attempt at the gate is counted"


def _shadow(bundle: Path, telemetry: Path) -> list[str]:
    return invoke("policy", "run", str(bundle), "--shadow", str(telemetry)).splitlines()


def test_a_policy_training_records_its_command_in_steps_and_resumes(
    store: Path, make_suite: Callable[[str], Path], tmp_path: Path
) -> None:
    small = [f"--ppo={s}" for s in ("rollout_steps=4", "environments=1", "width=16", "layers=1", "minibatches=1")]
    train = ["train", "policy", "--suite", str(make_suite("training")), "--out", str(tmp_path / "policy"), *small]
    invoke(*train, "--steps", "4")
    first = json.loads((tmp_path / "policy" / TRAINING).read_text(encoding="utf-8"))
    assert "not empty" in invoke(*train, "--steps", "8", code=2)
    invoke(*train, "--steps", "8", "--resume")
    again = json.loads((tmp_path / "policy" / TRAINING).read_text(encoding="utf-8"))
    assert (first["steps"], again["steps"]) == (4, 8)
    run = tracking.find("last")
    assert "--steps 8" in run.data.tags["healtwin.command_line"]
    assert [m.step for m in tracking.client().get_metric_history(run.info.run_id, "approx_kl")] == [8]
    other = [*train[:6], "--seed", "9", *small, "--steps", "9", "--resume"]
    assert "another training" in invoke(*other, code=2)


def test_a_study_is_gone_on_with_and_its_trials_are_nested_runs(
    store: Path, make_study: Callable[..., Path], tmp_path: Path
) -> None:
    from experiments.policy_training import configured

    base = configured({"rollout_steps": 4, "environments": 1, "width": 16, "layers": 1, "minibatches": 1})
    study = Study.load(make_study())
    first = tune(study, tmp_path / "study", trials=1, base=base)
    both = tune(study, tmp_path / "study", trials=2, base=base)
    assert (first.trials, both.trials) == (1, 2)
    assert set(both.best) == {"learning_rate", "clip_range"}
    assert both.value is not None
    trial = tracking.find("trial 1")
    assert trial.data.tags["mlflow.parentRunId"] == both.run
    assert trial.data.metrics["objective"] >= both.value


def test_a_study_of_a_setting_that_ppo_does_not_have_is_the_users_error(
    store: Path, make_study: Callable[..., Path], tmp_path: Path
) -> None:
    study = Study.load(make_study("learningRat: {low: 1, high: 2}"))
    with pytest.raises(UserError, match="no PPO setting 'learningRat'"):
        tune(study, tmp_path / "study")
