"""Several scenarios in one twin: a reset draws one, and each keeps its horizon and its components."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.fidelity.coverage import missing
from twin import fast
from twin.fast.vector import FastVectorEnv
from twin.scenario import Scenario, Suite

SCENARIO = """
apiVersion: healtwin/v1
kind: Scenario
metadata: {{name: {name}, title: A cluster, labels: {{family: none}}}}
spec:
  cluster: {{kind: inference, preset: small, replicas: {replicas}, spares: {spares}}}
  workload: {{arrivals: {{poisson: 1/s}}, prompt: 256, output: 64}}
  slo: {{success: 99%, window: {window}}}
  horizon: {horizon}
"""
SUITE = """
apiVersion: healtwin/v1
kind: Suite
metadata: {name: sizes, title: Clusters of several sizes}
spec:
  split: training
  seeds: [0, 1]
  scenarios: [few.yaml, many.yaml]
"""
SEEDS = (0, 1)


def scenario(name: str, replicas: int = 2, horizon: str = "200s", window: str = "10s", spares: int = 1) -> str:
    return SCENARIO.format(name=name, replicas=replicas, horizon=horizon, window=window, spares=spares)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Two replicas for 100 s, and nine for 200 s: of more components than the smallest padded size holds."""
    (tmp_path / "few.yaml").write_text(scenario("few", 2, "100s"))
    (tmp_path / "many.yaml").write_text(scenario("many", 9, "200s"))
    (tmp_path / "suite.yaml").write_text(SUITE)
    return Suite.load(tmp_path / "suite.yaml")


@pytest.mark.slow
def test_episodes_of_a_suite_keep_their_sizes_and_horizons(suite: Suite) -> None:
    twin = fast.compile(suite, SEEDS, ticks=5)
    assert [(origin.scenario, origin.seed) for origin in twin.origins] == [
        ("few", 0), ("few", 1), ("many", 0), ("many", 1),
    ]  # fmt: skip
    assert twin.components == 64 and twin.last.tolist() == [50, 50, 100, 100]
    assert [int((kind > 0).sum()) for kind in twin.layouts.kind] == [len(o.components) for o in twin.origins]
    assert len(twin.origins[0].components) <= 16 < len(twin.origins[2].components)
    assert twin.begun.deployed.sum(axis=1).tolist() == [2, 2, 9, 9]

    env = FastVectorEnv(twin, 32)
    observed, _ = env.reset(seed=0)
    drawn = env._lane.episode.tolist()
    assert set(drawn) == {0, 1, 2, 3}
    sizes = [(kind > 0).sum() for kind in observed["kind"]]
    assert sizes == [len(twin.origins[number].components) for number in drawn]
    waiting, ended = np.zeros((32, 3), int), []
    for _ in range(4):
        _, _, _, truncated, _ = env.step(waiting)
        ended.append(truncated.tolist())
    few = [twin.origins[number].scenario == "few" for number in drawn]
    first = int(twin.begun.tick[0]) // twin.ticks  # decisions that the warm-up takes the place of
    assert ended == [[short and step + first == 10 for short in few] for step in range(1, 5)]
    again = set(env._lane.episode[jnp.array(few)].tolist())
    assert len(again) > 2  # another scenario may follow


@pytest.mark.slow
def test_a_small_cluster_lives_the_same_beside_a_large_one(suite: Suite) -> None:
    @cache
    def completed(which: int | None) -> list[float]:
        twin = fast.compile(suite if which is None else [suite.scenarios[which]], SEEDS, ticks=5, chance=False)
        number = 1 if which != 1 else 0
        actions, luck = jnp.zeros((4, 3), jnp.int32), jax.random.key(0)
        return np.asarray(jax.jit(twin.whole)(jnp.int32(number), actions, luck).completed).tolist()

    assert completed(None) == pytest.approx(completed(0), rel=1e-5) and sum(completed(0)) > 10


def test_clusters_of_two_kinds_are_not_mixed() -> None:
    with pytest.raises(fast.CompileError, match=r"cluster\.kind of inference, openstack"):
        fast.compile([Scenario.load("inference-healthy"), Scenario.load("openstack-healthy")], (0,))


def test_objectives_over_two_windows_are_not_mixed() -> None:
    both = [Scenario.parse(scenario("short")), Scenario.parse(scenario("long", window="20s"))]
    with pytest.raises(fast.CompileError, match=r"slo\.window of 10\.0, 20\.0"):
        fast.compile(both, (0,))


def test_too_many_components_are_an_error_that_says_how_many(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_text(scenario("huge", 64, spares=30, horizon="70s"))
    said = "huge: 286 components: an observation holds at most 256"
    assert missing(str(tmp_path / "huge.yaml")) == said
    result = CliRunner().invoke(
        app, ["fast", "fidelity", str(tmp_path / "huge.yaml"), "--seeds", "2", "--actions", "noop"]
    )
    assert result.exit_code == 2
    assert said in result.stderr
