"""The two policies that `healtwin fast transfer` compares."""

from __future__ import annotations

from dataclasses import asdict

from experiments.fidelity.transfer import TAUGHT

AMOUNTS = {"environments", "rollout_steps", "minibatches", "epochs", "imitation_updates", "imitation_epochs"}
"""Settings that say how many decisions are learnt from at a time, and how often."""


def test_they_are_the_same_policy_learning_the_same_way() -> None:
    simpy, fast = asdict(TAUGHT["simpy"]), asdict(TAUGHT["fast"])
    assert {name for name in simpy if simpy[name] != fast[name]} <= AMOUNTS
    assert TAUGHT["simpy"].imitation_updates and TAUGHT["fast"].imitation_updates
