"""`healtwin policy run`: an exported bundle by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Exported policies.", no_args_is_help=True)


@app.callback()
def policies() -> None:
    """Exported policies."""


@app.command("run")
def run(
    bundle: Annotated[Path, typer.Argument(help="Folder of an exported bundle.")],
    shadow: Annotated[
        Path, typer.Option("--shadow", help="A telemetry folder to read; nothing is done to any cluster.")
    ],
    interval: Annotated[
        float | None, typer.Option("--interval", min=0.1, help="Seconds between decisions (default: the folder's).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of a policy that samples.")] = 0,
) -> None:
    """Replay a telemetry folder through a bundle; print its decisions as JSON lines."""
    import json
    import sys

    from experiments.contenders import load_interpreter
    from experiments.errors import UserError
    from policies.bundle import BundleError, BundlePolicy, open_bundle
    from policies.shadow import replay
    from twin.telemetry.folder import read

    try:
        opened = open_bundle(bundle)
        telemetry = read(shadow)
        interpreter = None if opened.interpreter is None else load_interpreter(opened.interpreter)
        if not opened.validated:
            print("note: this bundle has not passed the export gate", file=sys.stderr)
        for decision in replay(BundlePolicy(opened), telemetry, interpreter=interpreter, interval=interval, seed=seed):
            print(json.dumps(decision))
    except BundleError as error:
        raise UserError(str(error)) from None
