"""The command line. It imports nothing heavy: every command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import typer
from typer.core import TyperGroup

from experiments import compiled, errors
from experiments.commands import (
    bench,
    demo,
    diagnose,
    evaluate,
    export,
    export_telemetry,
    fast,
    hardware,
    policy,
    rca,
    report,
    repro,
    scenario,
    simulate,
    train,
    tune,
    ui,
)


class Commands(TyperGroup):
    """The root group: an error of the user's is a line on stderr and exit code 2; Ctrl-C is exit code 130."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(130) from None
        except Exception as error:
            said = errors.in_words(error) if errors.is_users(error) else errors.of_the_command_line(error)
            if not said:
                raise
            print(f"error: {said}", file=sys.stderr)
            raise typer.Exit(2) from None


app = typer.Typer(
    name="healtwin",
    cls=Commands,
    help="A simulation-first digital twin for self-healing clouds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(scenario.app, name="scenario")
app.add_typer(hardware.app, name="hardware")
app.command("simulate")(simulate.command)
app.command("export-telemetry")(export_telemetry.command)
app.add_typer(train.app, name="train")
app.command("tune")(tune.command)
app.command("evaluate")(evaluate.command)
app.command("export")(export.command)
app.add_typer(policy.app, name="policy")
app.command("report")(report.command)
app.command("demo")(demo.command)
app.add_typer(fast.app, name="fast")
app.add_typer(bench.app, name="bench")
app.add_typer(rca.app, name="rca")
app.command("diagnose")(diagnose.command)
app.command("repro")(repro.command)
app.command("ui")(ui.command)


def main() -> None:
    """The console script `healtwin`."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads on two busy cores are many times slower
    compiled.keep()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    app()
