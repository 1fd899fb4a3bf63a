"""Chaos Mesh selectors by namespace and label."""

from __future__ import annotations

import pytest

from twin.scenario import ScenarioError
from twin.world import World


def hit(scenario):
    return list(World(scenario).truth.incidents["fault"].targets)


def crash(fault, **selector):
    return fault("ProcessChaos", "crash", mode="all", selector=selector)


def test_labels_are_joined_by_and(inference_scenario, fault):
    assert hit(inference_scenario(crash(fault, labelSelectors={"app": "ray-head"}))) == ["ray-head"]
    one = {"app.kubernetes.io/name": "vllm", "app": "ray-replicas-2"}
    assert hit(inference_scenario(crash(fault, labelSelectors=one))) == ["ray-replicas-2"]
    with pytest.raises(ScenarioError, match="matches nothing"):
        World(inference_scenario(crash(fault, labelSelectors={"app.kubernetes.io/name": "vllm", "app": "nginx"})))


def test_a_namespace_selects_its_pods_and_no_other(inference_scenario, fault):
    assert "nginx-proxy" in hit(inference_scenario(crash(fault, namespaces=["ray"])))
    with pytest.raises(ScenarioError, match="matches nothing"):
        World(inference_scenario(crash(fault, namespaces=["kube-system"])))


def test_only_pods_that_the_fault_can_hit_are_taken(inference_scenario, fault):
    stress = fault("StressChaos", stressors={"cpu": {"workers": 4}}, mode="all", selector={"namespaces": ["ray"]})
    assert all(name.startswith("ray-replicas") for name in hit(inference_scenario(stress)))
