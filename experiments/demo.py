"""The main job, end to end, on a budget: simulate, interpreter, study, policy, comparison, bundle, report.

Every stage calls what a researcher's verb calls and stops on its clock. The demo proves the wiring, not the learning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, Field, ValidationError

from experiments import tracking
from experiments.errors import UserError
from experiments.exporting import Exported, export_policy
from experiments.interpreter_training import train_interpreter
from experiments.judging import Judged, evaluate_suite
from experiments.policy_training import configured, train_policy
from experiments.report import write_report
from experiments.simulate import simulate
from experiments.tuning import tune
from llm.config import InterpreterConfig
from policies.ppo import PpoConfig
from twin.scenario import Scenario, Study, Suite
from twin.scenario.schema import Model

SETTINGS: dict[str, Any] = {"rollout_steps": 32, "environments": 4, "checkpoint_updates": 1}
"""PPO's settings where the study found none: short rollouts, so that a short clock sees several updates."""


TRIAL_IMITATION = 2
"""First updates of a trial in which the teacher acts: a trial is short, and its own learning is what is judged."""


class Seconds(Model):
    """Wall-clock seconds a stage."""

    interpreter: float = Field(gt=0)
    tune: float = Field(gt=0)
    policy: float = Field(gt=0)
    evaluate: float = Field(gt=0)
    rest: float = Field(gt=0, description="simulation, gate, bundle, report")


class DemoBudget(Model):
    """What a demo may spend, and on what."""

    model_config = ConfigDict(**{**Model.model_config, "frozen": True})

    scenario: str
    training: str
    unknown: str
    validation: str
    study: str
    seed: int = Field(0, ge=0)
    seconds: Seconds
    trial_steps: int = Field(ge=1)
    training_seeds: int = Field(ge=1)
    unknown_seeds: int = Field(ge=1)
    workers: int = Field(2, ge=1)
    harm_checks: int = Field(0, ge=0)
    interpreter: dict[str, Any] = Field({}, description="settings of the interpreter that differ from its own")
    ppo: dict[str, Any] = Field({}, description="settings of PPO that differ from SETTINGS")

    @classmethod
    def load(cls, name_or_path: str) -> DemoBudget:
        """The shipped budget of that name, or the one in a file. Raises UserError."""
        shipped = resources.files("experiments") / "budgets" / f"{name_or_path}.yaml"
        file = shipped if shipped.is_file() else Path(name_or_path)
        try:
            data = yaml.safe_load(file.read_text(encoding="utf-8"))
            return cls.model_validate(data)
        except yaml.YAMLError as error:
            raise UserError(f"{file}: not YAML: {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{file}: {key}: {first['msg']}") from None


@dataclass(frozen=True)
class Demo:
    """What a demo made."""

    run: str
    report: Path
    bundle: Path
    exported: Exported
    training: Judged
    unknown: Judged
    policy: str


Say = Callable[[str], None]
OnProgress = Callable[[str, int, Mapping[str, float]], None]


