"""Single experiments of the campaign; their shares are nobody's business here."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from experiments.bench.mutations.experiment import experiment, fault_free, reached
from experiments.commands.bench import app
from experiments.errors import UserError
from twin.openstack.mutation import campaign
from twin.openstack.mutation.campaign import WORKLOADS, Point, digest, frame

SEED = 1
DELETE = "nova.compute.manager.ComputeManager.terminate_instance/self._delete_instance"
RESIZE = "nova.compute.api.API.resize/self.compute_task_api.resize_instance"


@pytest.mark.parametrize("workload", WORKLOADS)
def test_without_a_fault_both_runs_go_well(workload):
    found = fault_free(workload, SEED)
    assert found.well and found.errors == 0
    assert found.events.total() > 100
    assert not any(failed for (_, __, failed), count in found.events.items() if count > 30)


def test_a_call_that_throws_is_found_by_a_check_and_told_by_its_service():
    record = experiment(Point("network", f"{DELETE}|throwException"), SEED)
    assert record.failed and not record.broke
    assert record.activations == 1
    assert record.error_after == 0.0 and set(record.errors) == {"nova-compute"}
    assert record.check_after is not None and record.check_after > 10
    assert record.missing > record.added


def test_the_same_experiment_twice_is_the_same():
    point = Point("network", f"{DELETE}|missingCall")
    assert experiment(point, SEED) == experiment(point, SEED)


def test_what_no_command_comes_by_changes_nothing():
    record = experiment(Point("storage", f"{RESIZE}|throwException"), SEED)
    assert (record.activations, record.failed, record.errors, record.missing, record.added) == (0, False, {}, 0, 0)
    assert not record.persists


def test_a_campaign_keeps_to_the_frame_that_was_fixed(monkeypatch, tmp_path):
    arguments = ["mutations", "--size", "2", "--workers", "1", "--out", str(tmp_path / "campaign.jsonl")]
    monkeypatch.setitem(campaign.DIGESTS, "calls", "0" * 64)
    refused = CliRunner().invoke(app, arguments)
    assert isinstance(refused.exception, UserError) and "the sampling frame has changed" in str(refused.exception)
    monkeypatch.setitem(campaign.DIGESTS, "calls", digest(frame(reached(campaign.FRAME_SEED))))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "the study's (911 tests)" in done.output
    assert len((tmp_path / "campaign.jsonl").read_text().splitlines()) == 2
