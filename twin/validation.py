"""Everything that can be wrong with a scenario, found before it runs."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from twin.faults.planning import fault_kind, fault_parameters
from twin.inference.workload import read_trace
from twin.scenario import ResolvedScenario, Scenario, ScenarioError
from twin.world import World


def validate(scenario: Scenario) -> list[ResolvedScenario]:
    """The scenario at every end of its randomised fields, each of which a world was built for.

    Raises ScenarioError, with its position, for an unknown kind of fault, a bad parameter, a target that matches
    nothing or cannot be hit, a cluster that cannot be built, a trace with a bad row.
    """
    ends = list(scenario.extremes())
    try:
        for resolved in ends:
            for i, fault in enumerate(resolved.spec.faults):
                path = ("spec", "faults", i)
                fault_parameters(fault_kind(fault, path), fault, path)
        for trace in {resolved.spec.workload.trace for resolved in ends} - {None}:
            deque(read_trace(Path(str(trace))), maxlen=0)
        for resolved in ends:
            World(resolved)
    except ScenarioError as error:
        raise scenario.locate(error) from None
    return ends
