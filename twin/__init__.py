"""The digital twin: a scenario in, telemetry out, recovery actions in. It knows no machine learning."""

from twin.actions import Action, Ticket
from twin.registration import register
from twin.scenario import Scenario, ScenarioError
from twin.world import World

register()

__all__ = ["Action", "Scenario", "ScenarioError", "Ticket", "World"]
