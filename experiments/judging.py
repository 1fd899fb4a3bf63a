"""An evaluation on a suite as a tracked run: results as JSON, metrics in MLflow, one episode told in full."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import tracking
from experiments.chronicle import chronicle
from experiments.comparison import Difference, Summary, as_json, differences, metrics, summarise
from experiments.contenders import BASELINES, contender
from experiments.episode import EpisodeResult, live
from experiments.evaluation import Evaluation, cases, evaluate
from twin.scenario import Suite

RESULTS, CHRONICLE = "comparison.json", "chronicle.json"
"""Artifacts of an evaluation."""


@dataclass(frozen=True)
class Judged:
    """An evaluation on a suite and what it says."""

    suite: str
    digest: str
    split: str
    evaluation: Evaluation
    summaries: tuple[Summary, ...]
    differences: tuple[Difference, ...]
    run: str

    def as_json(self) -> dict[str, Any]:
        """Everything, episodes included."""
        return {
            "suite": self.suite,
            "digest": self.digest,
            "split": self.split,
            "policies": list(self.evaluation.policies),
            "cases": self.evaluation.cases,
            "done": self.evaluation.done,
            "stopped": self.evaluation.stopped,
            "summaries": as_json(self.summaries),
            "differences": as_json(self.differences),
            "episodes": [as_json(episode.as_json()) for episode in self.evaluation.episodes],
        }

    def write(self, path: Path) -> None:
        """Write `as_json` to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")


def evaluate_suite(
    suite: Suite,
    policies: Sequence[str],
    *,
    baselines: Sequence[str] = tuple(BASELINES),
    seeds: int | None = None,
    harm_checks: int = 0,
    workers: int = 1,
    seconds: float | None = None,
    command: Sequence[str] = (),
    parent: tracking.Run | None = None,
    on_case: Callable[[int, int, list[EpisodeResult]], None] = lambda done, total, results: None,
) -> Judged:
    """Evaluate baselines and policies on a suite, seed by seed, and record it. See `evaluation.evaluate`."""
    everyone = list(dict.fromkeys([*baselines, *policies]))
    planned = cases(suite, seeds)
    name = suite.metadata.name
    parameters = {
        "suite": name,
        "split": suite.split,
        "suite_digest": suite.digest,
        "policies": ", ".join(everyone),
        "cases": len(planned),
        "seeds": len({case.seed for case in planned}),
        "harm_checks": harm_checks,
    }
    with tracking.run(f"evaluate {name}", "evaluate", parameters=parameters, command=command, parent=parent) as run:
        run.dataset(name, suite.digest, suite.split, {"scenarios": len(suite.scenarios), "cases": len(planned)})
        run.json([case.resolved.model_dump(mode="json", by_alias=True, exclude_none=True)
                  for case in planned[: len(suite.scenarios)]], "scenarios.json")  # fmt: skip
        evaluation = evaluate(
            everyone,
            planned,
            harm_checks=harm_checks,
            workers=workers,
            seconds=seconds,
            on_case=lambda done, results: on_case(done, len(planned), results),
        )
        episodes = evaluation.episodes
        judged = Judged(
            name,
            suite.digest,
            suite.split,
            evaluation,
            tuple(summarise(episodes)),
            tuple(differences(episodes)),
            run.id,
        )
        run.log(metrics(episodes))
        run.log({"cases_done": evaluation.done})
        run.json(judged.as_json(), RESULTS)
        shown = _worth_showing(episodes, everyone[-1])
        if shown is not None:
            case = next(c for c in planned if c.seed == shown.seed and c.scenario.metadata.name == shown.scenario)
            who = contender(shown.policy)
            world = live(case.resolved, case.seed, who.policy, who.wrap)
            run.json(chronicle(world, shown.policy), CHRONICLE)
        return judged


def _worth_showing(episodes: Sequence[EpisodeResult], policy: str) -> EpisodeResult | None:
    """The policy's first episode with a violation, else its first."""
    own = [e for e in episodes if e.policy == policy]
    return next((e for e in own if e.first_violation is not None), own[0] if own else None)
