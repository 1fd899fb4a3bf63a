"""The inference cluster as arrays: nginx, Ray Serve, vLLM replicas on GPUs, a store of weights."""

from twin.fast.inference.dynamics import live
from twin.fast.inference.episodes import Episode, Shape, episode, shape
from twin.fast.inference.exporting import SEEN, exporters
from twin.fast.inference.holders import holders
from twin.fast.inference.logged import events
from twin.fast.inference.memory import remembered
from twin.fast.inference.operations import CARRIED_OUT, legal, occupied, order
from twin.fast.inference.recording import EVENTS
from twin.fast.inference.state import State, first
from twin.fast.inference.told import gauges

LATENCIES = ("ttft", "e2e")
TIMED = ("arrivals",)

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
