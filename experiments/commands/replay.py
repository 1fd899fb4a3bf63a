"""`healtwin bench replay`: a real server's run beside its replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(help="Folder with requests.csv[.gz]; meta.json and timeseries.csv if any.")],
    gpu: Annotated[str, typer.Option("--gpu", help="A shipped GPU, or a file.")],
    model: Annotated[str, typer.Option("--model", help="A shipped model, or a file.")],
    tensor_parallel: Annotated[int | None, typer.Option("--tensor-parallel", min=1, help="GPUs of the engine.")] = None,
    max_num_seqs: Annotated[int | None, typer.Option("--max-num-seqs", min=1)] = None,
    max_num_batched_tokens: Annotated[int | None, typer.Option("--max-num-batched-tokens", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Send a vLLM run's arrivals and lengths through our engine; its timings, beside ours.

    Nothing is fitted to the run. Settings that are not given are read from its meta.json, else vLLM's defaults.
    """
    import json
    from dataclasses import asdict, replace

    from rich.table import Table

    from experiments.bench.replay import read_run, replay, settings_of
    from experiments.tables import wide
    from twin.scenario import hardware

    told = settings_of(folder)
    settings = replace(
        told,
        tensor_parallel=tensor_parallel or told.tensor_parallel,
        max_num_seqs=max_num_seqs or told.max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens or told.max_num_batched_tokens,
    )
    series = folder / "timeseries.csv"
    found = replay(
        read_run(folder),
        hardware.gpu(gpu),
        hardware.model(model),
        settings,
        series if series.is_file() else None,
    )
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "settings": asdict(settings),
                    "figures": [{**asdict(c), "error": c.error} for c in found.comparisons],
                    "running_rmse": found.running_error,
                    "running_rmse_of_max_num_seqs": found.running_error_of_limit,
                },
                indent=2,
            )
        )
        return
    title = f"{folder.name}: {model} on {settings.tensor_parallel} x {gpu}"
    table = Table("figure", "measured", "simulated", "unit", "error", title=title, title_justify="left")
    for c in found.comparisons:
        table.add_row(c.name, f"{c.measured:,.4g}", f"{c.simulated:,.4g}", c.unit, f"{c.error:+.1%}")
    of_limit = f"{found.running_error_of_limit:.1%} of max_num_seqs"
    table.add_row("running(t), RMSE", "", "", "of its mean", f"{found.running_error:.1%} ({of_limit})")
    wide().print(table)
