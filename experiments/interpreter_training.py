"""From a suite to an interpreter: labelled windows of its scenarios, a training, a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments import tracking
from experiments.errors import UserError
from experiments.evaluation import cases
from experiments.labelling import labelled, offset_of
from llm.config import InterpreterConfig
from llm.dataset import Corpus
from twin.scenario import Suite

COLLECTING = 0.35
"""Share of a budget in seconds that collecting windows may take."""
JUDGING = 0.1
"""Share of a budget in seconds that is left for the held-out figures."""
LOG_EVERY = 10
"""Training steps between two points of a curve in MLflow."""

DEFAULT = InterpreterConfig()
OnProgress = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class TrainedBy:
    """What a training of an interpreter left."""

    folder: Path
    report: Mapping[str, float | int | str | None]
    windows: int
    runs: int
    run: str


def train_interpreter(
    suite: Suite,
    folder: Path,
    *,
    config: InterpreterConfig = DEFAULT,
    seed: int = 0,
    seconds: float | None = None,
    steps: int | None = None,
    runs: int | None = None,
    parent: tracking.Run | None = None,
    on_progress: OnProgress = lambda step, figures: None,
) -> TrainedBy:
    """Collect labelled windows from the suite's cases and train on them.

    `seconds` of wall clock are shared between the two; `runs` cases and `steps` end them earlier, and make the result
    repeatable. Raises UserError where the suite must not be learned from, or no end is given.
    """
    import torch

    from llm.training import train

    torch.set_num_threads(1)  # two threads on two busy cores make a step many times slower
    if suite.split != "training":
        raise UserError(
            f"the suite '{suite.metadata.name}' is kept for {suite.split}: an interpreter learns from training"
        )
    if seconds is None and (steps is None or runs is None):
        raise UserError("an interpreter's training needs an end: --seconds, or --runs and --steps")
    name = suite.metadata.name
    parameters = {"suite": name, "suite_digest": suite.digest, "seed": seed, "seconds": seconds, **asdict(config)}
    with tracking.run(f"train interpreter on {name}", "train interpreter", parameters=parameters, parent=parent) as run:
        run.dataset(name, suite.digest, suite.split, {"scenarios": len(suite.scenarios)})
        began = time.monotonic()
        corpus, lived = collect(suite, runs, None if seconds is None else COLLECTING * seconds, on_progress)
        left = None if seconds is None else max(1.0, (1.0 - JUDGING) * seconds - (time.monotonic() - began))

        def on_step(step: int, losses: Mapping[str, float]) -> None:
            if step % LOG_EVERY == 0:
                run.log(losses, step)
            on_progress(step, losses)

        try:
            trained = train(corpus, config, seed=seed, seconds=left, steps=steps, on_step=on_step)
        except ValueError as error:
            raise UserError(f"{error}; collect more with a longer --seconds or more --runs") from None
        trained.save(folder)
        report = dict(trained.report)
        (folder / "training.json").write_text(
            json.dumps({"suite": name, "suite_digest": suite.digest, "seed": seed, "runs": lived, **report}, indent=1)
            + "\n",
            encoding="utf-8",
        )
        figures = {key: float(v) for key, v in report.items() if isinstance(v, (int, float))}
        run.log({**figures, "runs": lived, "windows": len(corpus)}, int(report["steps"]))
        run.json(report, "report.json")
        run.file(folder, "interpreter")
        arguments = [
            "--suite",
            suite.source,
            "--seed",
            str(seed),
            "--runs",
            str(lived),
            "--steps",
            str(report["steps"]),
            "--base",
            config.base,
            *(["--revision", config.revision] if config.revision else []),
        ]
        run.command(["train", "interpreter", *arguments])
        return TrainedBy(folder, report, len(corpus), lived, run.id)


def collect(
    suite: Suite, runs: int | None, seconds: float | None, on_progress: OnProgress = lambda step, figures: None
) -> tuple[Corpus, int]:
    """A corpus from the suite's cases, seed by seed, and how many were lived through; each scenario at least once."""
    corpus, began, lived = Corpus(), time.monotonic(), 0
    for case in cases(suite, None):
        late = seconds is not None and time.monotonic() - began > seconds
        if lived == runs or (late and lived >= len(suite.scenarios)):
            break
        for window in labelled(case.scenario, case.seed, offset_of(case.seed)):
            corpus.add(window)
        lived += 1
        on_progress(lived, {"windows": float(len(corpus))})
    return corpus, lived


def in_words(report: Mapping[str, object]) -> Sequence[str]:
    """The report as lines."""
    shown = ("type_accuracy", "root_cause_at_1", "unknown_auroc")
    figures = {name: report.get(name) for name in shown}
    lines = [f"{report['steps']} steps in {float(str(report['seconds'])):.0f} s, stopped by {report['stopped_by']}"]
    lines += [
        f"{name}: {'not measured' if v is None else f'{float(str(v)):.2f}'} (held out)" for name, v in figures.items()
    ]
    return lines
