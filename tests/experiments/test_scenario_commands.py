"""`healtwin scenario`: what it prints, and that mistakes are one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from experiments.commands.scenario import app
from twin.scenario import Scenario, ScenarioError
from twin.validation import validate


def run(*arguments: str, fails: bool = False) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert (result.exit_code != 0) == fails, result.output
    return result


def test_list_names_every_shipped_scenario() -> None:
    output = run("list").output
    assert all(name in output for name in ("gpu-power-cap", "mysql-slow", "training", "unknown"))


def test_show_prints_the_file_and_what_a_seed_draws() -> None:
    assert "{uniform: [" in run("show", "gpu-power-cap").output
    drawn = run("show", "gpu-power-cap", "--resolved", "--seed", "3").output
    assert Scenario.parse(drawn).resolve() == Scenario.load("gpu-power-cap").resolve(3)


def test_show_writes_overrides_in() -> None:
    shown = yaml.safe_load(run("show", "gpu-power-cap", "--set", "spec.horizon=500s").output)
    assert shown["spec"]["horizon"] == "500s"


def test_sites_prints_where_a_program_can_go_wrong_and_how() -> None:
    output = run("sites", "nova", "--grep", "LibvirtDriver.spawn").output
    assert "nova.virt.libvirt.driver.LibvirtDriver.spawn/self._create_image" in output
    assert "(1 context, 2 instance): throwException missingCall wrongParameter missingParameter" in output
    assert "cinder.volume.manager" not in run("sites", "nova").output
    assert "did you mean 'nova'" in str(run("sites", "nove", fails=True).exception)
    assert "no call site" in str(run("sites", "--grep", "teleport", fails=True).exception)


def test_validate_checks_every_kind_of_file() -> None:
    output = run("validate", "gpu-power-cap", "tuning", "ppo").output
    assert output.count("ok: ") == 3


def test_validate_reports_every_wrong_file_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Scenario\nhello: 1\n")
    result = run("validate", "gpu-power-cap", str(tmp_path / "bad.yaml"), "nowhere.yaml", fails=True)
    assert result.exit_code == 2
    assert f"error: {tmp_path / 'bad.yaml'}:2:1: hello: unknown key 'hello'" in result.output
    assert "nowhere.yaml" in result.output and "ok: gpu-power-cap" in result.output


def test_schema_is_json() -> None:
    assert json.loads(run("schema").output)["title"] == "healtwin/v1"


@pytest.mark.parametrize("kind", ["inference", "openstack"])
def test_a_new_scenario_is_valid(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    run("new", "mine", "--kind", kind, "--out", str(file))
    scenario = Scenario.load(file)
    assert scenario.metadata.name == "mine" and scenario.resolve().spec.cluster.kind == kind
    assert validate(scenario)


def test_new_leaves_an_existing_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("precious")
    assert "exists" in str(run("new", "mine", "--out", str(file), fails=True).exception)
    assert file.read_text() == "precious"


def test_new_refuses_a_name_that_is_none(tmp_path: Path) -> None:
    result = run("new", "Not A Name", "--out", str(tmp_path / "x.yaml"), fails=True)
    assert isinstance(result.exception, ScenarioError)
    assert not (tmp_path / "x.yaml").exists()
