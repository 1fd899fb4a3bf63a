"""`healtwin bench`: figures, bars and anchors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from experiments.commands import mutations, replay

if TYPE_CHECKING:
    from experiments.bench.rows import Row

NAMES = ("twin", "inference", "openstack", "fast", "telemetry", "rca", "mutations", "replay")


class Benchmarks(TyperGroup):
    """The group: an unknown benchmark is an error of the user's."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names. Raises UserError."""
        from experiments.errors import UserError

        if args[0] not in NAMES:
            raise UserError(f"no benchmark '{args[0]}' (known: {', '.join(NAMES)})")
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Benchmarks, help="Figures beside their bars and anchors.", no_args_is_help=True)
app.command("replay")(replay.command)
app.command("mutations")(mutations.command)

Quick = Annotated[bool, typer.Option("--quick", help="Finish within 50 s.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def twin(quick: Quick = False, as_json: Json = False) -> None:
    """The kernel, both clusters, start-up and the environment. Exit code 1 where a bar is missed."""
    from experiments.bench import twin

    _print("twin", twin.rows(quick), as_json)


@app.command()
def inference(
    quick: Quick = False,
    as_json: Json = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Traces and profiles (llm_traces/, gpu_perf/, …); rows that need them are skipped."
        ),
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="With what takes minutes: 24 simulated hours.")] = False,
) -> None:
    """The LLM twin: speed, memory, and its physics against measurements. Exit code 1 where a bar is missed."""
    from experiments.bench import inference
    from experiments.errors import UserError

    if data is not None and not data.is_dir():
        raise UserError(f"--data {data}: no such folder; it holds llm_traces/, gpu_perf/ and vllm_runs/")
    _print("inference", inference.rows(quick, data, long), as_json)


@app.command()
def fast(quick: Quick = False, as_json: Json = False) -> None:
    """The fast twin: decisions, memory, compilation, beside gymnax. Exit code 1 where a bar is missed."""
    from experiments.bench import fast

    _print("fast", fast.rows(quick), as_json)


@app.command()
def openstack(
    quick: Quick = False,
    as_json: Json = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Real clouds' logs (openstack/, openstack-real/); rows that need them are skipped."
        ),
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="With 900 mutation experiments and 1,000 hosts.")] = False,
) -> None:
    """The OpenStack twin beside real clouds, and its speed. Exit code 1 where a bar is missed."""
    from experiments.bench import openstack
    from experiments.errors import UserError

    if data is not None and not data.is_dir():
        raise UserError(f"--data {data}: no such folder; it holds openstack/ and openstack-real/")
    _print("openstack", openstack.rows(quick, data, long), as_json)


@app.command()
def telemetry(quick: Quick = False, as_json: Json = False) -> None:
    """What of a run reaches other tools: its samples in a real Prometheus. Exit code 1 where a bar is missed."""
    from experiments.bench import telemetry

    _print("telemetry", telemetry.rows(quick), as_json)


@app.command()
def rca(
    quick: Quick = False,
    as_json: Json = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Real logs (openstack/, openstack-real/); rows that need them are skipped."),
    ] = None,
) -> None:
    """Root causes: real logs read, what a data set costs, how long rankers take. Exit code 1 where a bar is missed."""
    from experiments.bench.rca import rows
    from experiments.errors import UserError

    if data is not None and not data.is_dir():
        raise UserError(f"--data {data}: no such folder; it holds openstack/ and openstack-real/")
    _print("rca", rows.rows(quick, data), as_json)


def _print(name: str, measured: Iterable[Row], as_json: bool) -> None:
    import json
    import sys

    from rich.console import Console

    from experiments.bench.rows import all_hold
    from experiments.tables import print_rows

    rows = []
    with Console(file=sys.stderr).status("measuring") as status:
        for row in measured:
            rows.append(row)
            status.update(f"measured: {row.row}")
            if as_json:
                print(json.dumps(row.as_json()), flush=True)
    if not as_json:
        print_rows(f"bench {name}", rows)
    if not all_hold(rows):
        raise typer.Exit(1)
