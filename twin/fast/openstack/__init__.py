"""The OpenStack cluster as arrays: calls that visit services, servers that are built on hosts, and what breaks them."""

from twin.fast.openstack.dynamics import live
from twin.fast.openstack.episodes import Episode, Shape, episode, shape
from twin.fast.openstack.features import EVENTS, SEEN, events, exporters, gauges, remembered
from twin.fast.openstack.holders import holders
from twin.fast.openstack.operations import CARRIED_OUT, legal, occupied, order
from twin.fast.openstack.state import State, first

LATENCIES = ("api", "create")
TIMED = ("arrivals", "reads")

__all__ = [
    "CARRIED_OUT",
    "EVENTS",
    "LATENCIES",
    "SEEN",
    "TIMED",
    "Episode",
    "Shape",
    "State",
    "episode",
    "events",
    "exporters",
    "first",
    "gauges",
    "holders",
    "legal",
    "live",
    "occupied",
    "order",
    "remembered",
    "shape",
]
