"""A reading without training: who errs, who is blamed by others, who falls silent though callers go on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from llm.diagnosis import Diagnosis
from llm.evidence import Said, told
from llm.reading.inventory import inventory
from llm.untrained import NONE, UntrainedInterpreter
from twin.telemetry.window import Window

KINDS = {"nova-api": "nova-api", "nova-conductor": "nova-conductor", "keystone": "keystone", "mysql": "mysql"}
SPLIT, END = 300.0, 360.0


def usual(until: float = END, without: str = "", since: float = END) -> list[Said]:
    """Every component says two things every few seconds; one of them falls silent."""
    lines = []
    for second in range(0, int(until), 3):
        for name in ("nova-api", "nova-conductor", "keystone"):
            if name != without or second <= since:
                lines.append(told(second + 0.5, name, "INFO", "request answered in 12 ms", "request answered"))
    return lines


def diagnosis(lines: list[Said]) -> Diagnosis:
    interpreter = UntrainedInterpreter(lines, 0.0, SPLIT)
    topology = inventory(KINDS)
    empty = np.empty((len(topology.components), 0, 0), np.float32)
    window = Window(SPLIT, END, 0.0, topology, (), np.empty(0), empty, (), tuple, lambda since: Counter(), tuple)
    return interpreter.read(window, [line for line in lines if SPLIT < line.time <= END])


def first(found: Diagnosis) -> str:
    return max(found.root_causes, key=lambda name: found.root_causes[name])


def test_what_is_as_usual_has_not_failed() -> None:
    assert diagnosis(usual()).fault_types[NONE] > 0.5


def test_errors_that_name_another_blame_it() -> None:
    text = "DBConnectionError: (2003, Can't connect to MySQL server: Connection refused)"
    errors = [told(SPLIT + 5 + i, "nova-api", "ERROR", text, text) for i in range(20)]
    found = diagnosis(sorted([*usual(), *errors], key=lambda line: line.time))
    assert found.fault_types[NONE] < 0.5 and first(found) == "mysql"
    assert max(found.fault_types, key=lambda name: found.fault_types[name]) == "process"
    assert found.evidence[0].component == "nova-api"
    assert sum(found.root_causes.values()) == pytest.approx(1.0)
    assert sum(found.fault_types.values()) == pytest.approx(1.0)


def test_errors_that_name_nobody_are_their_own() -> None:
    errors = [told(SPLIT + 5 + i, "keystone", "ERROR", "something broke here", "x") for i in range(20)]
    assert first(diagnosis(sorted([*usual(), *errors], key=lambda line: line.time))) == "keystone"


def test_who_falls_silent_while_others_go_on_is_suspected() -> None:
    found = diagnosis(usual(without="keystone", since=SPLIT))
    assert found.fault_types[NONE] < 0.5 and first(found) == "keystone"
    assert "of 20 usual lines" in found.evidence[0].text


def test_votes_of_others_count() -> None:
    lines = usual()
    interpreter, topology = UntrainedInterpreter(lines, 0.0, SPLIT), inventory(KINDS)
    empty = np.empty((len(topology.components), 0, 0), np.float32)
    window = Window(SPLIT, END, 0.0, topology, (), np.empty(0), empty, (), tuple, lambda since: Counter(), tuple)
    assert first(interpreter.read(window, [], {"mysql": 9.0})) == "mysql"


def test_a_reference_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has no length"):
        UntrainedInterpreter([], 5.0, 5.0)
