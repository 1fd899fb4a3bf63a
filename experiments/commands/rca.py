"""`healtwin rca`: data sets of root-cause cases, methods on them, and what the study found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from experiments.commands import rca_environment

if TYPE_CHECKING:
    from experiments.bench.rca.cases import DataSet
    from experiments.bench.rca.methods import Method
    from experiments.bench.rca.runner import Results

app = typer.Typer(help="Root-cause analysis: data sets, methods, findings.", no_args_is_help=True)


@app.command()
def dataset(
    suite: Annotated[str, typer.Argument(help="A suite file, or the name of a shipped one.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the data set; one that was cut short is taken up.")],
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option("--split", help="One of the suite's splits (default: the suite without one)."),
    ] = None,
    set_seed: Annotated[
        int, typer.Option("--set-seed", min=0, help="Another number: the same scenarios under other luck.")
    ] = 0,
    profile: Annotated[
        Literal["paper", "serving", "enriched"],
        typer.Option("--profile", help="What the cases show: as the study, with the engines' own metrics, all."),
    ] = "paper",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="spec.x=y", help="Override a field of every scenario; repeatable."),
    ] = None,
    telemetry: Annotated[
        bool, typer.Option("--telemetry", help="Keep each case's telemetry folder, which the interpreter reads.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = 2,
) -> None:
    """Live through every case of a suite and write it as RCAEval's tools read it: `<service>_<fault>/<N>/`."""
    import sys

    from experiments.bench.rca.dataset import Plan, make
    from experiments.progress import Bar
    from experiments.tables import print_rows
    from twin.scenario import Suite

    loaded = Suite.load(suite, split=split)
    plan = Plan(loaded, set_seed, profile, tuple(overrides or ()), telemetry)
    with Bar("cases") as bar:
        made = make(plan, out, workers, bar)
    print_rows("data set", made.rows())
    print(f"{made.cases - len(made.failed)} cases: {made.folder}")
    for case, why in made.failed.items():
        print(f"failed: {case}: {why}", file=sys.stderr)
    if made.failed:
        print(f"{len(made.failed)} of {made.cases} cases are not in the data set", file=sys.stderr)
        raise typer.Exit(1)


Methods = Annotated[
    str | None,
    typer.Option("--methods", metavar="M[,M]", help="Methods by name, or ours, or published (default: ours)."),
]
Environment = Annotated[
    Path, typer.Option("--environment", help="Where the published methods are: `healtwin rca environment`.")
]
Limit = Annotated[float, typer.Option("--limit", min=1.0, help="Seconds a published method may take for a case.")]
SlowSeeds = Annotated[
    int | None,
    typer.Option("--slow-seeds", min=1, help="Seeds that slow methods (causal graphs) are given (default: all)."),
]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes for the published methods.")]
Interpreter = Annotated[
    Path | None, typer.Option("--interpreter", help="Folder of a trained interpreter: adds the method 'interpreter'.")
]


@app.command()
def bench(
    dataset: Annotated[Path, typer.Argument(help="Folder of a data set: ours, or any of RCAEval's.")],
    methods: Methods = None,
    interpreter: Interpreter = None,
    environment: Environment = Path(".venv-rca"),
    limit: Limit = 600.0,
    slow_seeds: SlowSeeds = None,
    workers: Workers = 2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Orders the columns of each case.")] = 0,
    results: Annotated[
        Path | None, typer.Option("--results", help="File of results, taken up (default: DATASET/results.jsonl).")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="Run a test split: once a release, by protocol.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write the table as a page too.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the run in MLflow.")] = True,
) -> None:
    """Give every case to every method: AC@k and Avg@5 beside chance, by kind of fault, seconds, failures."""
    import sys

    from experiments.bench.rca import page, runner, tables
    from experiments.bench.rca.cases import read_dataset
    from experiments.bench.rca.methods import chosen
    from experiments.bench.rca.scores import leads, scores
    from experiments.errors import UserError
    from experiments.progress import Bar
    from experiments.tables import wide

    _can_be_written(html)
    data = read_dataset(dataset)
    with chosen(_names(methods), interpreter, environment, limit) as using, Bar("cases x methods") as bar:
        found = runner.run(data, using, results or dataset / runner.RESULTS, seed, workers, release, slow_seeds, bar)
    for name, why in found.broken.items():
        print(f"left out: {name}: {why}", file=sys.stderr)
    if not found.asked:
        raise UserError(f"{dataset}: none of its {len(found.broken)} cases can be read; make the data set again")
    lines = scores(found.outcomes, found.asked)
    title = f"rca bench {data.name}"
    wide().print(tables.scores_table(title, lines))
    ahead = {lead.group: str(lead) for lead in leads(found.outcomes, found.asked, _own(using))}
    for group, told in ahead.items():
        print(f"{group}: {told}")
    failed = [outcome for outcome in found.outcomes if outcome.error]
    for outcome in failed[:5]:
        print(f"failed: {outcome.method} on {outcome.case}: {outcome.error}", file=sys.stderr)
    about = {
        "data set": f"{data.name}, {_read(found)}",
        "split": data.split or "-",
        "profile": data.profile,
        "digest": data.digest,
    }
    written = page.render(title, about | ahead, {data.name: lines}, broken=found.broken)
    if html is not None:
        html.write_text(written, encoding="utf-8")
    if track:
        from experiments import tracking

        with tracking.run(title, "rca bench", parameters={**about, "seed": seed}, command=sys.argv[1:]) as run:
            for line in lines:
                for figure, value in line.figures.items():
                    run.log({f"{line.group}/{line.method}/{figure.replace('@', '')}": value.mean})
            run.text(written, "scores.html")
        print(f"run: {run.id}")


