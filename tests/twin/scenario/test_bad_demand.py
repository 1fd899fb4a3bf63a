"""Every mistake in a workload, in background failures and in noise is one message with its place."""

from __future__ import annotations

import pytest

from twin.scenario import Scenario, ScenarioError

GOOD = """\
apiVersion: healtwin/v1
kind: Scenario
metadata: {name: x, title: X}
spec:
  cluster: {kind: inference, preset: small}
  workload:
    arrivals: {poisson: 5/s}
    prompt: 512
    output: 256
  background: none
  noise: none
  horizon: 405s
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{poisson: 5/s}", "{gama: {rate: 5/s, cv: 2}}", "unknown key 'gama' (did you mean 'gamma'?)"),
        ("{poisson: 5/s}", "{gamma: {rate: 5/s}}", "missing key 'cv'"),
        ("{poisson: 5/s}", "{gamma: {rate: 0/s, cv: 1}}", "greater than 0"),
        ("{poisson: 5/s}", "{gamma: {rate: 5/s, cv: 2}, poisson: 1/s}", "exactly one of"),
        ("{poisson: 5/s}", "{profile: [{at: 5s, rate: 1/s}]}", "a profile begins at 0s, got 5s"),
        (
            "{poisson: 5/s}",
            "{profile: [{at: 0s, rate: 1/s}, {at: 9s, rate: 1/s}, {at: 8s, rate: 1/s}]}",
            "8s is before",
        ),
        ("{poisson: 5/s}", "{profile: [{at: 0s, rate: 0/s}]}", "some rate must be above 0"),
        ("{poisson: 5/s}", "{concurrency: {users: 0}}", "greater than or equal to 1"),
        ("{poisson: 5/s}", "{mix: {rate: 5/s, clients: 0}}", "greater than or equal to 1"),
        ("prompt: 512", "prompt: {between: [200, 100]}", "the lowest value comes first, got [200, 100]"),
        ("prompt: 512", "prompt: {between: [1, 2], lognormal: {median: 5, sigma: 1}}", "exactly one of between"),
        ("prompt: 512", "prompt: {mixture: [{weight: 1}]}", "exactly one of tokens, between and lognormal"),
        ("output: 256", "output: 256\n    clientTimeout: 0s", "never gets an answer"),
        ("output: 256", "output: 256\n    retries: {mx: 3}", "did you mean 'max'"),
        ("output: 256", "output: 256\n    prefix: {groups: 2}", "missing key 'tokens'"),
        ("output: 256", "output: 256\n    prefix: {tokens: 5, share: 200%}", "less than or equal to 1"),
        ("output: 256", "output: 256\n    conversations: {turns: 0}", "greater than or equal to 1"),
        (
            "{poisson: 5/s}",
            "{concurrency: {users: 3}}\n    conversations: {turns: 2}",
            "leave one of concurrency and conversations out",
        ),
        ("background: none", "background: {prefab: gpus}", "'gpu', 'grid5000' or 'infinitehbd'"),
        ("background: none", "background: {}", "exactly one of trace, prefab and custom"),
        ("background: none", "background: {prefab: grid5000, lemons: {share: 1%}}", "lemons belong to prefab gpu"),
        (
            "background: none",
            "background: {prefab: gpu, lemons: {share: 1%, factor: [9, 3]}}",
            "lowest factor comes first",
        ),
        ("background: none", "background: {trace: nothing.csv}", "no such file"),
        ("background: none", "background: {custom: {interarrival: {}, kinds: [{kind: X}]}}", "exactly one of constant"),
        ("noise: none", "noise: real", "'none' or 'realistic'"),
        ("noise: none", "noise: {malformd: 1%}", "did you mean 'malformed'"),
        ("noise: none", "noise: {rollouts: [{pause: 5s}]}", "missing key 'at'"),
        ("noise: none", "noise: {rollouts: [{at: 500s}]}", "a rollout can come at 500s, but the horizon is 405s"),
        ("inference, preset: small", "openstack", "belongs to inference clusters"),
    ],
)
def test_a_mistake_is_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(ScenarioError) as raised:
        Scenario.parse(GOOD.replace(old, new, 1), "bad.yaml")
    assert str(raised.value).startswith("bad.yaml:")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("prefix", "{tokens: 5}"), ("conversations", "{turns: 2}"), ("retries", "{max: 1}"), ("firstTokenTimeout", "1s")],
)
def test_openstack_knows_nothing_of_tokens(name: str, value: str) -> None:
    with pytest.raises(ScenarioError, match=f"'{name}' belongs to inference clusters"):
        Scenario.load("openstack-healthy", [f"spec.workload.{name}={value}"])


def test_openstack_has_no_noise() -> None:
    with pytest.raises(ScenarioError, match="'noise' belongs to inference clusters"):
        Scenario.load("openstack-healthy", ["spec.noise=realistic"])


def test_openstack_arrivals_are_constant_or_poisson() -> None:
    with pytest.raises(ScenarioError, match="'gamma' belongs to inference clusters"):
        Scenario.load("openstack-healthy", ["spec.workload.arrivals={gamma: {rate: 1/s, cv: 2}}"])


def test_numbers_of_the_workload_may_be_drawn() -> None:
    scenario = Scenario.parse(
        GOOD.replace("{poisson: 5/s}", "{gamma: {rate: {uniform: [2/s, 4/s]}, cv: {choice: [1, 3]}}}")
    )
    arrivals = scenario.resolve(3).spec.workload.arrivals
    assert arrivals is not None and arrivals.gamma is not None
    assert 2 <= arrivals.gamma.rate <= 4 and arrivals.gamma.cv in (1, 3)


def test_a_trace_of_failures_lies_beside_the_scenario(tmp_path) -> None:
    (tmp_path / "failures.csv").write_text("time_s,component,kind,action,duration_s\n")
    (tmp_path / "scenario.yaml").write_text(GOOD.replace("background: none", "background: {trace: failures.csv}"))
    background = Scenario.load(tmp_path / "scenario.yaml").resolve().spec.background
    assert background != "none" and background.trace == str(tmp_path / "failures.csv")
