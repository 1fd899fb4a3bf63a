"""Scenarios, suites and studies: what a researcher writes."""

from twin.scenario.errors import ScenarioError
from twin.scenario.load import Scenario, Study, Suite, to_yaml
from twin.scenario.schema import ResolvedScenario

__all__ = ["ResolvedScenario", "Scenario", "ScenarioError", "Study", "Suite", "to_yaml"]
