"""A run's telemetry folder in the formats of other tools, a folder a format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.errors import UserError
from twin.telemetry import folder as telemetry
from twin.telemetry.export import FORMATS


def formats(text: str) -> tuple[str, ...]:
    """The formats of `--export` and `--format`: names joined by commas. Raises UserError for others."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = next((name for name in names if name not in FORMATS), None)
    if unknown is not None or not names:
        said = f"no format '{unknown}'" if unknown is not None else "no format is named"
        raise UserError(f"{said}; there are {', '.join(FORMATS)}")
    return names


def export(
    run: Path,
    names: Sequence[str],
    out: Path,
    force: bool = False,
    told: Callable[[str, Path], None] = lambda name, folder: None,
) -> None:
    """Write a run into `out`/FORMAT for each format; `told` hears of each that is done.

    Raises FolderError where `run` is no telemetry folder, or a format's folder is not empty and `force` is not given.
    """
    read = telemetry.read(run)
    for name in names:
        telemetry.prepare(out / name, force)
    for name in names:
        FORMATS[name](read, out / name)
        told(name, out / name)
