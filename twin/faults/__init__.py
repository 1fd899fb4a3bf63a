"""Faults as sets of conditions. A fault changes mechanics and nothing else (honesty rule 1)."""

from twin.faults.background import weather
from twin.faults.kind import FaultKind
from twin.faults.kinds import KINDS
from twin.faults.planning import Plan, plan

__all__ = ["KINDS", "FaultKind", "Plan", "plan", "weather"]
