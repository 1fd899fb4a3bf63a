"""`healtwin scenario`: list, show, validate, faults, sites, schema, new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Overrides

app = typer.Typer(help="Scenario files: list, show, check, start a new one.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The shipped scenarios and suites."""
    from rich.table import Column, Table

    from experiments.tables import wide
    from twin.scenario import Scenario, Suite
    from twin.scenario.catalogue import shipped

    console = wide()
    kept = [Column(name, no_wrap=True) for name in ("name", "family", "horizon")]
    table = Table(*kept, "title", title="scenarios", title_justify="left")
    clusters: dict[str, list[tuple[str, str, str, str]]] = {}
    for name in shipped("Scenario"):
        scenario = Scenario.load(name)
        spec, told = scenario.resolve().spec, scenario.metadata
        line = (name, told.labels.get("family", ""), f"{spec.horizon:g} s", told.title)
        clusters.setdefault(spec.cluster.kind, []).append(line)
    for cluster, lines in clusters.items():
        table.add_row(f"[bold]{cluster}")
        for line in lines:
            table.add_row(*line, end_section=line is lines[-1])
    console.print(table)
    columns = ("name", "split", "scenarios", "seeds")
    table = Table(*(Column(name, no_wrap=True) for name in columns), "title", title="suites", title_justify="left")
    for name in shipped("Suite"):
        for suite in Suite.load_parts(name):
            split = suite.part or suite.split
            table.add_row(name, split, str(len(suite.scenarios)), str(len(suite.seeds)), suite.metadata.title)
    console.print(table)


@app.command()
def show(
    scenario: Annotated[str, typer.Argument(metavar="NAME", help="A shipped scenario's name, or a file.")],
    resolved: Annotated[bool, typer.Option("--resolved", help="With every randomised field drawn.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw; default: the scenario's.")] = None,
    set_: Overrides = None,
) -> None:
    """Print a scenario as it is written, or, with --resolved, as a seed draws it; first, which versions it models."""
    from twin.scenario import Scenario, to_yaml
    from twin.telemetry.dialects import MODELS, spoken

    loaded = Scenario.load(scenario, set_ or ())
    typer.echo(f"# models {MODELS[spoken(loaded.resolve(seed).spec)]}")
    if resolved or seed is not None:
        typer.echo(to_yaml(loaded.resolve(seed)), nl=False)
    else:
        typer.echo(loaded.to_yaml() if set_ else Path(loaded.source).read_text(encoding="utf-8"), nl=False)


@app.command()
def faults(
    kind: Annotated[str, typer.Argument(metavar="[KIND]", help="A fault kind, such as GPUChaos.")] = "",
) -> None:
    """The kinds of fault: what each can hit, its family and its parameters."""
    from rich.table import Column, Table

    from experiments.tables import wide
    from twin.faults import KINDS
    from twin.scenario import ScenarioError
    from twin.scenario.errors import nearest

    if kind and kind not in KINDS:
        raise ScenarioError(f"no fault kind '{kind}'{nearest(kind, KINDS)}")
    count = sum(len(actions) for actions in KINDS.values())
    title = kind or f"{count} kinds of fault"
    table = Table(Column("kind", no_wrap=True), Column("action", no_wrap=True), "parameters", "hits", title=title)
    for name, actions in KINDS.items():
        if kind in ("", name):
            for action, entry in actions.items():
                fields = ", ".join(f.alias or field for field, f in entry.parameters.model_fields.items())
                table.add_row(name, action or "-", fields or "-", entry.hits)
                if kind:
                    table.add_row("", "", " ".join((entry.parameters.__doc__ or "").split()), "", end_section=True)
    wide().print(table)


