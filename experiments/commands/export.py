"""`healtwin export`: a policy that has passed the gate leaves the twin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    policy: Annotated[Path, typer.Option("--policy", help="Folder of a learnt policy.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the bundle; must be new or empty.")],
    suite: Annotated[
        str, typer.Option("--suite", help="The validation suite: a file, or a shipped one's name.")
    ] = "validation",
    interpreter: Annotated[
        Path | None, typer.Option("--interpreter", help="Folder of the interpreter (default: the policy's own).")
    ] = None,
    unvalidated: Annotated[
        bool, typer.Option("--unvalidated", help="Write the bundle, marked, even where the gate refuses it.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="Use the first N seeds; fewer than 30 never pass.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 1,
) -> None:
    """Write a policy as a bundle, if it beats the rule ladder on validation. Refused: exit code 1."""
    from experiments.exporting import ExportRefused, export_policy
    from experiments.progress import Bar
    from twin.scenario import Suite

    loaded = Suite.load(suite)
    try:
        with Bar("validate") as bar:
            done = export_policy(
                policy,
                out,
                suite=loaded,
                interpreter=interpreter,
                unvalidated=unvalidated,
                seeds=seeds,
                workers=workers,
                command=sys.argv[1:],
                on_case=bar,
            )
    except ExportRefused as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        print("--unvalidated writes it all the same, marked as not validated", file=sys.stderr)
        raise typer.Exit(1) from None
    assert done.verdict is not None
    if done.validated:
        print(f"passed on {done.verdict.seeds} seeds, attempt {done.attempts}")
    else:
        print("UNVALIDATED: the gate refused it: " + "; ".join(done.verdict.failures))
    print(f"bundle: {done.folder}\nrun: {done.run}")
