"""Optuna over PPO's settings: named, resumable, pruned, on its clock; each trial a nested MLflow run."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import tracking
from experiments.comparison import by_seed
from experiments.episode import judge, live
from experiments.errors import UserError
from experiments.evaluation import cases
from experiments.policy_training import configured, trained
from policies.ppo import PpoConfig
from twin.scenario import Study, Suite
from twin.scenario.schema import Budget, SearchParameter

if TYPE_CHECKING:
    import optuna

OBJECTIVE = "SLO-violation seconds an episode"
"""What a trial is judged by, on seeds of the suite that its policy did not train on (if it has several); less is
better."""
JUDGING_SEEDS = 1
"""Seeds of the suite, its last ones, on which a trial's policy is judged."""
SNAKE = {"".join(part.title() if i else part for i, part in enumerate(name.split("_"))): name
         for name in PpoConfig.__dataclass_fields__}  # fmt: skip
"""PPO's settings by the camelCase names that a study uses."""

OnTrial = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study found so far."""

    best: Mapping[str, Any]
    """PPO settings of the best trial, in Python's names; empty where no trial was finished."""
    value: float | None
    trials: int
    """Trials of the study, earlier ones included."""
    pruned: int
    stopped: str
    """``trials`` or ``clock``."""
    folder: Path
    run: str


class _OutOfTimeError(Exception):
    """The study's time is over in the middle of a trial."""


