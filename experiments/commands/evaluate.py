"""`healtwin evaluate`: policies on the same luck."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    suite: Annotated[str, typer.Option("--suite", help="A suite file, or the name of a shipped one.")],
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="Folder of a policy or bundle; repeatable. The baselines always take part."),
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Use the first N seeds of the suite.")] = None,
    harm_checks: Annotated[
        int,
        typer.Option(
            "--harm-checks", min=0, help="Actions an episode that are compared with the same luck without them."
        ),
    ] = 2,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 1,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.0, help="Begin no more episodes after this long.")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the results as JSON to this file.")] = None,
) -> None:
    """Compare policies with no-op, random legal actions and the rule ladder, paired by seed."""
    from experiments.errors import UserError
    from experiments.judging import evaluate_suite
    from experiments.progress import Bar
    from experiments.tables import print_comparison
    from twin.scenario import Suite

    loaded = Suite.load(suite)
    if loaded.split == "validation" and policy:
        raise UserError(
            f"the suite '{loaded.metadata.name}' is kept for validation: only `healtwin export` judges a policy on it, "
            "and counts the attempt"
        )
    with Bar("evaluate") as bar:
        judged = evaluate_suite(
            loaded,
            policy or [],
            seeds=seeds,
            harm_checks=harm_checks,
            workers=workers,
            seconds=seconds,
            command=sys.argv[1:],
            on_case=bar,
        )
    if json_out is not None:
        judged.write(json_out)
    print_comparison(judged)
    print(f"run: {judged.run}")
