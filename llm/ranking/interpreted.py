"""The interpreter's own ranking: its root causes, over the windows since the injection.

The interpreter reads windows of a telemetry folder, not the case's tables, so it ranks the cases that keep the folder
that they were made from (`healtwin rca dataset --telemetry`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from llm.diagnosis import Interpreter
from llm.ranking.case import Case, CaseError
from llm.ranking.order import ranked
from twin.telemetry.folder import read
from twin.telemetry.window import Topology

NAME = "interpreter"
TELEMETRY = "telemetry"
"""Where a case keeps its telemetry folder."""
WINDOW, STEP = 60.0, 20.0
"""Length of a window and what lies between two, seconds: those that interpreters are trained on."""


def ranker(folder: Path) -> Callable[[Case], list[str]]:
    """A ranker of a trained interpreter. Raises `llm.storage.BundleError` where its folder holds none."""
    from llm.interpreter import TrainedInterpreter

    interpreter = TrainedInterpreter.load(folder)
    interpreter.evidence = 0  # more than half of the time, and nobody reads it here
    return lambda case: rank(interpreter, case)


def rank(interpreter: Interpreter, case: Case) -> list[str]:
    """Services by the mean probability of being the root cause, over the windows that begin after the injection.

    Raises CaseError where the case has no telemetry folder.
    """
    folder = case.folder / TELEMETRY
    if not folder.is_dir():
        raise CaseError(f"{case.folder}: keeps no telemetry for the interpreter; make the data set with --telemetry")
    telemetry = read(folder)
    injected = case.inject_time - float(telemetry.manifest["epoch"])
    end = float(telemetry.manifest["end"])
    owner = owners(telemetry.topology, case.components)
    scores: dict[str, float] = {}
    start = injected
    while start + WINDOW <= end or start == injected:
        diagnosis = interpreter.interpret(telemetry.window(start, min(start + WINDOW, end)))
        for component, probability in diagnosis.root_causes.items():
            for service in owner(component):
                scores[service] = scores.get(service, 0.0) + probability / len(owner(component))
        start += STEP
    return ranked(case, scores)


def owners(topology: Topology, candidates: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """The candidates that a component stands for: itself, else what runs on it, else nobody."""
    place = {node.name: node.place for node in topology.components}

    @cache
    def of(component: str) -> tuple[str, ...]:
        if component in candidates:
            return (component,)
        above = (service for service in candidates if component in _below(service, place))
        return tuple(above)

    return of


def _below(component: str, place: dict[str, str | None]) -> list[str]:
    """What a component runs on, down to the machine."""
    chain = []
    under = place.get(component)
    while under is not None and under not in chain:
        chain.append(under)
        under = place.get(under)
    return chain
