"""Making the environment, with stand-ins for Python and pip."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.bench.rca.published.environment import REQUIREMENTS, create, interpreter
from experiments.errors import UserError

PYTHON = """#!/bin/sh
case "$1 $2" in
  "-c import"*) echo {version};;
  "-m venv") mkdir -p "$3/bin"; touch "$3/pyvenv.cfg"; cp "$0.inside" "$3/bin/python";;
esac
"""
INSIDE = """#!/bin/sh
echo "$@" >> "{log}"
case "$2" in
  pip) echo "Collecting numpy==1.26.4 (from -r rca.txt)"; echo "{said}"; exit {code};;
esac
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def stand_in(folder: Path, log: Path, version: str = "3 11", said: str = "fine", code: int = 0) -> str:
    """A Python that makes environments whose pip says so and ends so."""
    python, inside = folder / "python", folder / "python.inside"
    python.write_text(PYTHON.format(version=version))
    inside.write_text(INSIDE.format(log=log, said=said, code=code))
    python.chmod(0o755)
    inside.chmod(0o755)
    return str(python)


def test_the_pins_are_installed_first_and_the_methods_without_what_they_ask_for(tmp_path: Path, log: Path) -> None:
    heard: list[tuple[int, int, object]] = []
    python = create(tmp_path / "env", lambda *what: heard.append(what), stand_in(tmp_path, log))
    pins, methods, imports = log.read_text().splitlines()
    assert pins.endswith("-r " + str(REQUIREMENTS)) and "--no-deps" not in pins
    assert "--no-deps" in methods and methods.endswith("rca-methods.txt")
    assert imports.startswith("-c import RCAEval")
    assert [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)
    assert heard[-1][:2] == (heard[0][1], heard[0][1])
    assert interpreter(tmp_path / "env") == python


def test_an_environment_that_is_whole_is_left_as_it_is(tmp_path: Path, log: Path) -> None:
    python = stand_in(tmp_path, log)
    create(tmp_path / "env", python=python)
    before = log.read_text()
    create(tmp_path / "env", python=python)
    assert log.read_text() == before


def test_what_pip_said_last_is_told_with_what_to_do_and_the_environment_does_not_count(
    tmp_path: Path, log: Path
) -> None:
    python = stand_in(tmp_path, log, said="ERROR: No matching distribution found for torch", code=1)
    with pytest.raises(UserError, match=r"cannot install rca\.txt: .*No matching distribution.*run it again"):
        create(tmp_path / "env", python=python)
    with pytest.raises(UserError, match="healtwin rca environment"):
        interpreter(tmp_path / "env")
    assert create(tmp_path / "env", python=stand_in(tmp_path, log)).exists()


def test_another_version_of_python_is_refused_before_anything_is_made(tmp_path: Path, log: Path) -> None:
    with pytest.raises(UserError, match=r"is 3\.13, the published methods need Python 3\.11 or 3\.12"):
        create(tmp_path / "env", python=stand_in(tmp_path, log, version="3 13"))
    with pytest.raises(UserError, match=r"cannot run .*none-such"):
        create(tmp_path / "env", python=str(tmp_path / "none-such"))
    assert not (tmp_path / "env").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, log: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("keep")
    with pytest.raises(UserError, match="no Python environment"):
        create(tmp_path / "mine", python=stand_in(tmp_path, log))


def test_every_pin_is_exact() -> None:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    assert lines and all("==" in line and "+" not in line for line in lines)
