"""`healtwin report`: one HTML page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="Id of a run (or its unique beginning), its name, or `last`.")],
    out: Annotated[Path | None, typer.Option("--out", help="The HTML file (default: report-<run>.html).")] = None,
) -> None:
    """Write a self-contained HTML page about a run, and log it to the run."""
    from experiments.report import write_report

    path, identifier = write_report(run, out)
    print(f"report: {path}\nrun: {identifier}")
