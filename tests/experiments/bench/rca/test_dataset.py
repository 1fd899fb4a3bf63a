"""A data set from a suite: every case whole, taken up where it stopped, and never mixed with another."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.bench.rca.cases import CASES, read_dataset
from experiments.bench.rca.dataset import Made, Plan, make
from experiments.errors import UserError


def test_every_case_of_the_suite_is_there(made: Made, plan: Plan) -> None:
    data = read_dataset(made.folder)
    assert (made.cases, made.kept) == (2, 0)
    assert [entry.name for entry in data.entries] == ["ray-replicas-0_cpu/1", "ray-replicas-2_network/1"]
    assert [entry.seed for entry in data.entries] == [7, 7]
    assert [entry.tags for entry in data.entries] == [("scenario in train",), ("scenario not in train",)]
    assert data.name == "tiny" and data.split == "" and data.realisation == 0
    assert not list(made.folder.glob(".making-*"))


def test_what_was_cut_short_is_taken_up(made: Made, plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(made.folder, folder)
    lines = (folder / CASES).read_text().splitlines(keepends=True)
    (folder / CASES).write_text(lines[0] + lines[1][:20])
    shutil.rmtree(folder / json.loads(lines[1])["case"])
    again = make(plan, folder, workers=1)
    assert (again.cases, again.kept) == (2, 1)
    for path in made.folder.rglob("*.*"):
        if path.is_file() and path.suffix in (".csv", ".json", ".txt"):
            assert path.read_bytes() == (folder / path.relative_to(made.folder)).read_bytes(), path.name


def test_another_data_set_is_not_written_over(made: Made, plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds a data set with another realisation"):
        make(replace(plan, realisation=1), made.folder)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UserError, match="is not empty, and no data set"):
        make(plan, tmp_path)
