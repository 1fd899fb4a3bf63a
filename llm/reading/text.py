"""The lines of one file: plain, gzip or xz, told by its first bytes; lines of bounded length; binary files refused."""

from __future__ import annotations

import gzip
import lzma
import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from llm.reading.errors import ReadingError

CHUNK = 1 << 18
"""Bytes that are read at once."""
LONGEST = 1 << 16
"""Bytes of a line that are kept; the rest is passed over."""
HEAD = 8192
"""Bytes by which a file is taken for text: none of them is NUL."""

_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
"""Colours, as terminals are told them."""
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


class NotTextError(ReadingError):
    """A file that holds no text."""


def lines(path: Path) -> Iterator[str]:
    """The lines of a file, one after the other, without their ends and without colours.

    Memory does not depend on the file. Raises NotTextError where it is binary, ReadingError where it cannot be read.
    """
    number = 0
    try:
        with _opened(path) as file:
            for line in _parted(file, path):
                number += 1
                yield line
    except _BROKEN as error:
        how = "ends in the middle" if isinstance(error, EOFError) else f"is broken ({error})"
        raise ReadingError(
            f"{path}: its compression {how}, after line {number}; copy it again or take it out of the folder"
        ) from None
    except OSError as error:
        raise ReadingError(f"{path}: {os.strerror(error.errno) if error.errno else error}") from None


def _opened(path: Path) -> BinaryIO:
    # A pipe would be waited for without end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ReadingError(f"{path} is not a file")
    with path.open("rb") as file:
        start = file.read(len(_XZ))
    if start.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if start == _XZ:
        return cast(BinaryIO, lzma.open(path, "rb"))
    return path.open("rb")


def _parted(file: BinaryIO, path: Path) -> Iterator[str]:
    kept = file.read(HEAD)
    if b"\x00" in kept:
        raise NotTextError(f"{path} is binary; logs are text")
    while chunk := file.read(CHUNK):
        ended = chunk.rfind(b"\n") + 1
        if not ended:
            # Still inside of one line: of its rest, nothing is wanted.
            if len(kept) < LONGEST:
                kept += chunk
            continue
        yield from _decoded(kept + chunk[:ended])
        kept = chunk[ended:]
    if kept:
        yield from _decoded(kept if kept.endswith(b"\n") else kept + b"\n")


def _decoded(block: bytes) -> Iterator[str]:
    text = block.decode("utf-8", "replace")
    if "\x1b[" in text:
        text = _ANSI.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    found = text.split("\n")
    found.pop()
    if len(text) > LONGEST:
        return (line[:LONGEST] for line in found)
    return iter(found)
