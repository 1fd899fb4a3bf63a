"""Errors that the user can mend: printed as one line, exit code 2."""

from __future__ import annotations

import sys

_RAISED_BY = {
    "twin.scenario.errors": "ScenarioError",
    "twin.telemetry.folder": "FolderError",
    "twin.fast.errors": "FastError",
    "llm.ranking.case": "CaseError",
    "llm.reading.errors": "ReadingError",
    "llm.storage": "BundleError",
}
"""Errors about the user's files, by the module that raises them: looked up, not imported, when one arrives."""


class UserError(ValueError):
    """What is wrong, where, and what to do about it, in one message."""


def is_users(error: Exception) -> bool:
    """Whether an error is about what the user gave: ours, a scenario's, or a file that cannot be read or written."""
    known: tuple[type[Exception], ...] = (UserError, FileNotFoundError, FileExistsError, PermissionError)
    known += (IsADirectoryError, NotADirectoryError, UnicodeDecodeError)
    known += tuple(getattr(sys.modules[module], name) for module, name in _RAISED_BY.items() if module in sys.modules)
    return isinstance(error, known)


def in_words(error: Exception) -> str:
    """The message for the user: for a file error, what happened to which file."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def of_the_command_line(error: Exception) -> str:
    """The message where a command was not given what it takes, with the command that explains it; else empty.

    Such errors are Click's, known here by what they offer: Typer brings a copy of Click, or not, by its version.
    """
    context, message = getattr(error, "ctx", None), getattr(error, "format_message", None)
    if context is None or message is None or type(error).__name__ == "NoArgsIsHelpError":
        return ""
    return f"{str(message()).rstrip('.')}; see {context.command_path} --help"
