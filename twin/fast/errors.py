"""What cannot be compiled."""

from __future__ import annotations


class CompileError(ValueError):
    """Scenarios that no fast twin can hold together, or one that it cannot hold."""


class NotCompiledError(CompileError):
    """Something of a scenario that the fast twin does not have."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the fast twin does not have {what}; `healtwin fast coverage` lists what it has")
        self.what = what
