"""Progress on stderr: a bar where the end is known, a line where a clock is the end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


def _progress(*columns: Any) -> Progress:
    console = Console(stderr=True)
    # Where no bar can move, all that would be left of it is a blank line.
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal)


class Bar:
    """Cases done of cases planned. Call it with (done, total, anything)."""

    def __init__(self, title: str) -> None:
        self._progress = _progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._task = self._progress.add_task(title, total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, done: int, total: int, _: object = None) -> None:
        """Show how far it is."""
        self._progress.update(self._task, completed=done, total=total)


class Ticker:
    """Steps so far and the newest figures. Call it with (step, figures)."""

    def __init__(self, title: str, seconds: float | None = None, figures: tuple[str, ...] = ()) -> None:
        self._title, self._seconds, self._figures = title, seconds, figures
        self._progress = _progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
        self._task = self._progress.add_task(title, total=seconds)
        self._began = time.monotonic()

    def __enter__(self) -> Ticker:
        self._began = time.monotonic()
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, step: int, figures: Mapping[str, float]) -> None:
        """Show a step and its figures."""
        shown = self._figures or tuple(figures)
        text = "  ".join(f"{name} {figures[name]:.4g}" for name in shown if name in figures)
        self._progress.update(
            self._task, description=f"{self._title}  step {step}  {text}", completed=time.monotonic() - self._began
        )
