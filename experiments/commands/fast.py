"""`healtwin fast`: what the fast twin has, and how true it is."""

from __future__ import annotations

from pathlib import Path
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
    policies: Annotated[
        list[str] | None,
        typer.Option("--policy", help="Rank these: names, or folders of learnt ones (default: a dozen; 'none')."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes of the SimPy twin.")] = 2,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Folder for lives of the SimPy twin, which are then not lived again.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write tables and pictures as a page too.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Keep it as an MLflow run.")] = True,
) -> None:
    """Both twins on the same scenarios, seeds, actions and policies: what the fast twin can be trusted with."""
    import sys

    from experiments.errors import UserError
    from experiments.fidelity import page, tables
    from experiments.fidelity.coverage import suites_of
    from experiments.fidelity.policies import POLICIES
    from experiments.fidelity.proof import Plan, prove
    from experiments.progress import Bar
    from experiments.tables import wide
    from twin.actions import CATEGORIES

    chosen = [name.strip() for name in actions.split(",")] if actions else None
    unknown = [name for name in chosen or () if name not in CATEGORIES]
    if unknown:
        raise UserError(f"there is no action '{unknown[0]}' (known: {', '.join(CATEGORIES)})")
    ranked = list(POLICIES) if not policies else [] if policies == ["none"] else policies
    for name in ranked:
        if name not in POLICIES and not Path(name).is_dir():
            raise UserError(f"no policy '{name}': give {', '.join(POLICIES)}, or the folder of a learnt policy")
    plan = Plan(suites_of(what), range(seeds), chosen, ranked)
    with Bar("lives") as bar:
        proof = prove(plan, workers, keep, bar)
    if not proof.steady:
        raise UserError("; ".join(f"{name}: the fast twin does not have {why}" for name, why in proof.left_out.items()))
    console = wide()
    for table in tables.tables(proof):
        console.print(table)
    for line in tables.sentences(proof):
        console.print(line, markup=False, highlight=False)
    title = f"fast fidelity {' '.join(what)}"
    written = page.render(title, proof)
    if html is not None:
        html.write_text(written, encoding="utf-8")
    if track:
        from experiments import tracking

        about = {"suites": " ".join(what), "seeds": seeds, "actions": actions or "all", "policies": ", ".join(ranked)}
        with tracking.run(title, "fast fidelity", parameters=about, command=sys.argv[1:]) as run:
            run.log(tables.metrics(proof))
            run.text(written, "fidelity.html")
        print(f"run: {run.id}")


@app.command()
def calibrate(
    suite: Annotated[str, typer.Argument(help="A suite for training.")] = "training",
    parts: Annotated[
        str | None, typer.Option("--parts", metavar="P[,P]", help="constants, flows, lines (default: all).")
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=2, help="Seeds of each scenario that constants are fitted to.")
    ] = 8,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes of the SimPy twin.")] = 2,
) -> None:
    """Fit and measure anew what the fast twin takes from the SimPy twin, in the files beside its sources."""
    from experiments.errors import UserError
    from experiments.fidelity.calibrating import PARTS, calibrate

    chosen = [part.strip() for part in parts.split(",")] if parts else list(PARTS)
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise UserError(f"there is no part '{unknown[0]}' (known: {', '.join(PARTS)})")
    for part, file in calibrate(suite, chosen, seeds, workers).items():
        print(f"{part}: {file}")


@app.command()
def transfer(
    judge: Annotated[list[str], typer.Argument(help="Scenarios, or suites, to be judged on in the SimPy twin.")],
    training: Annotated[str, typer.Option("--training", help="The suite both policies learn from.")] = "training",
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Wall clock of each training.")] = 600.0,
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="Seeds of each scenario.")] = 30,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the trainings.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the two policies.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that judge.")] = 2,
) -> None:
    """Train a policy in each twin for the same wall time, and judge both in the SimPy twin, paired."""
    import sys

    from rich.table import Table

    from experiments import tracking
    from experiments.comparison import in_words
    from experiments.fidelity.coverage import scenarios_of
    from experiments.fidelity.transfer import transfer
    from experiments.progress import Bar
    from experiments.runs import new_folder
    from experiments.tables import wide
    from twin.scenario import Suite

    suite, judged, folder = Suite.load(training), scenarios_of(judge), out or new_folder("transfer")
    title = f"fast transfer to {' '.join(judge)}"
    about = {"training": training, "judged": " ".join(judge), "seconds": seconds, "seeds": seeds, "seed": seed}
    with tracking.run(title, "fast transfer", parameters=about, command=sys.argv[1:]) as run, Bar("lives") as bar:
        found = transfer(suite, judged, range(seeds), seconds, folder, seed=seed, workers=workers, parent=run, told=bar)
        run.log({"gain": found.gain.mean, "gain_low": found.gain.low, "gain_high": found.gain.high})
        run.log({f"steps_{twin}": float(steps) for twin, steps in found.steps.items()})
    table = Table("policy", "return, s of outage", title=f"judged on {len(judged)} scenarios x {seeds} seeds")
    for name, interval in found.returns.items():
        table.add_row(name, in_words(interval))
    console = wide()
    console.print(table)
    learnt = ", ".join(f"{steps:,} decisions in the {twin} twin" for twin, steps in found.steps.items())
    console.print(f"learnt from {learnt}, {seconds:g} s of wall clock each", highlight=False)
    console.print(f"fast - SimPy: return {in_words(found.gain, signed=True)} s", highlight=False)
    console.print(f"              SLO violated {in_words(found.violation, signed=True)} s", highlight=False)
    print(f"run: {run.id}")


@app.command()
def parity() -> None:
    """Each kind of component without noise: a tick beside a plain version, minutes beside SimPy; exit code 1 where a
    bar is missed."""
    from rich.table import Table

    from experiments.fidelity.parity import parity
    from experiments.tables import wide

    table = Table("component", "quantity", "beside", "apart", "bar", "", title="parity", title_justify="left")
    lines = list(parity())
    for line in lines:
        said = "holds" if line.holds else "MISSED"
        table.add_row(line.component, line.quantity, line.beside, f"{line.error:.2g}", f"{line.bar:g}", said)
    wide().print(table)
    if not all(line.holds for line in lines):
        raise typer.Exit(1)


@app.command()
def observation(
    what: Annotated[list[str], typer.Argument(help="Scenarios.")],
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds of each.")] = 4,
    everything: Annotated[bool, typer.Option("--all", help="What agrees too, not only what does not.")] = False,
) -> None:
    """Whether both twins show a policy the same: presence and means of every feature, alarm and count of lines."""
    from rich.table import Table

    from experiments.errors import UserError
    from experiments.fidelity.observing import compare
    from experiments.tables import wide
    from twin.fast import NotCompiledError

    console = wide()
    for name in what:
        try:
            found = compare(name, range(seeds), 10)
        except NotCompiledError as error:
            raise UserError(f"{name}: {error}") from None
        differs = [one for one in found if not one.agrees]
        title = f"{name}: {len(found) - len(differs)} of {len(found)} agree (SimPy / fast)"
        table = Table("kind", "feature", "presence", "healthy", "with the fault", title=title, title_justify="left")
        for one in found if everything else differs:
            pairs = (f"{slow:.4g} / {quick:.4g}" for slow, quick in (one.healthy, one.ill))
            table.add_row(one.kind, one.feature + (" *" if one.moves else ""), f"{one.presence:.3f}", *pairs)
        console.print(table)
    console.print("* moves with the fault in the SimPy twin")
