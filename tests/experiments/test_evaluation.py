"""Episodes as they are judged, and policies on the same luck."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments import tracking
from experiments.chronicle import chronicle
from experiments.episode import is_harmful, judge, live
from experiments.episodes import SuiteEnv
from experiments.errors import UserError
from experiments.evaluation import cases, evaluate
from experiments.judging import evaluate_suite
from experiments.labelling import label, labelled
from experiments.report import render, tell
from policies.baselines.noop import Noop
from twin.actions import Action
from twin.scenario import Scenario, Suite
from twin.spaces import Layout, Observation
from twin.truth import Incident
from twin.world import World


class Scripted:
    """Does one thing at one decision, and else nothing."""

    name = "scripted"

    def __init__(self, layout: Layout, decision: int, action: Action) -> None:
        self._layout, self._decision, self._action = layout, decision, action

    def reset(self, seed: int) -> None:
        self._count = -1

    def act(self, observation: Observation) -> NDArray[np.int64]:
        self._count += 1
        return self._layout.encode(self._action if self._count == self._decision else Action("noop"))


@pytest.fixture
def scripted(short_scenario: Path) -> Callable[[int, Action], World]:
    scenario = Scenario.load(short_scenario)
    layout = Layout(World(scenario, 1).topology)
    return lambda decision, action: live(scenario, 1, Scripted(layout, decision, action))


def test_nothing_done_is_nothing_wrong(short_scenario: Path) -> None:
    result = judge(live(Scenario.load(short_scenario), 1, Noop()), "noop", harm_checks=3)
    assert (result.actions, result.wrong, result.illegal, result.harm_checked) == (0, 0, 0, 0)
    assert result.family == "process"
    assert result.incidents[0].targets == ("ray-replicas-0",)
    assert result.incidents[0].cleared is None
    assert not result.healed_itself


def test_an_action_that_clears_the_condition_is_right(scripted: Callable[[int, Action], World]) -> None:
    world = scripted(3, Action("recreate", "ray-replicas-0", "immediate"))
    result = judge(world, "scripted", harm_checks=1)
    assert (result.actions, result.wrong, result.harmful) == (1, 0, 0)
    assert result.incidents[0].cleared_by == "recreate ray-replicas-0"


def test_taking_down_what_serves_is_wrong_and_harmful(scripted: Callable[[int, Action], World]) -> None:
    world = scripted(0, Action("recreate", "nginx-proxy", "immediate"))
    result = judge(world, "scripted", harm_checks=1)
    assert (result.actions, result.wrong, result.harmful, result.harm_checked) == (1, 1, 1, 1)


@pytest.mark.parametrize(("decision", "wrong", "relief"), [(0, 1, 0), (3, 0, 1)])
def test_relief_is_wrong_only_where_nothing_is_the_matter(
    scripted: Callable[[int, Action], World], decision: int, wrong: int, relief: int
) -> None:
    result = judge(scripted(decision, Action("cordon", "node-1")), "scripted")
    assert (result.actions, result.wrong, result.relief) == (1, wrong, relief)


def test_harm_is_measured_on_the_same_luck(scripted: Callable[[int, Action], World]) -> None:
    world = scripted(0, Action("recreate", "nginx-proxy", "immediate"))
    before = list(world.slo.loss)
    assert is_harmful(world, 0)
    assert world.slo.loss == before, "the episode itself is not touched"


def test_every_policy_lives_through_every_case(make_suite: Callable[[str], Path]) -> None:
    planned = cases(Suite.load(make_suite("validation")))
    found = evaluate(["noop", "ladder"], planned)
    assert [(e.policy, e.seed) for e in found.episodes] == [("noop", 1), ("ladder", 1), ("noop", 2), ("ladder", 2)]
    assert found.stopped == "done"


def test_two_processes_find_the_same_as_one(make_suite: Callable[[str], Path]) -> None:
    planned = cases(Suite.load(make_suite("validation")))
    assert evaluate(["noop"], planned, workers=2).episodes == evaluate(["noop"], planned).episodes


def test_the_clock_ends_an_evaluation_after_a_whole_case(make_suite: Callable[[str], Path]) -> None:
    found = evaluate(["noop", "random"], cases(Suite.load(make_suite("validation"))), seconds=0.0)
    assert found.stopped == "clock"
    assert (found.done, found.cases) == (1, 2)
    assert len(found.episodes) == 2


def test_a_policy_that_is_not_there_is_the_users_error(make_suite: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="no policy 'nobody'"):
        evaluate(["nobody"], cases(Suite.load(make_suite("validation"))))


def test_an_evaluation_is_a_run_with_a_report(store: Path, make_suite: Callable[[str], Path], tmp_path: Path) -> None:
    judged = evaluate_suite(Suite.load(make_suite("validation")), [], baselines=("noop", "ladder"), harm_checks=1)
    stored = tracking.find(judged.run)
    assert stored.data.metrics["noop/violation_seconds"] == judged.summaries[0].violation_seconds.mean
    judged.write(tmp_path / "deep" / "results.json")
    assert json.loads((tmp_path / "deep" / "results.json").read_text(encoding="utf-8"))["done"] == 2
    page = render(tell(stored))
    assert "not shown to be better" in page
    assert "recreate ray-replicas-0" in page


def test_a_report_is_one_page_that_fetches_nothing_and_escapes_what_it_quotes(short_scenario: Path) -> None:
    world = live(Scenario.load(short_scenario), 1, Noop())
    told = chronicle(world, "noop")
    evil = "<script>alert('owned')</script><img src=https://evil.example/x.png>"
    told["logs"].append([100.0, evil, "ERROR", evil])
    told["faults"][0]["kind"] = evil
    story = {
        "name": evil, "id": "0" * 32, "status": "FINISHED", "kind": "simulate", "command": evil, "commit": "unknown",
        "versions": {}, "parameters": {"x": evil}, "chronicle": told, "comparisons": [],
    }  # fmt: skip
    page = render(story)
    assert "&lt;script&gt;alert" in page
    body = page[page.index("<body>") :]
    assert "<script>alert" not in body
    assert "<img" not in body
    assert "<b>every</b>" not in body
    assert page.count("plotly.js v") == 1, "plotly.js is inlined once"
    assert 'src="http' not in page
    assert "<link" not in page


def test_labels_come_from_the_truth() -> None:
    def incident(name: str, injected: float | None, cleared: float | None = None) -> Incident:
        return Incident(name, "GPUChaos/powerCap", name, (f"at-{name}",), injected, cleared)

    assert label([incident("a", None)], 0.0, 60.0) == ("none", ())
    assert label([incident("a", 80.0)], 0.0, 60.0) == ("none", ()), "a fault to come is none"
    assert label([incident("a", 58.0)], 0.0, 60.0) is None, "no scrape has seen it"
    assert label([incident("a", 30.0)], 0.0, 60.0) == ("a", ("at-a",))
    assert label([incident("a", 10.0, 20.0)], 0.0, 60.0) is None, "cleared long ago, still in the window"
    assert label([incident("a", 10.0, 50.0)], 0.0, 60.0) == ("a", ("at-a",))
    assert label([incident("a", 10.0, 20.0)], 20.0, 80.0) == ("none", ())
    assert label([incident("b", 30.0), incident("a", 20.0)], 0.0, 60.0) == ("a", ("at-b", "at-a"))


def test_windows_of_a_run_are_labelled_before_and_after_the_fault(short_scenario: Path) -> None:
    found = list(labelled(Scenario.load(short_scenario), 1))
    assert {w.fault_type for w in found} == {"none", "process"}
    assert all(w.root_causes == (("ray-replicas-0",) if w.fault_type == "process" else ()) for w in found)
    assert {w.run for w in found} == {"short/1"}


def test_a_reset_seed_means_one_scenario_and_one_world(make_suite: Callable[[str], Path]) -> None:
    env = SuiteEnv(Suite.load(make_suite("training")))
    first, _ = env.reset(seed=5)
    again, info = env.reset(seed=5)
    assert info["scenario"] == "short"
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert {env.case(seed)[1] for seed in range(20)} == {1, 2}


def test_a_report_tells_a_deployment_from_a_fault() -> None:
    world = live(Scenario.load("benign-rollout"), 1, Noop())
    (rollout, *_) = world.truth.benign
    story = {
        "name": "x", "id": "0" * 32, "status": "FINISHED", "kind": "simulate", "command": "", "commit": "unknown",
        "versions": {}, "parameters": {}, "chronicle": chronicle(world, "noop"), "comparisons": [],
    }  # fmt: skip
    page = render(story)
    assert "no faults" in page
    told = page[page.index("What was no fault") :]
    assert told.index(rollout.kind) < told.index(f"{rollout.started:.1f}") < told.index("Topology")
    del story["chronicle"]["benign"]
    assert "What was no fault" not in render(story), "runs of before it was kept can still be reported"
