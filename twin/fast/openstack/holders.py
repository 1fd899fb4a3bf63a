"""Whose a quantity of the arrays is: the component that each position of a field belongs to."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin.fast.openstack.components import ROLE, WEB
from twin.fast.openstack.episodes import Episode

OF_COMPONENTS: Final = ("programs.ready", "programs.born", "programs.deaths", "programs.streak", "workers")
OF_HOSTS: Final = tuple(
    f"hosts.{name}" for name in ("heard", "failures", "wiring", "stirred", "leaving", "running", "dead", "down", "seen")
)
OF_SERVICES: Final = ("counts.requests", "counts.failed", "counts.seconds")
OF_DATABASE: Final = ("backlog", "batch", "settles", "counts.queries", "counts.threads")


def holders(world: Episode) -> dict[str, NDArray[np.int32]]:
    """Field of a state, or the path of one in what is told -> the number of the component that each position of its
    first axis belongs to (one number where all of it is one's), -1 where there is none; others are the whole
    cluster's."""
    parts = world.components
    single = np.asarray(parts.single)
    return {
        **dict.fromkeys(OF_COMPONENTS, np.arange(len(world.role), dtype=np.int32)),
        **dict.fromkeys(OF_HOSTS, np.asarray(parts.machine)),
        **dict.fromkeys(OF_SERVICES, single[[ROLE[name] for name in WEB]]),
        **dict.fromkeys(OF_DATABASE, np.asarray(parts.group)[0, :1]),
        "elects": np.asarray(parts.group)[1, :1],
    }
