"""The command line: quick to start, clear about mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments import tracking
from experiments.cli import app

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch",
    "transformers",
    "peft",
    "mlflow",
    "optuna",
    "jax",
    "plotly",
    "simpy",
    "numpy",
    "gymnasium",
    "twin.world",
)


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nsys.argv = ['healtwin', '--help']\nfrom experiments.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "simulate" in done.stdout
    assert "LOADED []" in done.stdout


@pytest.mark.parametrize("how", ["-c", "-m pytest", "console script"])
def test_the_folder_mlflow_never_shadows_the_library(how: str, tmp_path: Path) -> None:
    check = "import mlflow; assert hasattr(mlflow, 'start_run'), mlflow.__path__"
    if how == "-c":
        program = [sys.executable, "-c", check]
    elif how == "-m pytest":
        test = tmp_path / "test_shadow.py"
        test.write_text(f"def test_shadow():\n    {check}\n", encoding="utf-8")
        program = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(test)]
    else:
        script = Path(sys.executable).parent / "healtwin"
        if not script.exists():
            pytest.skip("healtwin is not installed")
        wrapper = tmp_path / "healtwin"  # as pip writes it
        wrapper.write_text(
            f"import sys\nsys.argv = ['healtwin', '--help']\nimport experiments.cli\n{check}\n", encoding="utf-8"
        )
        program = [sys.executable, str(wrapper)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_folder_mlflow_holds_no_python() -> None:
    assert not list((ROOT / "mlflow").rglob("*.py"))


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_simulate_writes_a_telemetry_folder_and_a_run(store: Path, short_scenario: Path, tmp_path: Path) -> None:
    output = invoke("simulate", str(short_scenario), "--seed", "3", "--out", str(tmp_path / "out"))
    assert "loop: ProcessChaos/crash on ray-replicas-0, injected at 70 s" in output
    present = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"scenario.yaml", "logs.jsonl", "metrics", "traces.jsonl", "alarms.jsonl", "truth"} <= present
    run = tracking.find("last")
    assert run.info.status == "FINISHED"
    assert run.data.params["telemetry_sha256"] in output
    assert "horizon: 200" in (tracking.artifact_text(run, "scenario.yaml") or "")
    assert tracking.artifact_text(run, "environment.txt")
    assert run.inputs.dataset_inputs[0].dataset.name == "short"


def test_simulate_is_repeated_from_its_record(store: Path, short_scenario: Path, tmp_path: Path) -> None:
    invoke("simulate", str(short_scenario), "--seed", "3", "--out", str(tmp_path / "out"), "--policy", "ladder")
    first = tracking.find("last").info.run_id
    short_scenario.unlink()  # the record is enough
    output = invoke("repro", first)
    assert "reproduced" in output
    assert "NOT" not in output
    assert tracking.find("last").data.tags[tracking.REPRODUCES] == first


def test_an_output_folder_that_is_not_empty_needs_force(store: Path, short_scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    output = invoke("simulate", str(short_scenario), "--out", str(out), "--no-track", code=2)
    assert "not empty" in output
    assert "--force" in output
    invoke("simulate", str(short_scenario), "--out", str(out), "--no-track", "--force")
    assert (out / "mine.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["simulate", "gpu-power-cab"], "did you mean 'gpu-power-cap'"),
        (["simulate", "gpu-power-cap", "--set", "spec.horizon=-3s"], "must not be negative"),
        (["simulate", "gpu-power-cap", "--policy", "nobody"], "no policy 'nobody'"),
        (["simulate", "gpu-power-cap", "--set", "spec.workload.prompt=9000"], "vLLM would refuse every request"),
        (["simulate", "gpu-power-cap", "--seed", "-1"], "'--seed': Input should be greater than or equal to 0; see "),
        (["simulate"], "Missing argument 'scenario'"),
        (["simulat"], "Did you mean 'simulate'?"),
        (["simulate", "rca-llm"], "'rca-llm' is a suite, not a scenario"),
        (["scenario", "show", "."], "'.' is a folder, not a scenario's file"),
        (["bench", "inference", "--data", "nowhere"], "--data nowhere: no such folder"),
        (["evaluate", "--suite", "no-such-suite"], "no-such-suite"),
        (["train", "policy", "--ppo", "learning_rat=1e-3"], "no PPO setting 'learning_rat'"),
        (["train", "policy", "--ppo", "learning_rate"], "expected setting=value"),
        (["train", "policy", "--suite", "validation", "--steps", "1"], "is kept for validation"),
        (["train", "interpreter", "--suite", "unknown"], "is kept for unknown"),
        (["bench", "nothing"], "no benchmark 'nothing'"),
        (["report", "no-such-run"], "no run 'no-such-run'"),
        (["export", "--policy", "nowhere", "--out", "bundle"], "no policy in nowhere"),
        (["policy", "run", "nowhere", "--shadow", "nowhere"], "not a complete bundle"),
        (["demo", "--budget", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(store: Path, arguments: list[str], says: str) -> None:
    output = invoke(*arguments, code=2)
    assert says in output
    assert "Traceback" not in output
    assert output.lstrip().startswith("error: ")
    assert len(output.strip().splitlines()) == 1


def test_bench_rows_have_the_promised_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.bench import twin
    from experiments.bench.rows import Row, at_most

    monkeypatch.setattr(twin, "rows", lambda quick: [Row("figure", 1.0, "s"), at_most("late", 2.0, "s", 1.0)])
    lines = [json.loads(line) for line in invoke("bench", "twin", "--json", code=1).splitlines()]
    assert [line["holds"] for line in lines] == [None, False]
    assert all(set(line) == {"row", "value", "unit", "bar", "anchor", "holds"} for line in lines)


def test_ctrl_c_ends_the_run_as_killed(store: Path, short_scenario: Path, tmp_path: Path) -> None:
    program = (
        "import signal, os, sys\nfrom experiments import simulate, cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whoever runs the tests may ignore it
        "sys.argv = ['healtwin', 'simulate', sys.argv[1], '--out', sys.argv[2]]\n"
        "simulate._lived = lambda *_: os.kill(os.getpid(), signal.SIGINT)\ncli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(short_scenario), str(tmp_path / "out")],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert tracking.find("last").info.status == "KILLED"


def test_the_kinds_of_fault_are_listed_with_what_they_need() -> None:
    everything = invoke("scenario", "faults")
    assert all(word in everything for word in ("GPUChaos", "powerLimit", "NetworkChaos", "EngineChaos", "replica's"))
    assert "-pl" in invoke("scenario", "faults", "GPUChaos")
    assert "did you mean 'GPUChaos'" in invoke("scenario", "faults", "GPUChoas", code=2)


MUTATED = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: mutated}
spec:
  cluster: {kind: openstack, preset: small}
  workload: {arrivals: {constant: 10/min}, lifetime: 10s}
  faults:
    - {name: FAULT, kind: MutationChaos, site: nova.compute.manager.ComputeManager.SITE, mutation: missingCall,
       selector: {components: [nova-compute@compute-0, nova-compute@compute-1]}, mode: all, at: 10s}
  horizon: 90s
"""


@pytest.mark.parametrize(
    ("name", "site", "told"),
    [
        ("nobody-stops", "stop_instance/self._power_off_instance", True),
        ("somebody-deletes", "terminate_instance/self._delete_instance", False),
    ],
)
def test_a_mutation_that_nothing_came_by_is_told_on_stderr(tmp_path: Path, name: str, site: str, told: bool) -> None:
    file = tmp_path / "mutated.yaml"
    file.write_text(MUTATED.replace("FAULT", name).replace("SITE", site), encoding="utf-8")
    result = CliRunner().invoke(app, ["simulate", str(file), "--no-track", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert (f"warning: {name}: nova-compute@compute-0 never came by" in result.stderr) is told
    assert name not in result.stdout.replace(f"  {name}: MutationChaos", "")
