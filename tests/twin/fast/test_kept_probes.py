"""A mutation is probed once for these sources of the twin, whatever process asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from twin.fast.openstack import kept
from twin.fast.openstack.probing import ELSEWHERE, Case, Found, Way

WAY = Way(
    step=3, share=0.7, flaw=ELSEWHERE, stage=1, after=12.25, refused={(4, 0): 0.5, (5, 1): 1.0}, broken={},
    unseen={6: 1.0}, slower={4: 30.1}, rest=44.0, swept=2.0,
)  # fmt: skip
WHAT = Found((WAY,), {"nova-api servers.create": 1 / 3})
NOTHING: Any = SimpleNamespace()


def case(about: str = "small", code: str = "nova.x/y") -> Case:
    return Case(NOTHING, NOTHING, about, "nova-api", code)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Case]:
    """The cases that have been probed, in an empty cache folder."""
    asked: list[Case] = []

    def probed(case: Case) -> Found:
        asked.append(case)
        return WHAT

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept, "probed", probed)
    kept.found.cache_clear()
    return asked


def asked_by_another_process(case: Case) -> Found:
    kept.found.cache_clear()
    return kept.found(case)


def test_what_is_kept_is_what_was_found() -> None:
    assert kept.read(kept.text(WHAT)) == WHAT


def test_a_case_is_probed_once(probes: list[Case]) -> None:
    assert [kept.found(case()), kept.found(case()), asked_by_another_process(case())] == [WHAT] * 3
    assert probes == [case()]


def test_other_cases_and_other_sources_are_probed_for_themselves(
    probes: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.found(case())
    kept.found(case(about="large"))
    kept.found(case(code="nova.x/z"))
    assert len(probes) == 3
    monkeypatch.setattr(kept, "_sources", lambda: "another version")
    assert asked_by_another_process(case()) == WHAT and len(probes) == 4


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{}"), lambda path: path.write_bytes(b"\xff")])
def test_a_file_that_cannot_be_read_is_written_anew(probes: list[Case], spoil: Callable[[Path], object]) -> None:
    kept.found(case())
    spoil(kept.path_of(case()))
    assert asked_by_another_process(case()) == WHAT and len(probes) == 2
    assert asked_by_another_process(case()) == WHAT and len(probes) == 2


def test_where_nothing_can_be_kept_each_process_probes(
    probes: list[Case], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept.found(case()) == asked_by_another_process(case()) == WHAT
    assert len(probes) == 2


def test_without_a_home_nothing_is_kept(probes: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", classmethod(nobody))
    assert kept.found(case()) == WHAT and len(probes) == 1
