"""`healtwin export-telemetry`: a run that was recorded, in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Force


def command(
    run: Annotated[Path, typer.Argument(help="The telemetry folder of a run, as `healtwin simulate` leaves it.")],
    formats: Annotated[
        str,
        typer.Option(
            "--format", metavar="F[,F]", help="rcaeval, openmetrics, loki, otlp, parquet, text: one or several."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Where each format gets a folder of its name.")],
    force: Force = False,
) -> None:
    """Export a run's telemetry for other tools (docs/telemetry.md says how to load each format)."""
    import sys

    from rich.console import Console

    from experiments import telemetry_export

    names = telemetry_export.formats(formats)
    with Console(file=sys.stderr).status(f"exporting {', '.join(names)}"):
        telemetry_export.export(run, names, out, force, lambda name, folder: print(f"{name}: {folder}"))
