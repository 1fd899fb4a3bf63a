"""Which machine each component is on."""

from __future__ import annotations

from twin.telemetry.window import Topology


def machines(topology: Topology) -> dict[str, str]:
    """By component: the machine at the bottom of what it is placed on; itself, where it is one."""
    places = {node.name: node.place for node in topology.components}
    found = {}
    for name in places:
        under, place = name, places[name]
        while place is not None:
            under, place = place, places.get(place)
        found[name] = under
    return found
