"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Out = Annotated[Optional[Path], typer.Option("--out", help="Output folder (default: a new one under runs/).")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")]
Overrides = Annotated[
    Optional[list[str]], typer.Option("--set", metavar="spec.x=y", help="Override a field of the scenario; repeatable.")
]
Seed = Annotated[Optional[int], typer.Option("--seed", min=0, help="Seed (default: the scenario's).")]
