"""The twin's side: a shipped scenario lived through, and its log lines."""

from __future__ import annotations

from functools import lru_cache

from experiments.bench.openstack.lines import Line, of_twin
from twin.scenario import Scenario
from twin.world import World

WARM_UP = 60.0
"""Second from which on lines count."""
RECORDED = "spec.telemetry.mode=recorded"
"""Nobody reads these worlds' metrics."""


@lru_cache(maxsize=1)
def lived(name: str, *changes: str, seed: int = 1) -> World:
    """The world of a shipped scenario at its horizon; `changes` as `--set` takes them. Kept for the next row."""
    world = World(Scenario.load(name, list(changes)), seed=seed)
    world.run()
    return world


def lines(world: World, *kinds: str, start: float = 0.0) -> list[Line]:
    """The lines of the components of these kinds (all, where none is named) after second `start`."""
    named = {component.name for component in world.components.values() if not kinds or component.kind in kinds}
    return list(of_twin(line for line in world.log_lines(start, world.now) if line.component in named))
