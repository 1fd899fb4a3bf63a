"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path | None, typer.Option("--out", help="Output folder (default: a new one under runs/).")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="spec.x=y", help="Override a field of the scenario; repeatable.")
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed (default: the scenario's).")]
