"""`healtwin simulate --do`: actions ordered from the command line, and what is said of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.errors import UserError
from experiments.orders import read_orders
from twin.actions import Action


def simulate(scenario: Path, out: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["simulate", str(scenario), "--no-track", "--out", str(out), *words])
    assert done.exit_code == code, done.output
    return done.output


def test_an_order_is_a_time_an_action_a_target_and_perhaps_a_parameter() -> None:
    orders = read_orders(["90s reboot node-1", "2m  migrate   ray-replicas-0 immediate"])
    assert [order.at for order in orders] == [90.0, 120.0]
    assert [order.action for order in orders] == [
        Action("reboot", "node-1", "gentle"),
        Action("migrate", "ray-replicas-0", "immediate"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("90 reboot node-1", "needs a unit"),
        ("-5s reboot node-1", "must not be negative"),
        ("90s reboot", "expected a time, an action and a target"),
        ("90s rebot node-1", "did you mean 'reboot'"),
        ("90s noop node-1", "no action 'noop'"),
        ("90s reboot node-1 gentle now", "expected a time, an action and a target"),
        ("90s reboot node-1 gently", "did you mean 'gentle'"),
    ],
)
def test_what_is_no_order_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_orders([text])


def test_orders_are_carried_out_at_their_times(short_scenario: Path, tmp_path: Path) -> None:
    output = simulate(
        short_scenario, tmp_path / "out", "--do", "100s recreate ray-replicas-1 immediate", "--do", "120s cordon node-0"
    )
    assert "100 s: recreate ray-replicas-1 immediate, done at 105 s" in output
    assert "120 s: cordon node-0 gentle, done at 121 s" in output


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("50s replace node-7", "no component 'node-7'"),
        ("50s replace node-1", "replace cannot be ordered on node-1 at 50 s: no spare node"),
        ("50s reboot gpu-1", "it is no node"),
        ("9999s reboot node-1", "the run ends at"),
    ],
)
def test_what_cannot_be_ordered_ends_the_run_with_the_target_and_the_reason(
    short_scenario: Path, tmp_path: Path, order: str, words: str
) -> None:
    output = simulate(short_scenario, tmp_path / "out", "--set", "spec.cluster.spares=0", "--do", order, code=2)
    assert words in output


def test_either_a_policy_acts_or_a_person(short_scenario: Path, tmp_path: Path) -> None:
    output = simulate(short_scenario, tmp_path / "out", "--policy", "ladder", "--do", "50s reboot node-1", code=2)
    assert "either a policy acts" in output
