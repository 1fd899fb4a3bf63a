"""Scenarios, suites and studies: what a researcher writes."""

from twin.scenario.errors import ScenarioError
from twin.scenario.load import Scenario, to_yaml
from twin.scenario.schema import ResolvedScenario
from twin.scenario.suite import Study, Suite

__all__ = ["ResolvedScenario", "Scenario", "ScenarioError", "Study", "Suite", "to_yaml"]
