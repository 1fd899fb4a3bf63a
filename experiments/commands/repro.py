"""`healtwin repro`: run a run again and compare."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="Id of a run (or its unique beginning), its name, or `last`.")],
) -> None:
    """Run a run again from its record and compare; exit code 1 where something that should repeat does not."""
    from rich.console import Console
    from rich.table import Table

    from experiments.reproduction import reproduce

    done = reproduce(run)
    table = Table("figure", "then", "again", "", title=f"run {done.run}, again as {done.again}", title_justify="left")
    for row in done.rows:
        verdict = "same" if row.same else "timed" if row.timed else "DIFFERENT"
        table.add_row(row.name, _text(row.before), _text(row.after), verdict)
    console = Console()
    console.print(table)
    for note in done.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print("reproduced" if done.same else "NOT reproduced")
    if not done.same:
        raise typer.Exit(1)


def _text(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else f"{value:.6g}"
