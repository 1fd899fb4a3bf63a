"""`healtwin demo`: the main job on a budget of minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from experiments.commands.options import Force, Out


def command(
    budget: Annotated[
        str, typer.Option("--budget", help="demo, long, or a YAML file with the seconds of each stage.")
    ] = "demo",
    out: Out = None,
    force: Force = False,
) -> None:
    """Run the main job end to end: a scenario in, a self-healing policy out. It proves the wiring, not the learning."""
    import sys
    import time

    from rich.console import Console

    from experiments.demo import DemoBudget, demo
    from experiments.runs import new_folder
    from experiments.tables import print_comparison, wide
    from twin.telemetry.folder import prepare

    planned = DemoBudget.load(budget)
    folder = out or new_folder("demo")
    prepare(folder, force)
    console, began, last = wide(), time.monotonic(), [0.0]
    errors = Console(stderr=True)
    with errors.status("1 simulate") as status:

        def progress(stage: str, step: int, figures: Mapping[str, float]) -> None:
            now = time.monotonic()
            if now - last[0] > 0.2:
                last[0] = now
                shown = "  ".join(f"{name} {value:.4g}" for name, value in list(figures.items())[:4])
                status.update(f"{now - began:4.0f} s  {stage} {step}  {shown}")

        done = demo(
            planned,
            folder,
            command=tuple(sys.argv[1:]),
            say=lambda line: console.print(line, markup=False, highlight=False),
            on_progress=progress,
        )
    for judged in (done.training, done.unknown):
        print_comparison(judged, console, families=False)
    on_unknown = [d for d in done.unknown.differences if d.policy == done.policy and d.family == "all"]
    if not any(d.better for d in on_unknown):
        console.print("The policy is not shown to beat the rule ladder on unknown faults.")
    if not done.exported.validated:
        console.print("The bundle is UNVALIDATED: the export gate refused the policy. A longer training: `make train`.")
    console.print(f"MLflow run:      {done.run}  (healtwin ui)", highlight=False)
    console.print(f"HTML report:     {done.report}", highlight=False, soft_wrap=True)
    console.print(f"exported bundle: {done.bundle}", highlight=False, soft_wrap=True)
