"""The rule ladder is a baseline worth beating: in the twin, over many seeds, it heals."""

from __future__ import annotations

import pytest

from policies.baselines.noop import Noop
from policies.baselines.rule_ladder import RuleLadder
from policies.statistics import mean_interval
from twin.env import ClusterEnv
from twin.scenario import Suite

SEEDS = range(40_000, 40_030)


def violation_seconds(env, policy, seed):
    observation, _ = env.reset(seed=seed)
    policy.reset(seed)
    ended = False
    while not ended:
        observation, _, terminated, truncated, _ = env.step(policy.act(observation))
        ended = terminated or truncated
    return env.world.slo.violation_seconds(0, env.world.now)


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["validation", "unknown"])
def test_it_beats_doing_nothing_over_thirty_seeds(suite):
    environments = [ClusterEnv(scenario) for scenario in Suite.load(suite).scenarios]
    differences = []
    for seed in SEEDS:
        with_ladder, without = (
            [violation_seconds(env, policy, seed) for env in environments] for policy in (RuleLadder(), Noop())
        )
        differences.append(sum(with_ladder) / len(with_ladder) - sum(without) / len(without))
    assert mean_interval(differences).high < 0


def test_it_leaves_a_healthy_cluster_alone():
    env = ClusterEnv("openstack-healthy")
    observation, _ = env.reset(seed=1)
    ladder = RuleLadder()
    for _ in range(20):
        action = ladder.act(observation)
        assert action[0] == 0
        observation, *_ = env.step(action)
