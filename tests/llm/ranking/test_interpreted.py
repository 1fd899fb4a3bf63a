"""The interpreter's ranking: what it says of components, window by window, as services of the case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm.diagnosis import Diagnosis
from llm.ranking.case import CaseError, read_case
from llm.ranking.interpreted import STEP, TELEMETRY, WINDOW, owners, rank
from twin.scenario import Scenario
from twin.telemetry import folder
from twin.telemetry.export import rcaeval
from twin.telemetry.window import Node, Topology, Window
from twin.world import World


class Accusing:
    """Says the same of every window: a GPU, and less so the gateway."""

    def __init__(self) -> None:
        self.windows: list[tuple[float, float]] = []

    def interpret(self, window: Window) -> Diagnosis:
        self.windows.append((window.start, window.end))
        return Diagnosis(np.zeros(1, np.float32), {"none": 1.0}, {"gpu-1": 0.6, "nginx-proxy": 0.4}, 0.0)


@pytest.fixture
def case_folder(tmp_path: Path) -> Path:
    world = World(Scenario.load("gpu-power-cap", ["spec.faults.0.at=60s"]), seed=0)
    world.run(until=160.0)
    folder.write(world, tmp_path / TELEMETRY)
    rcaeval.write_case(folder.read(tmp_path / TELEMETRY), tmp_path)
    return tmp_path


def test_what_is_said_of_a_gpu_counts_for_the_replica_on_it(case_folder: Path) -> None:
    interpreter, case = Accusing(), read_case(case_folder)
    ranks = rank(interpreter, case)  # type: ignore[arg-type]
    assert ranks[:2] == ["ray-replicas-1", "nginx-proxy"] and set(ranks) == set(case.components)
    assert interpreter.windows == [(60.0 + i * STEP, 60.0 + i * STEP + WINDOW) for i in range(3)]


def test_a_case_without_telemetry_says_how_to_get_some(case_folder: Path) -> None:
    (case_folder / TELEMETRY).rename(case_folder / "away")
    with pytest.raises(CaseError, match="keeps no telemetry for the interpreter; make the data set with --telemetry"):
        rank(Accusing(), read_case(case_folder))  # type: ignore[arg-type]


def test_a_component_stands_for_itself_or_for_what_runs_on_it() -> None:
    nodes = (Node("node-0", "node", None), Node("gpu-0", "gpu", "node-0"), Node("r0", "vllm", "gpu-0"))
    owner = owners(Topology("inference", (*nodes, Node("head", "ray-head", "node-0")), ()), ("r0", "head"))
    assert (owner("r0"), owner("gpu-0"), owner("nobody")) == (("r0",), ("r0",), ())
    assert set(owner("node-0")) == {"r0", "head"}
