"""The rows of `bench rca`."""

from __future__ import annotations

from pathlib import Path

from experiments.bench.rca.rows import read_rows, rows

LINE = (
    "2026-01-01 00:00:{:02}.000 4711 INFO nova.compute.manager [req-0b2f1c0e-1d5c-4c0b-9f6e-2f0e4f1f0c11 admin admin "
    "- default default] [instance: 5f0e6b1c-52f1-4a1f-8b0e-0f6f8b1f6a01] Took {:.2f} seconds to build instance."
)


def test_without_real_logs_their_rows_are_skipped_and_say_what_they_need() -> None:
    skipped = list(rows(True, None))
    assert all(row.value is None and row.holds is None for row in skipped)
    assert "openstack-real/" in skipped[1].anchor


def test_lines_that_cannot_be_read_are_missed_by_the_share(tmp_path: Path) -> None:
    logs = tmp_path / "openstack"
    logs.mkdir()
    read = [LINE.format(second, 0.1 * second) for second in range(18)]
    (logs / "nova-compute.log").write_text("\n".join(read) + "\n", encoding="utf-8")
    share, levels = read_rows("openstack", tmp_path)
    assert (share.value, share.holds) == (100.0, True)
    assert levels.value == 100.0 and "instance 100.0 %" in levels.anchor


def test_a_folder_without_logs_misses_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "openstack").mkdir()
    (row,) = read_rows("openstack", tmp_path)
    assert row.holds is False and row.value is None and row.anchor
