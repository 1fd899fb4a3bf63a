"""`healtwin hardware`: list, show, fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="GPUs and models: list, show with sources, fit to kernel tables.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The GPUs and models that ship. Files of one's own are named by their path in spec.cluster.gpu and model."""
    import json

    from rich.table import Table

    from experiments.tables import wide
    from twin.scenario import hardware

    gpus = [hardware.gpu_entry(name) for name in hardware.shipped("GPU")]
    models = [hardware.model_entry(name) for name in hardware.shipped("Model")]
    if as_json:
        found = {
            "gpus": [{"name": e.item.name, "title": e.title, **e.values} for e in gpus],
            "models": [
                {"name": e.item.name, "title": e.title, "parameters": e.item.parameters, **e.values} for e in models
            ],
        }
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("name", "title", "memory", "bandwidth", "bf16", "of them reached", title="GPUs", title_justify="left")
    for entry in gpus:
        gpu = entry.item
        table.add_row(
            gpu.name,
            entry.title,
            f"{gpu.memory / 1e9:.1f} GB",
            f"{gpu.bandwidth / 1e9:,.0f} GB/s",
            f"{gpu.flops / 1e12:,.0f} TFLOPS",
            f"{gpu.memory_efficiency:.0%}, {gpu.compute_efficiency:.0%}",
        )
    wide().print(table)
    table = Table("name", "served as", "parameters", "active", "KV a token", title="models", title_justify="left")
    for described in models:
        model = described.item
        table.add_row(
            model.name,
            model.served_name,
            f"{model.parameters / 1e9:.2f} B",
            f"{model.active_parameters / 1e9:.2f} B",
            f"{model.kv_bytes_per_token / 1024:.0f} KiB",
        )
    wide().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A shipped GPU's or model's name, or a file.")],
    source: Annotated[bool, typer.Option("--source", help="With where every constant comes from.")] = False,
    as_json: Json = False,
) -> None:
    """The constants of a GPU or a model, and what follows from them."""
    import json

    from rich.table import Table

    from experiments.tables import wide

    entry, derived = _found(name)
    if as_json:
        constants = {key: {"value": value, "source": entry.sources[key]} for key, value in entry.values.items()}
        typer.echo(json.dumps({"name": entry.item.name, "constants": constants, "derived": derived}, indent=2))
        return
    table = Table("constant", "value", *(["source"] if source else []), title=entry.title, title_justify="left")
    for key, value in entry.values.items():
        table.add_row(key, str(value), *([entry.sources[key]] if source else []))
    table.add_section()
    for key, value in derived.items():
        table.add_row(key, str(value), *(["follows"] if source else []))
    wide().print(table)


def _found(name: str) -> tuple[Any, dict[str, str]]:
    """The entry of a name or file, and what follows from it. Raises ScenarioError."""
    from twin.mechanics.hardware import Model
    from twin.scenario import hardware
    from twin.scenario.errors import ScenarioError, nearest

    gpus, models = hardware.shipped("GPU"), hardware.shipped("Model")
    if name not in gpus and name not in models and not Path(name).is_file():
        raise ScenarioError(f"no file, GPU or model '{name}'{nearest(name, [*gpus, *models])}")
    is_model = name in models or (name not in gpus and hardware.kind_of(Path(name)) == "Model")
    entry: Any = hardware.model_entry(name) if is_model else hardware.gpu_entry(name)
    return entry, _of_model(entry.item) if isinstance(entry.item, Model) else _of_gpu(entry.item)


def _of_gpu(gpu: Any) -> dict[str, str]:
    from twin.mechanics.engine_step import kv_blocks, step_cost
    from twin.scenario import hardware

    model = hardware.model("llama-3.1-8b")
    cost, blocks = step_cost(gpu, model), kv_blocks(gpu, model, 0.92, 2048)
    return {
        "llama-3.1-8b, lone decode": f"{cost.gpu_seconds(1, 1, 1024, 0) * 1e3:.2f} ms",
        "llama-3.1-8b, 32 decodes of 1,024": f"{cost.gpu_seconds(32, 32, 32 * 1024, 0) * 1e3:.2f} ms",
        "llama-3.1-8b, prefill of 2,048": f"{cost.gpu_seconds(2048, 1, 0, 2048**2 / 2) * 1e3:.1f} ms",
        "llama-3.1-8b, KV cache": f"{max(0, blocks) * 16:,} tokens",
    }


def _of_model(model: Any) -> dict[str, str]:
    found = {
        "parameters": f"{model.parameters:,}",
        "active parameters": f"{model.active_parameters:,}",
        "weights": f"{model.weight_bytes / 1e9:.2f} GB",
        "KV cache": f"{model.kv_bytes_per_token / 1024:.0f} KiB a token",
    }
    if model.state_bytes_per_sequence:
        found["states"] = f"{model.state_bytes_per_sequence / 1e6:.1f} MB a sequence"
    return found


@app.command()
def fit(
    data: Annotated[Path, typer.Option("--data", help="Folder with gpu_perf/aic_* and gpu_perf/lss_*.")],
    details: Annotated[bool, typer.Option("--details", help="With the worst cells of every table.")] = False,
    as_json: Json = False,
) -> None:
    """Fit the two efficiencies of each GPU on kernel tables of Llama-3.1-8B, beside those that ship.

    Exit code 1 where one that ships is more than 0.02 from the fit.
    """
    import json
    from dataclasses import asdict

    from rich.table import Table

    from experiments.bench import physics
    from experiments.bench.kernel_tables import has_tables
    from experiments.errors import UserError
    from experiments.tables import wide

    if not has_tables(data):
        raise UserError(f"--data {data}: no gpu_perf/aic_* and gpu_perf/lss_* in it")
    fits = list(physics.fits(data))
    judged = list(physics.judgements(data)) if details else []
    if as_json:
        worst = [{"gpu": gpu, **asdict(judgement)} for gpu, judgement, _ in judged]
        typer.echo(json.dumps({"fits": [asdict(f) for f in fits], **({"tables": worst} if details else {})}, indent=2))
    else:
        columns = ("GPU", "memory", "ships", "compute", "ships", "decode error", "prefill error")
        table = Table(*columns, title="efficiencies", title_justify="left")
        for f in fits:
            errors = (f"{f.decode_error:.1f} %", f"{f.prefill_error:.1f} %")
            shares = (f.memory, f.shipped_memory, f.compute, f.shipped_compute)
            table.add_row(f.gpu, *(f"{share:.2f}" for share in shares), *errors)
        wide().print(table)
    if judged and not as_json:
        table = Table("GPU", "table", "error", "bias", "worst cells", title="cells", title_justify="left")
        for gpu, j, _ in judged:
            cells = "; ".join(f"{physics.place(cell)} {error:+.0f} %" for error, cell in j.worst)
            table.add_row(gpu, j.what, f"{j.error:.1f} %", f"{j.bias:+.1f} %", cells)
        wide().print(table)
    if any(abs(f.memory - f.shipped_memory) > 0.021 or abs(f.compute - f.shipped_compute) > 0.021 for f in fits):
        raise typer.Exit(1)
