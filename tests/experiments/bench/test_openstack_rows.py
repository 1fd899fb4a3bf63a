"""`bench openstack`: rows that have nothing to compare with say so; rows of made-up lines judge as they should."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.bench import openstack
from experiments.bench.openstack import campaign, cloudlab, devstack, levels, recording, speed
from experiments.bench.openstack.lines import Line
from experiments.bench.openstack.templates import Templates
from experiments.bench.rows import Row, skipped
from experiments.cli import app


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that needs no data is measured."""
    for module in (levels, campaign, speed):
        monkeypatch.setattr(module, "rows", lambda *_: iter([skipped("left out", "not here")]))


def said(text: str, level: str = "INFO") -> Line:
    return Line(0.0, "nova-compute", level, "nova.compute.manager", text)


def test_without_data_every_comparison_is_skipped_by_name(quick: None) -> None:
    rows = list(openstack.rows(quick=True))
    assert [row.row for row in rows[: len(openstack.COMPARED)]] == [name for name, _, _ in openstack.COMPARED]
    assert all(row.value is None and row.holds is None for row in rows)
    assert "needs --data" in rows[0].anchor


def test_what_a_folder_lacks_is_named(quick: None, tmp_path: Path) -> None:
    rows = list(openstack.rows(quick=True, data=tmp_path))
    assert all(str(tmp_path) in row.anchor for row in rows[: len(openstack.COMPARED)])


def test_a_folder_that_is_none_is_an_error() -> None:
    result = CliRunner().invoke(app, ["bench", "openstack", "--data", "nowhere"])
    assert result.exit_code != 0
    assert "--data nowhere: no such folder" in result.output + str(result.exception)


def test_a_median_may_differ_by_a_tenth_or_by_the_resolution_of_the_log() -> None:
    assert cloudlab.median_row("x", [1.09], [1.0]).holds
    assert not cloudlab.median_row("x", [1.11], [1.0]).holds
    assert cloudlab.median_row("x", [0.001], [0.002]).holds
    assert cloudlab.median_row("x", [], [1.0]).holds is False


def test_the_same_lines_have_no_divergence_and_all_templates() -> None:
    templates = Templates.of({"E1": "a <*>", "E2": "b"})
    real = [said("a 1"), said("a 2"), said("b")]
    reached, apart, beside = cloudlab.template_rows(templates, real, real * 2)
    assert (reached.value, reached.holds) == (2, True)
    assert apart.value == pytest.approx(0.0)
    assert beside.value == 0.0


def test_lines_of_no_template_are_told_beside_the_divergence() -> None:
    templates = Templates.of({"E1": "a <*>"})
    *_, beside = cloudlab.template_rows(templates, [said("a 1")], [said("a 1"), said("c")])
    assert beside.value == 50.0


def test_warnings_of_a_normal_hour_are_held_to_a_range() -> None:
    real = [said("x")] * 98 + [said("x", "WARNING")] * 2
    rows: dict[str, Row] = {row.row: row for row in cloudlab.level_rows(real, [*real, said("x", "ERROR")])}
    assert rows["loghub2017: WARNING, normal running"].holds
    assert rows["loghub2017: ERROR, normal running"].holds is False


def test_coverage_counts_real_templates_and_names_the_one_most_missed() -> None:
    row = devstack.coverage_row("x", [said("a 1"), said("b"), said("b")], [said("a 7"), said("c")])
    assert (row.value, row.unit) == (1, "of 2")
    assert "33.3 %" in row.anchor
    assert "missing: b" in row.anchor


def test_shares_of_levels_leave_stack_traces_out() -> None:
    trace = said("  File x", "ERROR")._replace(traceback=True)
    assert devstack.share_of_level([said("a"), said("b", "ERROR"), trace], "ERROR") == 0.5


def test_services_are_compared_fault_by_fault_and_judged_together() -> None:
    lives = [[{"a"}, {"c", "d"}]]
    *each, both = recording.erring_rows([{"a", "b"}, {"c"}], lives)
    assert [row.value for row in each] == [0.5, 0.5]
    assert both.value == 0.5
    assert both.holds is False


def test_down_is_the_first_sample_after_the_kill_that_says_so() -> None:
    assert recording.first_down([(1.0, 0.0), (5.0, 1.0), (10.0, 0.0)], since=2.0) == 8.0
    assert recording.first_down([(5.0, 1.0)], since=2.0) is None


def test_missing_events_are_in_the_second_half_of_the_columns() -> None:
    assert campaign.missing_and_added([[1, 0, 5, 2], [0, 1, 1, 0]]) == (4.0, 1.0)
