"""The log files of a folder: which they are, and what else lies there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from llm.reading.components import named
from llm.reading.envelopes import opened
from llm.reading.errors import ReadingError
from llm.reading.headers import LONGEST_LINE, find
from llm.reading.text import NotTextError, lines

LOOKED_AT = 200
"""Lines by which a file whose name says nothing is taken for a log."""
MOST_FILES = 100_000
"""Files that are looked at."""

_LOG = re.compile(r"\.(?:log|out|err)(?:$|[.\-_])|^(?:syslog|messages|dmesg|kern)(?:$|[.\-_])|^screen-", re.IGNORECASE)
_NO_LOG = re.compile(
    r"\.(?:csv|tsv|jsonl?|ya?ml|md|rst|html?|xml|py|sh|sql|conf|cfg|ini|toml|parquet|png|jpe?g|pdf|db|sqlite|zip|tar|tgz"
    r"|bz2|zst|7z|pcap|so|pyc)(?:\.(?:gz|xz))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """What a folder holds."""

    root: Path
    logs: tuple[PurePath, ...]
    """Files of text, relative to the root, in a fixed order."""
    empty: tuple[PurePath, ...]
    """Logs without a line: services that said nothing."""
    passed_over: tuple[tuple[PurePath, str], ...]
    """Other files, and why each is none."""


def find_logs(root: Path) -> Found:
    """Walk a folder, or take one file. Links to folders are not followed.

    Raises ReadingError where nothing is there, or no log is.
    """
    if not root.exists():
        raise ReadingError(f"{root}: no such folder")
    if not root.is_dir() and not root.is_file():
        raise ReadingError(f"{root} is neither a folder nor a file; name a folder of logs")
    paths = [root] if root.is_file() else _files(root)
    base = root.parent if root.is_file() else root
    logs: list[PurePath] = []
    empty: list[PurePath] = []
    passed_over: list[tuple[PurePath, str]] = []
    for path in paths:
        relative = PurePath(path.relative_to(base))
        why = _why_not(path)
        if why == "":
            logs.append(relative)
        elif why == _EMPTY:
            empty.append(relative)
        else:
            passed_over.append((relative, why))
    if not logs:
        what = _listed([f"{path} ({why})" for path, why in passed_over] + [f"{path} (empty)" for path in empty])
        raise ReadingError(
            f"{root} holds no log files{f': {what}' if what else ''}; name the folder of nova-api.log, access.log, "
            "kern.log and the like, plain, .gz or .xz"
        )
    return Found(base, tuple(logs), tuple(empty), tuple(passed_over))


_EMPTY = "empty"


def _files(root: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        why = os.strerror(error.errno or 0)
        raise ReadingError(f"{error.filename} cannot be listed: {why}; name a folder of logs that can be read")

    found: list[Path] = []
    for folder, folders, names in os.walk(root, onerror=fail):
        folders.sort()
        found += [Path(folder, name) for name in sorted(names)]
        if len(found) > MOST_FILES:
            raise ReadingError(f"{root} holds more than {MOST_FILES:,} files; name a folder of logs")
    return found


def _why_not(path: Path) -> str:
    """Empty for a log, `_EMPTY` for one without a line, else why a file is none. Raises ReadingError."""
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
    except OSError as error:
        raise ReadingError(f"{path}: {os.strerror(error.errno or 0)}; take it out of the folder, or mend it") from None
    if not stat.S_ISREG(mode):
        return "no file"
    if _NO_LOG.search(path.name):
        return "not text of a log by its name"
    if size == 0:
        return _EMPTY
    by_name = _LOG.search(path.name) is not None or named(PurePath(path.name))[1] != ""
    try:
        first = list(islice(lines(path), LOOKED_AT))
    except NotTextError:
        return "binary"
    if not any(line.strip() for line in first):
        return _EMPTY
    return "" if by_name or any(_is_headed(line) for line in first) else "no line of a known format"


def _is_headed(line: str) -> bool:
    envelope = opened(line[:LONGEST_LINE])
    return find(line[:LONGEST_LINE]) is not None or (envelope is not None and envelope.kind in ("cri", "syslog"))


def _listed(names: Sequence[str], most: int = 3) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
