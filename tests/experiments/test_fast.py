"""`healtwin fast`: what the fast twin has is told, and both twins are compared on the same seeds."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.fidelity.comparing import compare
from experiments.fidelity.coverage import missing


def test_what_is_missing_is_named() -> None:
    assert missing("replica-crash") == ""
    assert missing("openstack-healthy") == "a cluster of kind openstack"
    assert "memory_leak" in missing("engine-memory-leak")


def test_both_twins_serve_as_much() -> None:
    (line,) = compare(["replica-crash"], ["noop"], range(2), workers=1)
    assert (line.scenario, line.category, line.seeds) == ("replica-crash", "noop", 2)
    assert abs(line.figures["throughput"].error) < 0.05
    assert abs(line.figures["TTFT p50"].error) < 0.25


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fast", "fidelity", "openstack-healthy", "--seeds", "2"), "a cluster of kind openstack"),
        (("fast", "fidelity", "replica-crash", "--actions", "evacuat"), "no action 'evacuat'"),
        (("fast", "coverage", "replica-crsh"), "replica-crash"),
    ],
)
def test_what_cannot_be_compared_is_an_error(arguments: tuple[str, ...], said: str) -> None:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2 and said in result.stderr
