"""Which scenarios can be compiled, and what of the others is missing."""

from __future__ import annotations

from collections.abc import Sequence

from twin.actions import CATEGORIES
from twin.fast import CompileError, NotCompiledError
from twin.fast.twin import CLUSTERS, cluster_of, shared
from twin.scenario import Scenario, Suite, catalogue
from twin.world import World


def coverage(what: Sequence[str]) -> dict[str, str]:
    """Scenario -> what of it the fast twin does not have; empty where it has all."""
    return {name: missing(name) for name in scenarios_of(what)}


def missing(name: str) -> str:
    """What of a scenario the fast twin does not have."""
    scenario = Scenario.load(name, ("spec.telemetry=off",))
    world = World(scenario, 0)
    tick = world.spec.control.interval / 10
    try:
        cluster = cluster_of(world.spec.cluster.kind)
        cluster.episode(world, tick, cluster.shape([world], tick, shared(world).size))
    except NotCompiledError as error:
        return error.what
    except CompileError as error:
        return str(error)
    return ""


def missing_categories() -> list[str]:
    """Actions that the fast twin does not carry out."""
    compiled = frozenset().union(*(cluster.CARRIED_OUT for cluster in CLUSTERS.values()))
    return [category for category in CATEGORIES if category not in compiled]


def scenarios_of(what: Sequence[str]) -> list[str]:
    """Names of scenarios, those of suites in their place; all that ship where nothing is named. Raises
    ScenarioError."""
    if not what:
        return list(catalogue.shipped("Scenario"))
    return list(dict.fromkeys(name for scenarios in suites_of(what).values() for name in scenarios))


def suites_of(what: Sequence[str]) -> dict[str, list[str]]:
    """Suite -> its scenarios; scenarios that are named by themselves are together. Raises ScenarioError."""
    found: dict[str, list[str]] = {}
    for name in what:
        if catalogue.kind_of(name) == "Suite":
            found[name] = [scenario.metadata.name for scenario in Suite.load(name).scenarios]
        else:
            found.setdefault("scenarios", []).append(name)
    return found
