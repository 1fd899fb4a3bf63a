"""`healtwin tune`: a study over a policy's settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Out


def command(
    study: Annotated[str, typer.Argument(help="A study file, or the name of a shipped one.")],
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.0, help="Instead of the study's budget.")] = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Instead of the study's budget.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sampler.")] = 0,
    interpreter: Annotated[
        Path | None, typer.Option("--interpreter", help="Folder of an interpreter whose diagnosis the policies see.")
    ] = None,
    out: Out = None,
) -> None:
    """Search PPO's settings with Optuna; a study in the same folder is gone on with."""
    from experiments.progress import Ticker
    from experiments.runs import ROOT
    from experiments.tuning import OBJECTIVE, tune
    from twin.scenario import Study

    loaded = Study.load(study)
    folder = out or ROOT / f"study-{loaded.metadata.name}"
    with Ticker("tune", seconds or loaded.spec.budget.seconds, ("episodic_return",)) as ticker:
        found = tune(
            loaded,
            folder,
            seconds=seconds,
            trials=trials,
            seed=seed,
            interpreter=interpreter,
            command=tuple(sys.argv[1:]),
            on_trial=ticker,
        )
    print(f"{found.trials} trials, {found.pruned} pruned, stopped by {found.stopped}")
    if found.value is None:
        print("no trial was finished: give the study more seconds")
    else:
        print(f"best: {found.value:.1f} {OBJECTIVE}, with")
        for name, value in found.best.items():
            print(f"  {name} = {value}")
    print(f"study: {found.folder}\nrun: {found.run}")
