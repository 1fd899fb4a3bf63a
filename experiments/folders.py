"""Output folders: never written into what is already there, unless asked for."""

from __future__ import annotations

from pathlib import Path

from experiments.errors import UserError


def claim(folder: Path, force: bool = False) -> Path:
    """Make the folder ready for output and return it.

    Raises UserError where it holds something and `force` is not given, or where it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; give a folder with --out")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise UserError(f"{folder}: the folder is not empty; choose another with --out, or write into it with --force")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