@app.command()
def sites(
    project: Annotated[str, typer.Argument(metavar="[PROJECT]", help="nova, neutron or cinder; default: all.")] = "",
    grep: Annotated[str, typer.Option("--grep", metavar="TEXT", help="Only sites whose name holds this.")] = "",
) -> None:
    """The call sites of OpenStack's programs: where MutationChaos can make a call go wrong, and how."""
    from rich.table import Column, Table
    from rich.text import Text

    from experiments.errors import UserError
    from experiments.tables import wide
    from twin.openstack.mutation import operators
    from twin.openstack.mutation import sites as known
    from twin.scenario.errors import nearest

    projects = [package.rpartition(".")[2] for package in known.PACKAGES]
    if project and project not in projects:
        raise UserError(f"no project '{project}'{nearest(project, projects)}")
    found = [s for s in known.sites() if project in ("", s.project) and grep.lower() in s.id.lower()]
    if not found:
        raise UserError(f"--grep {grep}: no call site has this in its name")
    title = f"{len(found)} call sites" if len(found) > 1 else "1 call site"
    table = Table(
        Column("site: its arguments: how it can go wrong", overflow="fold"), title=title, title_justify="left"
    )
    for site in found:
        numbered = [f"{i} {written}" for i, written in enumerate(site.positional, 1)]
        arguments = ", ".join((*numbered, *(f"{name}=" for name in site.keywords)))
        mutations = " ".join(dict.fromkeys(point.operator.value for point in operators.points(site)))
        table.add_row(Text(site.id))
        table.add_row(Text(f"    ({arguments}): {mutations}" if arguments else f"    {mutations}", style="dim"))
    wide().print(table)


@app.command()
def validate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Scenarios, suites or studies: files or shipped names.")
    ],
) -> None:
    """Check files: grammar, units, targets, and every end of the randomised fields."""
    from twin.scenario import ScenarioError

    wrong = 0
    for file in files:
        try:
            typer.echo(_validated(file))
        except ScenarioError as error:
            wrong += 1
            typer.echo(f"error: {error}", err=True)
    if wrong:
        raise typer.Exit(2)


def _validated(file: str) -> str:
    """Validate a file of any kind; return the line to print."""
    from twin.scenario import Scenario, Study, Suite
    from twin.scenario.catalogue import kind_of
    from twin.validation import validate as validate_scenario

    kind = kind_of(file)
    if kind == "Scenario":
        ends = validate_scenario(Scenario.load(file))
        return f"ok: {file}: {len(ends)} {'variant' if len(ends) == 1 else 'variants'} checked"
    parts = (Study.load(file).suite,) if kind == "Study" else Suite.load_parts(file)
    scenarios = {scenario.source: scenario for suite in parts for scenario in suite.scenarios}
    for scenario in scenarios.values():
        validate_scenario(scenario)
    return f"ok: {file}: {kind.lower()}, {len(scenarios)} scenarios checked"


@app.command()
def digest(
    suites: Annotated[list[str], typer.Argument(metavar="SUITE...", help="Suites: files or shipped names.")],
) -> None:
    """Print the sha256 over every case of a suite: its scenarios as each seed of each split draws them."""
    from twin.scenario.suite import cases_digest

    for suite in suites:
        typer.echo(f"{cases_digest(suite)}  {suite}")


@app.command()
def schema() -> None:
    """Print the JSON schema of scenario files, for editors."""
    from twin.scenario.jsonschema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the scenario: small letters, digits and dashes.")],
    kind: Annotated[str, typer.Option(help="inference or openstack.")] = "inference",
    out: Annotated[Path | None, typer.Option(help="File to write; default: NAME.yaml here.")] = None,
) -> None:
    """Write a commented scenario to start from. An existing file is left alone."""
    from experiments.commands.templates import TEMPLATES
    from experiments.errors import UserError
    from twin.scenario import Scenario
    from twin.scenario.errors import nearest

    if kind not in TEMPLATES:
        raise UserError(f"--kind {kind}: no such kind of cluster{nearest(kind, TEMPLATES)}")
    text = TEMPLATES[kind].replace("NAME", name)
    Scenario.parse(text, "the new scenario")
    file = out or Path(f"{name}.yaml")
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UserError(f"{file}: the file exists; choose another with --out") from None
    typer.echo(f"{file}: check it with `healtwin scenario validate {file}`, run it with `healtwin simulate {file}`")
