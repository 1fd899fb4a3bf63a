"""What a full cache has computed again, beside the engine of the SimPy twin."""

from __future__ import annotations

import pytest

from twin.fast.inference import kernels
from twin.inference.engine import Engine
from twin.scenario import Scenario
from twin.world import World

BEGIN, END = 100.0, 400.0
"""Seconds between which an engine that is full since long is watched."""
SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {{name: full, title: An engine that more is asked of than it answers, labels: {{family: none}}}}
spec:
  cluster: {{kind: inference, preset: small, replicas: 1, spares: 0}}
  workload: {{arrivals: {{poisson: {rate}/s}}, prompt: {prompt}, output: {output}}}
  slo: {{ttftP99: 2s, e2eP99: 20s, success: 99%}}
  horizon: 405s
  telemetry: off
"""
UNEQUAL = "{lognormal: {median: 113, sigma: 0.5}}"
"""128 tokens in the mean, with a mean square 1.28 times as large as of equal ones."""


def computed_again(prompt: int, output: str, rate: float, caching: bool) -> float:
    """Tokens that the engine computes again, as a share of those of all prompts; over two seeds."""
    again = prompts = 0
    for seed in (0, 1):
        world = World(Scenario.parse(SCENARIO.format(rate=rate, prompt=prompt, output=output)), seed)
        (replica,) = world.cluster.router.replicas  # type: ignore[attr-defined]
        world.run(until=30.0)
        replica.engine.cache.caching = caching
        world.run(until=BEGIN)
        found, before = watched(replica.engine), replica.engine.prompt_tokens
        world.run(until=END)
        again, prompts = again + sum(found), prompts + replica.engine.prompt_tokens - before
    return again / prompts


def watched(engine: Engine) -> list[int]:
    """Tokens that each who gave way has computed when it is let in again, as they come."""
    found: list[int] = []
    admit = engine._admit

    def admitting(budget: int) -> None:
        already = len(engine._chunks)
        admit(budget)
        found.extend(r.length - r.computed for r, _ in engine._chunks[already:] if r.preemptions)

    engine._admit = admitting  # type: ignore[method-assign]
    return found


# Seconds of a prompt's steps and of those between two prompts, and requests that run.
USUAL, LONG = (0.30, 0.16, 31.0), (0.17, 0.20, 52.0)


@pytest.mark.parametrize(
    ("prompt", "output", "mean", "vary", "rate", "pace"),
    [
        (1024, "128", 128.0, 1.0, 2.5, USUAL),
        (1024, UNEQUAL, 128.0, 1.28, 2.5, USUAL),
        (512, "256", 256.0, 1.0, 2.9, LONG),
    ],
    ids=["equal", "unequal", "long"],
)
def test_a_full_cache_has_as_much_computed_again_as_in_the_other_twin(
    prompt: int, output: str, mean: float, vary: float, rate: float, pace: tuple[float, float, float]
) -> None:
    together = kernels.bunch(*pace, vary)
    for caching in (True, False):
        ours = float(kernels.again(float(prompt), mean, together, float(caching)))
        assert ours == pytest.approx(computed_again(prompt, output, rate, caching), rel=0.35)


def test_equal_answers_leave_together_as_they_came_and_unequal_ones_do_not() -> None:
    equal = float(kernels.bunch(*USUAL, 1.0))
    assert equal == pytest.approx(1.0 / (1.0 - 0.30 / 0.46))
    assert 1.0 < float(kernels.bunch(*USUAL, 1.28)) < 1.4 < equal
    assert float(kernels.bunch(0.3, 0.0, 31.0, 1.0)) == 31.0  # no more than there are


def test_who_gives_way_for_longer_finds_less_again() -> None:
    shares = [float(kernels.again(1024.0, 128.0, bunch, 1.0)) for bunch in (1.0, 3.0, 1e6)]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(1 / 64, rel=0.01) and shares[2] == pytest.approx(1 / 8, rel=0.01)
    assert float(kernels.again(1024.0, 128.0, 1.0, 0.0)) == 1 / 8
