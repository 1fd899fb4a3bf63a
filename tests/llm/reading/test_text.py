"""The lines of a file, whatever is in it."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm.reading.errors import ReadingError
from llm.reading.text import CHUNK, HEAD, LONGEST, NotTextError, lines

TEXT = "first\n\nthird, with ümläuts\r\n  fourth\nno end"
LINES = ["first", "", "third, with ümläuts", "  fourth", "no end"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_plain_gzip_and_xz_are_told_by_their_bytes(tmp_path: Path, pack: object) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(pack(TEXT.encode()))  # type: ignore[operator]
    assert list(lines(file)) == LINES


@pytest.mark.parametrize("size", [HEAD - 1, HEAD, HEAD + CHUNK, HEAD + CHUNK + 1])
def test_lines_are_whole_wherever_a_chunk_ends(tmp_path: Path, size: int) -> None:
    text = "\n".join(f"line {i} " + "x" * (i % 90) for i in range(size // 40 + 10))
    (tmp_path / "a.log").write_text(text)
    assert list(lines(tmp_path / "a.log")) == text.split("\n")


def test_a_line_without_end_is_cut_and_those_after_it_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"a\n" + b"x" * (5 * CHUNK) + b"\nb\n" + b"y" * (LONGEST + 5) + b"\nc")
    found = list(lines(tmp_path / "a.log"))
    assert [len(line) for line in found] == [1, LONGEST, 1, LONGEST, 1]
    assert (found[0], found[2], found[4]) == ("a", "b", "c")


def test_colours_are_taken_out(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"\x1b[36m(ServeReplica pid=1)\x1b[0m INFO\n")
    assert list(lines(tmp_path / "a.log")) == ["(ServeReplica pid=1) INFO"]


def test_binary_files_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"ELF\x00\x01")
    with pytest.raises(NotTextError, match="binary"):
        list(lines(tmp_path / "a.log"))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_broken_archive_is_named_with_the_line(tmp_path: Path, pack: object) -> None:
    whole = pack("".join(f"line {i * 7919}\n" for i in range(20_000)).encode())  # type: ignore[operator]
    for name, content in {
        "cut.gz": whole[: len(whole) // 2],
        "bad.gz": whole[:3000] + b"\xff" * 99 + whole[3099:],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReadingError, match=rf"{name}: its compression .* after line \d+; copy it again"):
            list(lines(tmp_path / name))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadingError, match="No such file"):
        list(lines(tmp_path / "nothing"))
    with pytest.raises(ReadingError, match="not a file"):
        list(lines(tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=3000))
def test_arbitrary_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.log").write_bytes(content)
    try:
        found = list(lines(tmp_path / "a.log"))
    except ReadingError:
        return
    assert len(found) <= content.count(b"\n") + 1
