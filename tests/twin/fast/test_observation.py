"""What a policy sees in the fast twin is what it sees in the SimPy twin."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from policies.baselines.rule_ladder import RuleLadder
from twin import fast
from twin.env import ClusterEnv
from twin.fast import lines
from twin.fast.inference.exporting import SEEN, STILL, unseen
from twin.mechanics.gpu_xid import XIDS
from twin.scenario import Scenario
from twin.spaces import AGE_LIMIT
from twin.telemetry.features import FEATURES, KINDS

SEED = 3


SCENARIOS = (
    "replica-crash", "replica-crash-loop", "replica-cpu-stress", "engine-hang", "gpu-off-bus", "gpu-power-cap",
    "gateway-wrong-port",
)  # fmt: skip
Life = list[tuple[dict[str, np.ndarray], np.ndarray]]
"""Observations and actions, decision by decision."""


@cache
def twin() -> fast.FastTwin:
    """All of them in one, for one compilation."""
    return fast.compile([Scenario.load(name) for name in SCENARIOS], (SEED,), 5)


@cache
def steps() -> tuple[Any, Any]:
    return jax.jit(twin().begin), jax.jit(twin().go_on)


def quick(scenario: str, policy: Any, decisions: int) -> Life:
    """A policy in the fast twin."""
    begin, go_on = steps()
    observed, lane = begin(SCENARIOS.index(scenario), jax.random.key(0))
    found = []
    for _ in range(decisions):
        seen = {name: np.asarray(part) for name, part in observed.items()}
        action = np.asarray(policy.act(seen))
        found.append((seen, action))
        observed, lane, *_rest = go_on(lane, jnp.asarray(action))
    return found


def slow(scenario: str, policy: Any, decisions: int) -> Life:
    """The same in the SimPy twin."""
    env = ClusterEnv(Scenario.load(scenario))
    observed, _ = env.reset(seed=SEED)
    found = []
    for _ in range(decisions):
        action = policy.act(observed)
        found.append((observed, action))
        observed, *_rest = env.step(action)
    return found


class Nothing:
    def act(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        return np.zeros(3, np.int64)


def first(life: Life) -> tuple[int, list[int]] | None:
    """When a policy first does something, and what."""
    return next(((i, action.tolist()) for i, (_, action) in enumerate(life) if action[0]), None)


def of_kind(life: Life, kind: str, feature: str) -> np.ndarray:
    """[decisions, components of the kind] values; NaN where absent."""
    column, members = FEATURES.index(feature), life[0][0]["kind"] == 1 + list(KINDS).index(kind)
    values = np.array([seen["features"][members, column] for seen, _ in life])
    there = np.array([seen["present"][members, column] for seen, _ in life])
    return np.where(there, values, np.nan)


def test_has_the_parts_shapes_and_bounds_of_the_observation_space() -> None:
    space = ClusterEnv(Scenario.load("replica-crash")).observation_space
    (seen, _), *_rest = quick("replica-crash", Nothing(), 1)
    assert set(seen) == set(space.spaces)  # type: ignore[attr-defined]
    for name, box in space.spaces.items():  # type: ignore[attr-defined]
        assert seen[name].shape == box.shape, name
        assert np.isfinite(seen[name]).all(), name
        assert (seen[name] >= box.low).all() and (seen[name] <= box.high).all(), name


@pytest.mark.parametrize("scenario", ["replica-crash", "gpu-off-bus", "gateway-wrong-port"])
def test_shows_the_same_features_of_the_same_components_at_first(scenario: str) -> None:
    (one, _), (other, _) = slow(scenario, Nothing(), 1)[0], quick(scenario, Nothing(), 1)[0]
    assert (one["present"] == other["present"]).all()
    assert (one["age"] == other["age"]).all()
    for constant in ("kind", "adjacent", "busy", "alarms", "mask_category", "mask_target"):
        assert (one[constant] == other[constant]).all(), constant


@pytest.mark.parametrize(
    "scenario",
    ["gpu-off-bus", "gpu-power-cap", "gateway-wrong-port", "replica-crash-loop", "replica-cpu-stress", "engine-hang"],
)
def test_the_rule_ladder_begins_with_the_same_action_at_the_same_time(scenario: str) -> None:
    decisions = 26
    expected = first(slow(scenario, RuleLadder(), decisions))
    assert expected is not None
    assert first(quick(scenario, RuleLadder(), decisions)) == expected


def test_the_age_of_what_does_not_answer_grows_until_the_window_is_past() -> None:
    life = quick("replica-crash-loop", Nothing(), 34)
    column = FEATURES.index("vllm:num_requests_running")
    ages = np.array([seen["age"][:, column] for seen, _ in life])
    dies = next(i for i in range(1, 34) if ((ages[i] > 0) & (ages[i - 1] == 0)).any())
    victim = int(np.flatnonzero((ages[dies] > 0) & (ages[dies - 1] == 0))[0])
    assert 0 < ages[dies, victim] <= 10
    assert ages[dies + 1, victim] == ages[dies, victim] + 10
    assert ages[dies + 8, victim] == AGE_LIMIT


def test_a_card_off_the_bus_shows_its_xid_and_nothing_else() -> None:
    life = quick("gpu-off-bus", Nothing(), 26)
    xid, temperature = (of_kind(life, "gpu", f"DCGM_FI_DEV_{name}") for name in ("XID_ERRORS", "GPU_TEMP"))
    ill = xid[-1] > 0
    assert ill.sum() == 1 and xid[-1, ill] == XIDS["off_bus"][-1]
    assert np.isnan(temperature[-1, ill]).all() and not np.isnan(temperature[-1, ~ill]).any()
    assert life[-1][0]["alarms"][:, 1].sum() >= 1


def test_a_power_cap_shows_in_clock_power_temperature_and_violation() -> None:
    one, other = slow("gpu-power-cap", Nothing(), 34), quick("gpu-power-cap", Nothing(), 34)
    for name, relative in {"SM_CLOCK": 0.05, "POWER_USAGE": 0.1, "GPU_TEMP": 0.1, "POWER_VIOLATION": 0.1}.items():
        here, there = (of_kind(life, "gpu", f"DCGM_FI_DEV_{name}")[-6:].mean(axis=0) for life in (one, other))
        np.testing.assert_allclose(there, here, rtol=relative, err_msg=name)


def test_an_alarm_fires_once_its_rule_has_held_long_enough_and_stops_with_it() -> None:
    one, other = slow("gpu-power-cap", Nothing(), 34), quick("gpu-power-cap", Nothing(), 34)
    fires = [np.array([seen["alarms"][:, 0].sum() for seen, _ in life]) for life in (one, other)]
    assert fires[0].max() >= 1
    begin = [int(np.argmax(each > 0)) for each in fires]
    assert abs(begin[0] - begin[1]) <= 1


def test_what_dies_logs_errors_as_in_the_simpy_twin() -> None:
    errors = []
    for live in (slow, quick):
        life = live("replica-crash-loop", Nothing(), 34)
        errors.append(sum(seen["lines"][:, 3:].sum() for seen, _ in life))
    assert errors[0] > 10
    assert 0.5 < errors[1] / errors[0] < 2.0


def test_lines_say_where_they_were_measured() -> None:
    known = lines.known()
    assert known.measured["suite"] == "training" and known.measured["hash"] and known.measured["seeds"]
    assert {one.kind for one in known.statements} <= set(KINDS)


def test_names_what_is_not_computed_and_what_does_not_move() -> None:
    assert unseen() == ["output_check_mismatches_total"]
    assert set(STILL) <= frozenset().union(*SEEN.values())
    assert "ModelStoreErrors" not in twin().rules.unseen


def test_scrapes_that_do_not_fit_decisions_are_refused() -> None:
    with pytest.raises(fast.NotCompiledError, match="a scrape every 7 s"):
        fast.compile(Scenario.load("replica-crash", ("spec.telemetry.scrape=7s",)), (0,), 5)


def test_whole_requests_run_and_wait_and_none_where_none_is_left() -> None:
    for scenario in ("gpu-power-cap", "engine-hang"):
        life = quick(scenario, Nothing(), 34)
        for kind, feature in (
            ("vllm", "vllm:num_requests_running"),
            ("ray-head", "ray_serve_deployment_queued_queries"),
        ):
            values = of_kind(life, kind, feature)
            assert (np.isnan(values) | (values == np.round(values))).all(), feature
        queued = of_kind(slow(scenario, Nothing(), 34), "ray-head", "ray_serve_deployment_queued_queries")
        assert not np.nanmax(queued) and not np.nanmax(values)
