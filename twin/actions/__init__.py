"""Recovery actions: what a policy may do to the cluster.

An action stops what it must stop, renews layers (`twin.mechanics.layers.RESETS`), takes its time and starts what it
stopped. Whether that cures anything follows from where the condition sits. What each does, costs and takes with it, and
where that is from, is in docs/actions.md.
"""

from twin.actions.action import CATEGORIES, PARAMETERS, Action, Ticket
from twin.actions.operation import Operation, Steps, drain
from twin.actions.ordering import legal, order, refusal, refusal_of

__all__ = [
    "CATEGORIES",
    "PARAMETERS",
    "Action",
    "Operation",
    "Steps",
    "Ticket",
    "drain",
    "legal",
    "order",
    "refusal",
    "refusal_of",
]
