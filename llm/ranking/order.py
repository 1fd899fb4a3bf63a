"""From scores to a ranking."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import numpy as np

from llm.ranking.case import Case


def ranked(case: Case, scores: Mapping[str, float]) -> list[str]:
    """All candidates, the highest score first, those without one last.

    Equal ones stand in the order of a hash of the name and of what the case's metrics are at the end: it does not
    depend on the order of the columns, and over many cases no name is before another, so that a ranker without
    evidence scores what chance does.
    """
    salt = np.sort(case.values[-1]).tobytes()

    def place(name: str) -> tuple[float, str]:
        return -scores.get(name, 0.0), sha256(salt + name.encode()).hexdigest()

    return sorted(case.components, key=place)
