"""`healtwin bench`: figures, bars and anchors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAMES = ("twin", "inference")


def command(
    name: Annotated[str, typer.Argument(help="Which benchmark: twin, inference.")],
    quick: Annotated[bool, typer.Option("--quick", help="Finish within 50 s.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Traces and profiles (llm_traces/, gpu_perf/, …); rows that need them are skipped."
        ),
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="With what takes minutes: 24 simulated hours.")] = False,
) -> None:
    """Run a benchmark: each figure beside its bar and an anchor that ran with it. Exit code 1 where a bar is missed."""
    import json
    import sys

    from rich.console import Console
    from rich.table import Table

    from experiments.bench import inference, twin
    from experiments.bench.rows import all_hold
    from experiments.errors import UserError
    from experiments.tables import wide

    if name not in NAMES:
        raise UserError(f"no benchmark '{name}' (known: {', '.join(NAMES)})")
    rows = []
    with Console(file=sys.stderr).status("measuring") as status:
        for row in twin.rows(quick) if name == "twin" else inference.rows(quick, data, long):
            rows.append(row)
            status.update(f"measured: {row.row}")
            if as_json:
                print(json.dumps(row.as_json()), flush=True)
    if not as_json:
        table = Table("figure", "value", "unit", "bar", "anchor", "holds", title=f"bench {name}", title_justify="left")
        for row in rows:
            holds = "" if row.holds is None else "yes" if row.holds else "NO"
            table.add_row(
                row.row,
                _figure(row.value),
                row.unit,
                row.bar,
                row.anchor,
                holds,
            )
        wide().print(table)
    if not all_hold(rows):
        raise typer.Exit(1)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
