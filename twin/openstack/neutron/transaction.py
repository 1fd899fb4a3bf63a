"""Transactions: what was written is taken back where the transaction does not come to its end."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any


class Transaction:
    """``with Transaction() as rollback:`` runs what was given to `rollback`, the last first, on any exception."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], Any]] = []

    def __enter__(self) -> Callable[[Callable[[], Any]], None]:
        return self._steps.append

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for step in reversed(self._steps):
                step()