def demo(
    budget: DemoBudget,
    folder: Path,
    *,
    command: tuple[str, ...] = (),
    say: Say = print,
    on_progress: OnProgress = lambda stage, step, figures: None,
) -> Demo:
    """Run the main job into `folder`. `say` is given a line when a stage ends, `on_progress` every step of one."""
    training, unknown = Suite.load(budget.training), Suite.load(budget.unknown)
    validation, study = Suite.load(budget.validation), Study.load(budget.study)
    scenario = Scenario.load(budget.scenario)
    clock, seed = budget.seconds, budget.seed

    @contextmanager
    def stage(name: str, seconds: float | None) -> Iterator[Callable[[str], None]]:
        began = time.monotonic()
        said: list[str] = []
        yield said.append
        limit = "" if seconds is None else f" of {seconds:.0f} s"
        say(f"{name}: {'; '.join(said)} ({time.monotonic() - began:.0f} s{limit})")

    with tracking.run("demo", "demo", parameters=budget.model_dump(), command=command) as run:
        with stage("1 simulate", None) as done:
            first = simulate(scenario, folder / "telemetry", seed=seed, force=True, track=False)
            done(f"{budget.scenario}, SLO violated {first.result.violation_seconds:.0f} s without help")
        with stage("2 interpreter", clock.interpreter) as done:
            read = train_interpreter(
                training,
                folder / "interpreter",
                config=_interpreter(budget),
                seed=seed,
                seconds=clock.interpreter,
                parent=run,
                on_progress=lambda step, figures: on_progress("interpreter", step, figures),
            )
            accuracy = read.report["type_accuracy"]
            right = (
                "not measured" if accuracy is None else f"{float(accuracy):.0%} of fault types right on held-out runs"
            )
            done(
                f"{read.windows} windows, {read.report['steps']} steps, stopped by {read.report['stopped_by']}, {right}"
            )
        base = configured({**SETTINGS, **budget.ppo})
        with stage("3 tune", clock.tune) as done:
            tuned = tune(
                _shortened(study, budget.trial_steps),
                folder / "study",
                seconds=clock.tune,
                seed=seed,
                base=replace(base, imitation_updates=min(base.imitation_updates, TRIAL_IMITATION)),
                parent=run,
                on_trial=lambda number, figures: on_progress("tune: trial", number, figures),
            )
            best = (
                "none finished, default settings kept" if tuned.value is None else f"best {tuned.value:.0f} s violated"
            )
            done(f"{tuned.trials} trials, {tuned.pruned} pruned, stopped by {tuned.stopped}, {best}")
        with stage("4 policy", clock.policy) as done:
            learnt = train_policy(
                training,
                folder / "policy",
                config=_chosen(base, tuned.best),
                seed=seed,
                seconds=clock.policy,
                interpreter=read.folder,
                parent=run,
                on_update=lambda step, figures: on_progress("policy", step, figures),
            )
            done(f"{learnt.steps} environment steps, {learnt.updates} updates, stopped by {learnt.stopped}")
        policy = str(learnt.folder)
        with stage("5 evaluate", clock.evaluate) as done:
            known = _judged(_last_seeds(training, budget.training_seeds), policy, budget, run, on_progress)
            new = _judged(_last_seeds(unknown, budget.unknown_seeds), policy, budget, run, on_progress)
            for judged in (known, new):
                done(f"{judged.evaluation.done} of {judged.evaluation.cases} cases of {judged.suite}"
                     f", stopped by {judged.evaluation.stopped}")  # fmt: skip
        with stage("6 export", None) as done:
            exported = _exported(learnt.folder, folder / "bundle", validation, budget, run, done)
        run.log(_headline(known, new, policy))
    report, _ = write_report(run.id, folder / "report.html")
    return Demo(run.id, report, exported.folder, exported, known, new, policy)


def _interpreter(budget: DemoBudget) -> InterpreterConfig:
    try:
        return InterpreterConfig(**budget.interpreter)
    except (TypeError, ValueError) as error:
        raise UserError(f"interpreter: {error}") from None


def _shortened(study: Study, steps: int) -> Study:
    budget = study.spec.budget.model_copy(update={"steps_per_trial": steps})
    return replace(study, spec=study.spec.model_copy(update={"budget": budget}))


def _chosen(base: PpoConfig, best: Mapping[str, Any]) -> PpoConfig:
    return configured(best, base)


def _last_seeds(suite: Suite, count: int) -> Suite:
    return replace(suite, seeds=suite.seeds[-count:])


def _judged(suite: Suite, policy: str, budget: DemoBudget, run: tracking.Run, on_progress: OnProgress) -> Judged:
    return evaluate_suite(
        suite,
        [policy],
        harm_checks=budget.harm_checks,
        workers=budget.workers,
        seconds=budget.seconds.evaluate / 2,
        parent=run,
        on_case=lambda finished, total, results: on_progress(
            f"evaluate on {suite.metadata.name}", finished, {"cases": float(total)}
        ),
    )


def _exported(
    policy: Path, folder: Path, validation: Suite, budget: DemoBudget, run: tracking.Run, done: Callable[[str], None]
) -> Exported:
    """Through the gate as far as the rest of the budget lasts; where it refuses, the bundle is written and marked."""
    exported = export_policy(
        policy,
        folder,
        suite=validation,
        unvalidated=True,
        seconds=budget.seconds.rest / 2,
        workers=budget.workers,
        parent=run,
    )
    verdict = exported.verdict
    if exported.validated or verdict is None:
        done("passed the gate")
    else:
        done(f"refused: {'; '.join(verdict.failures)}; written as UNVALIDATED")
    return exported


def _headline(known: Judged, new: Judged, policy: str) -> dict[str, float]:
    figures: dict[str, float] = {}
    for title, judged in (("training", known), ("unknown", new)):
        for line in judged.summaries:
            if line.family == "all":
                name = "policy" if line.policy == policy else line.policy
                figures[f"{title}/{name}/violation_seconds"] = line.violation_seconds.mean
    return figures
