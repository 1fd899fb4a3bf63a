"""The campaign's book-keeping and arithmetic, on records that are made up."""

from __future__ import annotations

import io
import itertools
import json
import math

import pytest
from rich.console import Console

from experiments.bench.mutations import figures, tables
from experiments.bench.mutations.record import Record, read, twin_digest
from experiments.bench.mutations.runner import run
from experiments.bench.mutations.shares import Share, quantile
from experiments.errors import UserError
from twin.openstack.mutation.campaign import Point
from twin.openstack.mutation.operators import Operator

RUNS = itertools.count(1)
POINTS = [Point("storage", f"cinder.volume.api.API.f{i}/self.g|missingCall") for i in range(8)]


def record(operator=Operator.MISSING_CALL, number=0, api=None, check=None, error=None, **fields):
    errors = {} if error is None else {"nova-compute": 2}
    mutation = f"nova.compute.api.API.f{number}/self.g|{operator}"
    return Record("deployment", mutation, 1, api, check, error, errors, **fields)


def experiment(point, seed):
    return Record(point.workload, point.mutation, next(RUNS), None, None, None, seed=seed, twin=twin_digest())


@pytest.fixture
def harm_as_in_the_study():
    shares = {kind: round(100 * reference.fails) for kind, reference in figures.STUDY.items()}
    return [record(kind, i, api=1.0 if i < failing else None) for kind, failing in shares.items() for i in range(100)]


def test_wilsons_interval_has_its_closed_forms_at_none_and_at_half():
    n, z = 20, 1.959963984540054
    assert Share(0, n).interval == (0.0, pytest.approx(z**2 / (n + z**2)))
    half = z / (2 * math.sqrt(n + z**2))
    assert Share(n // 2, n).interval == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))
    assert math.isnan(Share(0, 0).value) and str(Share(0, 0)) == "-"
    assert str(Share(53, 100)) == ".53 [.43, .62]"


def test_quantiles_are_values_that_were_seen():
    assert [quantile([4.0, 1.0, 3.0, 2.0], q) for q in (0.25, 0.5, 0.75, 0.9)] == [1.0, 2.0, 3.0, 4.0]


def test_a_failure_is_silent_where_no_api_told_of_it():
    assert record(check=60.0).silent and record(check=60.0).failed
    assert not record(api=1.0, check=60.0).silent
    assert not record().failed


def test_shares_of_failures_leave_the_others_out():
    those = [record(api=1.0, error=0.0), record(check=60.0), record(error=0.0), record()]
    found = {name: measure(those) for name, measure, _ in figures.MEASURES}
    assert (found["fails"].count, found["fails"].total) == (2, 4)
    assert (found["silent"].count, found["silent"].total) == (1, 2)
    assert (found["without ERROR"].count, found["without ERROR"].total) == (1, 2)
    assert (found["tolerated with ERROR"].count, found["tolerated with ERROR"].total) == (1, 2)


def test_the_order_of_harm_is_judged_where_the_study_tells_two_kinds_apart(harm_as_in_the_study):
    assert figures.same_order(harm_as_in_the_study) == []
    exceptions = [r for r in harm_as_in_the_study if r.operator != Operator.THROW_EXCEPTION]
    milder = exceptions + [record(Operator.THROW_EXCEPTION, i, api=1.0 if i < 55 else None) for i in range(100)]
    assert figures.same_order(milder) == [(Operator.THROW_EXCEPTION, Operator.WRONG_PARAMETER)]


def test_what_broke_the_simulation_counts_as_that_alone(harm_as_in_the_study):
    broken = [record(number=1000, broke="KeyError: 'x'")]
    before = figures.by_operator(harm_as_in_the_study)
    assert figures.by_operator(harm_as_in_the_study + broken) == before
    held = {row.row: row.holds for row in figures.rows(harm_as_in_the_study + broken)}
    assert held["mutation: experiments that broke the simulation"] is False


def test_missing_events_are_weighed_against_added_ones():
    those = [record(api=1.0, missing=9, added=3), record(missing=0, added=100)]
    row = next(row for row in figures.rows(those) if row.row == "mutation: missing events per added one")
    assert (row.value, row.holds) == (3.0, True)


def test_the_tables_show_each_kind_beside_the_study(harm_as_in_the_study):
    console = Console(width=160, record=True, file=io.StringIO())
    tables.show(harm_as_in_the_study, console)
    text = console.export_text()
    assert all(kind in text for kind in figures.STUDY)
    assert ".74 [.65, .82]" in text
    assert "as in the study" in text


def test_a_campaign_is_taken_up_where_it_was_left(tmp_path):
    out = tmp_path / "campaign.jsonl"
    begun = next(RUNS)
    first = run(POINTS[:3], experiment, out, seed=1, workers=1)
    whole = out.read_text()
    out.write_text(whole + '{"workload": "sto')  # cut off in the middle of a line
    told = []
    every = run(POINTS, experiment, out, seed=1, workers=1, told=lambda done, total, _: told.append((done, total)))
    assert [r.point for r in every] == POINTS
    assert every[:3] == first
    assert [r.activations - begun for r in every] == list(range(1, 9))
    assert told == [(done, 8) for done in range(4, 9)]
    assert [json.loads(line)["mutation"] for line in out.read_text().splitlines()] == [p.mutation for p in POINTS]


def test_experiments_of_another_seed_or_twin_are_run_again(tmp_path):
    out = tmp_path / "campaign.jsonl"
    run(POINTS, experiment, out, seed=1, workers=1)
    assert {r.seed for r in run(POINTS[:5], experiment, out, seed=2, workers=1)} == {2}
    out.write_text(out.read_text().replace(twin_digest(), "another"))
    again = run(POINTS[:5], experiment, out, seed=2, workers=1)
    assert {r.twin for r in again} == {twin_digest()}
    assert len(out.read_text().splitlines()) == 5


def test_two_processes_find_what_one_finds(tmp_path):
    two = run(POINTS, experiment, tmp_path / "two", seed=1, workers=2)
    one = run(POINTS, experiment, tmp_path / "one", seed=1, workers=1)
    assert [(r.point, r.seed) for r in two] == [(r.point, r.seed) for r in one]


def test_a_file_that_is_no_campaign_is_refused(tmp_path):
    out = tmp_path / "notes.jsonl"
    out.write_text('{"workload": "storage"}\n')
    with pytest.raises(UserError, match=r"notes.jsonl:1"):
        read(out)
