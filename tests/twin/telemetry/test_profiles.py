"""Telemetry profiles: the same cluster, seen with fewer series."""

from __future__ import annotations

import numpy as np
import pytest

from twin.scenario import Scenario, ScenarioError
from twin.telemetry.features import FEATURES, PROFILES
from twin.world import World


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_hides_series_and_changes_nothing_else(inference_scenario, profile):
    seen = World(inference_scenario(telemetry={"profile": profile}), seed=1)
    full = World(inference_scenario(telemetry={"profile": "enriched"}), seed=1)
    for world in (seen, full):
        world.run(60)
    shown = [i for i, name in enumerate(FEATURES) if name not in PROFILES[profile]]
    ours, theirs = seen.observe(30).metrics, full.observe(30).metrics
    assert np.array_equal(ours[:, shown], theirs[:, shown], equal_nan=True)
    assert np.isnan(np.delete(ours, shown, axis=1)).all()
    assert list(seen.observe(30).logs) == list(full.observe(30).logs)


def test_a_dialect_of_the_other_cluster_is_refused():
    with pytest.raises(ScenarioError, match="no dialect of inference clusters"):
        Scenario.load("inference-healthy", ["spec.telemetry.dialect=zed"])
