"""`healtwin fast`: what the fast twin has, and how true it is."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The fast twin: coverage and fidelity.", no_args_is_help=True)


@app.command()
def coverage(
    what: Annotated[
        list[str] | None, typer.Argument(help="Scenarios, or suites (default: every shipped scenario).")
    ] = None,
) -> None:
    """Which scenarios, faults and actions can be compiled, and what of the others is missing."""
    from rich.table import Table

    from experiments.fidelity.coverage import coverage, missing_categories
    from experiments.tables import wide

    found = coverage(what or [])
    console = wide()
    table = Table("scenario", "compiled", "missing", title="scenarios in the fast twin", title_justify="left")
    for name, missing in found.items():
        table.add_row(name, "no" if missing else "yes", missing)
    console.print(table)
    console.print(f"{sum(not missing for missing in found.values())} of {len(found)} scenarios", highlight=False)
    console.print(f"actions that are missing: {', '.join(missing_categories())}", highlight=False)


@app.command()
def fidelity(
    what: Annotated[list[str], typer.Argument(help="Scenarios, or suites.")],
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="Seeds of each.")] = 30,
    actions: Annotated[
        str | None, typer.Option("--actions", metavar="A[,A]", help="Categories (default: all, and doing nothing).")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes of the SimPy twin.")] = 2,
) -> None:
    """Both twins on the same scenarios, seeds and actions: throughput, latencies, violations, recovery."""
    from rich.table import Table

    from experiments.errors import UserError
    from experiments.fidelity.comparing import FIGURES, compare
    from experiments.fidelity.coverage import scenarios_of
    from experiments.progress import Bar
    from experiments.tables import wide
    from twin.actions import CATEGORIES

    chosen = [name.strip() for name in actions.split(",")] if actions else None
    unknown = [name for name in chosen or () if name not in CATEGORIES]
    if unknown:
        raise UserError(f"there is no action '{unknown[0]}' (known: {', '.join(CATEGORIES)})")
    table = Table(
        "scenario", "action", "seeds", *FIGURES, title="SimPy twin / fast twin, means over seeds", title_justify="left"
    )
    with Bar("scenarios x actions") as bar:
        for line in compare(scenarios_of(what), chosen, range(seeds), workers, bar):
            cells = [_cell(line.figures[name].means) for name in FIGURES]
            table.add_row(line.scenario, line.category, str(line.seeds), *cells)
    wide().print(table)


def _cell(means: tuple[float, float]) -> str:
    simpy, fast = means
    return f"{simpy:.3g} / {fast:.3g}"
