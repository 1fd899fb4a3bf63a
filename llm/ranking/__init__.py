"""Root-cause rankers: a case in, its services out, the most suspicious first.

A case is what RCAEval's tools are given (`case.py`). Every ranker is a function of one case, needs numpy alone, draws
no random numbers, and gives the same answer whatever the order of the columns.
"""

from __future__ import annotations

from collections.abc import Callable

from llm.ranking.case import Case
from llm.ranking.lines import first_error, lost_info
from llm.ranking.statistics import baro, nsigma
from llm.ranking.topology import by_topology

Ranker = Callable[[Case], list[str]]

RANKERS: dict[str, Ranker] = {
    "two-sided-baro": baro,
    "two-sided-nsigma": nsigma,
    "first-error": first_error,
    "lost-info": lost_info,
    "topology": by_topology,
}
"""The rankers by name."""
