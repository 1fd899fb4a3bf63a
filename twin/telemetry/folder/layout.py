"""What a telemetry folder must be before a run writes into it."""

from __future__ import annotations

from pathlib import Path

FORMAT = 3
"""Version of the layout."""


class FolderError(ValueError):
    """A telemetry folder that cannot be written or read; the message says where and what to do."""


def prepare(folder: Path, force: bool = False) -> None:
    """Make sure that `folder` can take a run: it does not exist, is empty, or `force` says to write into it anyway.

    Raises FolderError otherwise. Nothing that is there is deleted.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise FolderError(f"{folder} is not empty; name another folder, or use --force to overwrite what a run writes")
    folder.mkdir(parents=True, exist_ok=True)