def tune(
    study: Study,
    folder: Path,
    *,
    seconds: float | None = None,
    trials: int | None = None,
    seed: int = 0,
    base: PpoConfig | None = None,
    interpreter: Path | None = None,
    parent: tracking.Run | None = None,
    command: tuple[str, ...] = (),
    on_trial: OnTrial = lambda number, figures: None,
) -> Tuned:
    """Go on with a study until its budget (or the given one) is spent. `folder` keeps the journal and `best.json`.

    The value of a trial is `OBJECTIVE`. Intermediate values are minus the mean return at PPO updates, which is what the
    pruner compares. Raises UserError for a suite of another split than `tuning`, or a setting that PPO does not have.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if study.suite.split != "tuning":
        raise UserError(f"{study.source}: the suite '{study.suite.metadata.name}' is kept for {study.suite.split}; "
                        "a study sees suites of the split tuning only")  # fmt: skip
    if study.spec.policy != "ppo":
        raise UserError(f"{study.source}: spec.policy: no policy '{study.spec.policy}' can be tuned (known: ppo)")
    for name in study.spec.search_space:
        if name not in SNAKE:
            raise UserError(f"{study.source}: spec.searchSpace: no PPO setting '{name}' (known: {', '.join(SNAKE)})")
    folder.mkdir(parents=True, exist_ok=True)
    budget = _budget(study.spec.budget, seconds, trials)
    journal = str(folder / "journal.log")
    storage = JournalStorage(JournalFileBackend(journal, lock_obj=JournalFileOpenLock(journal)))
    found = optuna.create_study(
        study_name=f"{study.metadata.name}-{study.digest[:12]}",
        storage=storage,
        direction="minimize",
        load_if_exists=True,
        pruner=_pruner(study.spec.pruner),
    )
    # A study that is gone on with must not draw again what it drew before.
    found.sampler = _sampler(study.spec.sampler, seed + len(found.trials))
    began = time.monotonic()
    deadline = began + budget.seconds
    parameters = {
        "study": study.metadata.name, "study_digest": study.digest, "suite": study.suite.metadata.name,
        "sampler": study.spec.sampler, "pruner": study.spec.pruner, "seed": seed, **budget.model_dump(),
    }  # fmt: skip
    name = f"tune {study.metadata.name}"
    with tracking.run(name, "tune", parameters=parameters, command=command, parent=parent) as run:
        run.dataset(study.suite.metadata.name, study.suite.digest, "tuning", {"scenarios": len(study.suite.scenarios)})
        stopped = "trials"
        for _ in range(len(found.trials), budget.trials):
            if time.monotonic() >= deadline:
                stopped = "clock"
                break
            trial = found.ask()
            try:
                value = _tried(study, trial, budget, folder, deadline, base or PpoConfig(), interpreter, run, on_trial)
            except optuna.TrialPruned:
                found.tell(trial, state=optuna.trial.TrialState.PRUNED)
            except _OutOfTimeError:
                found.tell(trial, state=optuna.trial.TrialState.FAIL)
                stopped = "clock"
                break
            except BaseException:
                found.tell(trial, state=optuna.trial.TrialState.FAIL)
                raise
            else:
                found.tell(trial, value)
        return _result(found, folder, run, stopped)


def _tried(
    study: Study,
    trial: optuna.Trial,
    budget: Budget,
    folder: Path,
    deadline: float,
    base: PpoConfig,
    interpreter: Path | None,
    parent: tracking.Run,
    on_trial: OnTrial,
) -> float:
    """One trial: settings drawn, a training as a nested run, its policy judged."""
    import optuna

    drawn = {SNAKE[name]: _draw(trial, name, space) for name, space in study.spec.search_space.items()}
    config = configured(drawn, base)
    place = folder / f"trial-{trial.number}"
    shutil.rmtree(place, ignore_errors=True)
    returns: list[float] = []
    parameters = {**drawn, "trial": trial.number}
    with tracking.run(f"trial {trial.number}", "trial", parameters=parameters, parent=parent) as run:

        def record(steps: int, metrics: dict[str, float]) -> None:
            run.log(metrics, steps)
            on_trial(trial.number, metrics)
            if "episodic_return" in metrics:
                returns.append(metrics["episodic_return"])
                trial.report(-returns[-1], steps)
                if trial.should_prune():
                    run.tag("healtwin.pruned", "true")
                    raise optuna.TrialPruned
            if time.monotonic() >= deadline:
                run.tag("healtwin.stopped", "clock")
                raise _OutOfTimeError

        try:
            result = trained(
                _learnt_from(study.suite),
                place,
                config,
                trial.number,
                None,
                budget.steps_per_trial,
                interpreter,
                "simpy",
                False,
                record,
            )
        except (optuna.TrialPruned, _OutOfTimeError) as ending:
            stopped: Exception | None = ending
        else:
            stopped = None
            value = _judged(study.suite, result.policy, interpreter)
            run.log({"objective": value}, result.steps)
            result.policy.save(place)
    if stopped is not None:
        raise stopped
    return value


def _learnt_from(suite: Suite) -> Suite:
    """The suite without the seeds that trials are judged on, where it has others."""
    return replace(suite, seeds=suite.seeds[:-JUDGING_SEEDS] or suite.seeds)


def _judged(suite: Suite, policy: Any, interpreter: Path | None) -> float:
    """`OBJECTIVE` on the last seeds of the suite."""
    from experiments.contenders import load_interpreter, seeing_through

    wrap = None if interpreter is None else seeing_through(load_interpreter(interpreter))
    last = set(suite.seeds[-JUDGING_SEEDS:])
    results = [
        judge(live(case.scenario, case.seed, policy, wrap), "trial") for case in cases(suite) if case.seed in last
    ]
    values = by_seed((r.seed, r.violation_seconds) for r in results).values()
    return sum(values) / len(values)


def _budget(budget: Budget, seconds: float | None, trials: int | None) -> Budget:
    changes = {k: v for k, v in {"seconds": seconds, "trials": trials}.items() if v is not None}
    return budget.model_copy(update=changes)


def _draw(trial: optuna.Trial, name: str, space: SearchParameter) -> Any:
    if space.choices is not None:
        return trial.suggest_categorical(name, list(space.choices))
    low, high = space.low, space.high
    assert low is not None and high is not None  # the schema has one form or the other
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=space.log)
    return trial.suggest_float(name, float(low), float(high), log=space.log)


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed) if name == "random" else optuna.samplers.TPESampler(seed=seed)


def _pruner(name: str) -> optuna.pruners.BasePruner:
    import optuna

    match name:
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
        case "hyperband":
            return optuna.pruners.HyperbandPruner()
    return optuna.pruners.NopPruner()


def _result(found: optuna.Study, folder: Path, run: tracking.Run, stopped: str) -> Tuned:
    from optuna.trial import TrialState

    finished = [t for t in found.trials if t.state == TrialState.COMPLETE]
    best = min(finished, key=lambda t: t.value if t.value is not None else float("inf"), default=None)
    settings = {} if best is None else {SNAKE[name]: value for name, value in best.params.items()}
    value = None if best is None else best.value
    pruned = sum(t.state == TrialState.PRUNED for t in found.trials)
    summary = {
        "objective": OBJECTIVE,
        "value": value,
        "settings": settings,
        "trials": len(found.trials),
        "pruned": pruned,
    }
    (folder / "best.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    run.json(summary, "best.json")
    run.log({"trials": len(found.trials), "pruned": pruned, **({} if value is None else {"best": value})})
    return Tuned(settings, value, len(found.trials), pruned, stopped, folder, run.id)
