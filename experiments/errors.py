"""Errors that the user can mend: printed as one line, exit code 2."""

from __future__ import annotations

import sys


class UserError(ValueError):
    """What is wrong, where, and what to do about it, in one message."""


def is_users(error: Exception) -> bool:
    """Whether an error is about what the user gave: ours, a scenario's, or a file that cannot be read or written.

    A scenario's error class is looked up, not imported: whoever raised it has loaded its module.
    """
    scenario_errors = sys.modules.get("twin.scenario.errors")
    known: tuple[type[Exception], ...] = (UserError, FileNotFoundError, FileExistsError, PermissionError)
    known += (IsADirectoryError, NotADirectoryError, UnicodeDecodeError)
    if scenario_errors is not None:
        known += (scenario_errors.ScenarioError,)
    return isinstance(error, known)


def in_words(error: Exception) -> str:
    """The message for the user: for a file error, what happened to which file."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