@app.command()
def findings(
    datasets: Annotated[
        list[Path], typer.Argument(help="Data sets of rca-llm, made with several --set-seed and profiles.")
    ],
    methods: Methods = None,
    richer: Annotated[
        str | None,
        typer.Option(
            "--richer", metavar="M[,M]", help="Methods for other profiles than paper (default: all that are not slow)."
        ),
    ] = None,
    environment: Environment = Path(".venv-rca"),
    limit: Limit = 600.0,
    slow_seeds: SlowSeeds = None,
    workers: Workers = 2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Orders the columns of each case.")] = 0,
    html: Annotated[Path | None, typer.Option("--html", help="Write findings and scores as a page too.")] = None,
) -> None:
    """Test the study's five findings on data sets: holds, undecided or fails, by 95 % intervals over data sets."""
    import sys

    from experiments.bench.rca import page, runner, tables
    from experiments.bench.rca.cases import read_dataset
    from experiments.bench.rca.findings import GPU, PAPER, Evidence
    from experiments.bench.rca.findings import findings as tested
    from experiments.bench.rca.methods import chosen
    from experiments.bench.rca.scores import ENOUGH, leads, scores
    from experiments.bench.rca.shifts import moved
    from experiments.errors import UserError
    from experiments.progress import Bar
    from experiments.tables import wide

    _can_be_written(html)
    gathered: dict[str, runner.Results] = {}
    shifts: dict[str, tuple[float, float]] = {}
    about: dict[str, str] = {}
    broken: dict[str, str] = {}
    with ExitStack() as stack:
        using, using_richer = (
            stack.enter_context(chosen(_names(names), environment=environment, limit=limit))
            for names in (methods, richer)
        )
        own = _own((*using, *using_richer))
        for data in _distinct(map(read_dataset, datasets)):
            paper = data.profile == PAPER
            there = using if paper else using_richer if richer else [m for m in using if not m.slow]
            with Bar(str(data.folder)) as bar:
                file = data.folder / runner.RESULTS
                found = runner.run(data, there, file, seed, workers, slow_seeds=slow_seeds, told=bar)
            for name, why in found.broken.items():
                print(f"left out: {name}: {why}", file=sys.stderr)
                broken[f"{data.folder}/{name}"] = why
            about[str(data.folder)] = f"profile {data.profile}, --set-seed {data.realisation}, {_read(found)}"
            kept = gathered.setdefault(data.profile, runner.Results())
            kept.asked |= found.asked
            kept.outcomes += found.outcomes
            if paper:
                shifts |= moved(data, found.asked, GPU)
    if PAPER not in gathered:
        raise UserError("the findings are about profile paper; name data sets made with it")
    if not gathered[PAPER].asked:
        raise UserError("no case of profile paper can be read; make the data sets again")
    evidence = {profile: Evidence.of(found.asked, found.outcomes) for profile, found in gathered.items()}
    sets = len(evidence[PAPER].realisations)
    verdicts = tested(evidence, shifts)
    found_scores = {
        f"profile {profile}": scores(found.outcomes, found.asked) for profile, found in sorted(gathered.items())
    }
    for profile, found in sorted(gathered.items()):
        title = f"profile {profile}"
        wide().print(tables.scores_table(title, found_scores[title]))
        ahead = {f"{title}, {lead.group}": str(lead) for lead in leads(found.outcomes, found.asked, own)}
        for group, told in ahead.items():
            print(f"{group}: {told}")
        about |= ahead
    wide().print(tables.findings_table(verdicts))
    if html is not None:
        title = "findings of arXiv 2603.02057"
        html.write_text(page.render(title, about, found_scores, verdicts, broken), encoding="utf-8")
    if sets < ENOUGH:
        print(f"{sets} data set{'' if sets == 1 else 's'}; nothing is decided with fewer than {ENOUGH} (--set-seed)")


def _distinct(found: Iterable[DataSet]) -> Iterator[DataSet]:
    from experiments.errors import UserError

    seen: dict[tuple[str, int], Path] = {}
    for data in found:
        which = (data.profile, data.realisation)
        if which in seen:
            raise UserError(
                f"{seen[which]} and {data.folder} are the same cases: profile {which[0]}, --set-seed {which[1]}; name "
                "data sets of other luck"
            )
        seen[which] = data.folder
        yield data


def _read(found: Results) -> str:
    return f"{len(found.asked)} cases" + (f", {len(found.broken)} that cannot be read" if found.broken else "")


def _can_be_written(page: Path | None) -> None:
    """Raise UserError before the work where the page of its results has no place."""
    from experiments.errors import UserError

    if page is None:
        return
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--html {page}: cannot make its folder ({error.strerror}); name another file") from None
    if page.is_dir():
        raise UserError(f"--html {page} is a folder; name a file in it, such as {page / 'scores.html'}")


def _own(methods: Iterable[Method]) -> set[str]:
    return {method.name for method in methods if method.source == "ours"}


def _names(methods: str | None) -> list[str] | None:
    return [name.strip() for name in methods.split(",") if name.strip()] if methods else None


app.command("environment")(rca_environment.command)
