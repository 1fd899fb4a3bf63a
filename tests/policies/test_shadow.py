"""Shadow mode: a bundle and a telemetry folder, nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from policies.bundle import BundleError, BundlePolicy, open_bundle
from policies.legality import legal_by_kind
from policies.shadow import _aligned, replay
from twin.actions import CATEGORIES
from twin.env import ClusterEnv
from twin.scenario import Scenario
from twin.spaces import FEATURES, Layout
from twin.telemetry import folder as telemetry
from twin.telemetry.features import KINDS
from twin.world import World

SCENARIO = Path(__file__).parents[2] / "scenarios" / "inference" / "replica-crash.yaml"


@pytest.fixture(scope="module")
def world() -> World:
    world = World(Scenario.load(SCENARIO), seed=3)
    world.run(until=160)
    return world


@pytest.fixture
def bundle(bundle_folder: Path) -> BundlePolicy:
    policy = BundlePolicy(open_bundle(bundle_folder))
    policy.mode = "sample"
    return policy


def test_replays_a_folder_as_json_lines(world: World, bundle: BundlePolicy, tmp_path: Path) -> None:
    telemetry.write(world, tmp_path)
    decisions = list(replay(bundle, telemetry.read(tmp_path)))
    assert [d["time"] for d in decisions] == [60.0 + 10 * i for i in range(11)]
    names = {node.name: node.kind for node in world.topology.components}
    for decision in decisions:
        json.dumps(decision)
        assert sum(decision["categories"].values()) == pytest.approx(1.0, abs=1e-4)
        assert 0 < decision["probability"] <= 1
        assert decision["target"] is None if decision["category"] == "noop" else decision["target"] in names
    assert {d["category"] for d in decisions} != {"noop"}
    assert decisions == list(replay(bundle, telemetry.read(tmp_path)))  # the same bytes again


def test_a_folder_is_observed_as_the_environment_observed(tmp_path: Path) -> None:
    env = ClusterEnv(SCENARIO)
    env.reset(seed=3)
    for _ in range(9):
        observation, *_ = env.step(np.zeros(3, np.int64))
    telemetry.write(env.world, tmp_path)
    read = telemetry.read(tmp_path)
    layout = Layout(read.topology)
    n = len(read.topology.components)
    again = layout.observe(read.window(90.0, 150.0), 140.0, legal_by_kind(read.topology), np.zeros(n, np.int8))
    for name in ("features", "present", "age", "kind", "adjacent", "lines", "alarms"):
        np.testing.assert_allclose(again[name], observation[name], rtol=1e-5, err_msg=name)


def test_legality_follows_the_kind(world: World) -> None:
    legal = legal_by_kind(world.topology)
    kinds = [node.kind for node in world.topology.components]
    for category, kind in (("reset-gpu", "gpu"), ("reboot", "node")):
        row = legal[CATEGORIES.index(category)]
        assert [bool(x) for x in row] == [k == kind for k in kinds]
    # Whatever the running twin allows, the inventory allows.
    for c, category in enumerate(CATEGORIES[1:], 1):
        for i, component in enumerate(world.components.values()):
            assert legal[c, i] or not world.legal(category, component), (category, component.name)


def test_a_bundle_with_another_order_of_features_reads_its_own() -> None:
    rng = np.random.default_rng(0)
    observation = {
        "features": rng.random((16, len(FEATURES)), np.float32),
        "present": np.ones((16, len(FEATURES)), np.int8),
        "age": np.zeros((16, len(FEATURES)), np.float32),
        "kind": np.arange(16) % (len(KINDS) + 1),
    }
    order = [FEATURES[3], "metric_of_another_version", FEATURES[0]]
    kinds = ["", *reversed(list(KINDS))]
    aligned = _aligned(observation, {"features": [{"name": name} for name in order], "kinds": kinds})
    np.testing.assert_array_equal(aligned["features"][:, 0], observation["features"][:, 3])
    np.testing.assert_array_equal(aligned["features"][:, 2], observation["features"][:, 0])
    assert not aligned["present"][:, 1].any()
    for ours, theirs in zip(observation["kind"], aligned["kind"], strict=True):
        assert ["", *KINDS][ours] == kinds[theirs]


def test_a_policy_that_reads_a_diagnosis_needs_an_interpreter(
    bundle: BundlePolicy, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.write(world, tmp_path)
    monkeypatch.setitem(bundle.bundle.manifest, "inputs", [*bundle.bundle.manifest["inputs"], "diagnosis_state"])
    with pytest.raises(BundleError, match="interpreter"):
        next(replay(bundle, telemetry.read(tmp_path)))
