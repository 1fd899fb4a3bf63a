"""Where commands put what they make when nobody says where: numbered folders under `runs/`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("runs")


def new_folder(name: str) -> Path:
    """A folder under `runs/` that does not exist yet: the name with the first free number."""
    number = 1
    while (ROOT / f"{name}-{number}").exists():
        number += 1
    return ROOT / f"{name}-{number}"
