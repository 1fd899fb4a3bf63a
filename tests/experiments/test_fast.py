"""`healtwin fast`: what the fast twin has is told, and both twins are compared on the same seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.fidelity import kept, page, ranking, recovering, steady, tables
from experiments.fidelity.coverage import missing
from experiments.fidelity.life import Life
from experiments.fidelity.proof import Plan, Proof, prove
from experiments.fidelity.ranking import Ranking
from experiments.fidelity.recovering import Recovery
from experiments.fidelity.slow import lived
from experiments.fidelity.trial import Trial
from twin.fast.latency import counted


@pytest.fixture(scope="module")
def proof() -> Proof:
    return prove(Plan({"all": ["replica-crash"]}, range(2), ["noop", "restart"], ["noop", "ladder"]), 1, None)


def life(violated: list[int], loss: float = 0.0, cost: float = 0.0) -> Life:
    seconds = np.array(violated, bool)
    return Life(1.0, loss * seconds.astype(np.float32), seconds, np.zeros(0, np.float32), 0.0, cost=cost)


def test_what_is_missing_is_named() -> None:
    assert missing("replica-crash") == ""


def test_both_twins_serve_as_much(proof: Proof) -> None:
    errors = {error.figure: error.relative for error in proof.steady}
    assert abs(errors["throughput"]) < 0.05
    assert abs(errors["ttft p50"]) < 0.25


def test_a_proof_has_every_part_and_can_be_shown(proof: Proof) -> None:
    assert {one.category for one in proof.recoveries} == {"noop", "restart"}
    assert [one.policies for one in proof.rankings] == [("noop", "ladder")]
    written = page.render("<proof>", proof)
    assert "&lt;proof&gt;" in written and "Seconds to recover" in written
    assert any("Kendall" in line for line in tables.sentences(proof))
    assert "recovery/noop" in tables.metrics(proof)


def test_recovery_is_compared_where_both_twins_were_hurt() -> None:
    hurt, well, long = life([1] * 30 + [0] * 90), life([0] * 120), life([1] * 45 + [0] * 75)
    pairs = {
        Trial("a", 0): (hurt, long),
        Trial("a", 1): (hurt, well),
        Trial("a", 2): (well, hurt),
        Trial("a", 3, faultless=True): (hurt, hurt),
    }
    (found,) = recovering.recoveries(pairs)
    assert found.medians == (30.0, 45.0) and found.error == pytest.approx(0.5)
    assert found.only == (1, 1) and found.wasserstein == 15.0 and found.holds is False


def test_the_median_decides_whether_recovery_holds() -> None:
    simpy = np.array([10.0, 20.0, 30.0])
    assert Recovery("restart", simpy, simpy * 1.1, (0, 0)).holds
    assert not Recovery("restart", simpy, simpy * 0.8, (0, 0)).holds
    assert Recovery("restart", np.zeros(0), np.zeros(0), (3, 0)).holds is None


def test_policies_are_ranked_by_the_pairs_that_differ() -> None:
    noise = np.random.default_rng(0).normal(size=20) * 0.1
    simpy = np.stack([noise, noise + 5.0 + 0.1 * np.arange(20) % 1, noise + 10.0, noise + np.resize([0.1, -0.1], 20)])
    same = Ranking("s", ("a", "b", "c", "d"), simpy, simpy)
    assert len(same.pairs) == 5 and same.tau == 1.0 and same.turned == []
    turned = Ranking("s", ("a", "b", "c", "d"), simpy, -simpy)
    assert turned.tau == -1.0 and ("a", "b") in turned.turned


def test_a_scenario_without_its_faults_is_compared_once() -> None:
    trials = steady.trials(["gpu-power-cap", "replica-crash", "long-prompts"], [3])
    assert all(trial.faultless for trial in trials)
    assert len({trial.scenario for trial in trials}) < 3


def test_every_policy_lives_through_every_case() -> None:
    trials = ranking.trials(["a", "b"], [0, 1, 2], ["noop", "ladder"])
    assert len(set(trials)) == 12 and {trial.policy for trial in trials} == {"noop", "ladder"}


def test_a_life_is_read_as_it_was_kept(tmp_path: Path) -> None:
    trial = Trial("replica-crash", 1, "restart")
    path = kept.path_of(tmp_path, trial)
    assert path == kept.path_of(tmp_path, trial) != kept.path_of(tmp_path, Trial("replica-crash", 2, "restart"))
    was = lived(trial)
    kept.write(path, was)
    read = kept.read(path)
    assert was is not None and read is not None
    assert np.array_equal(was.loss, read.loss) and np.array_equal(was.violated, read.violated)
    assert read.quantile("ttft", 0.9) == was.quantile("ttft", 0.9) > 0.0
    kept.write(path, None)
    assert kept.read(path) is None


def test_quantiles_of_counted_latencies_are_near_those_of_the_latencies() -> None:
    seconds = np.random.default_rng(1).lognormal(0.0, 0.7, 20_000)
    found = Life(1.0, np.zeros(1), np.zeros(1, bool), np.zeros(1), 0.0, {"e2e": counted(seconds)})
    for share in (0.1, 0.5, 0.99):
        assert found.quantile("e2e", share) == pytest.approx(float(np.quantile(seconds, share)), rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fast", "fidelity", "replica-crash", "--actions", "evacuat"), "no action 'evacuat'"),
        (("fast", "fidelity", "replica-crash", "--policy", "nobody"), "no policy 'nobody'"),
        (("fast", "coverage", "replica-crsh"), "replica-crash"),
        (("fast", "calibrate", "unknown"), "is kept for unknown"),
        (("fast", "calibrate", "--parts", "nothing"), "no part 'nothing'"),
    ],
)
def test_what_cannot_be_compared_is_an_error(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2 and said in result.stderr
