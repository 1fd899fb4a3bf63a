"""`healtwin rca environment`: the Python environment that the published root-cause methods run in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option("--out", help="Folder of the environment.")] = Path(".venv-rca"),
    python: Annotated[
        str, typer.Option("--python", help="A Python 3.11 or 3.12 (default: the one that this runs on).")
    ] = sys.executable,
) -> None:
    """Install the published methods (RCAEval, BARO, PyRCA), pinned, in an environment of their own: 1.5 GB."""
    from experiments.bench.rca.published import ABSENT, PUBLISHED
    from experiments.bench.rca.published.environment import create
    from experiments.progress import Bar

    with Bar("packages") as bar:
        create(out, bar, python)
    print(f"{len(PUBLISHED)} methods: {', '.join(PUBLISHED)}")
    print(f"not to be had: {', '.join(ABSENT)} (docs/rca-published.md)")
    print(f"environment: {out}")
