"""What is wrong with logs or metrics that somebody wants read."""

from __future__ import annotations


class ReadingError(ValueError):
    """Files that cannot be read as they are; the message says which, why and what to do."""
