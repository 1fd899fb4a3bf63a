"""Whose a quantity is: which component each position of a state's field belongs to, for errors that name it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin.fast.inference.episodes import GATEWAY, HEAD, NODE, PROGRAM, Episode

OF_PROGRAMS: Final = ("up", "ready", "born", "deaths", "fresh")
OF_REPLICAS: Final = (
    "seat", "deployed", "decoding", "queued", "hung", "excluded", "sequences", "rate", "undelivered", "answered",
    "worked", "leaked", "stressed", "pressed", "killing", "silent", "gone", "rolled",
    "flow.prompts", "flow.completed", "flow.failed", "flow.first_token", "flow.whole", "flow.busy",
)  # fmt: skip
OF_GATEWAY: Final = ("asked", "limit", "limited", "entering", "flow.arrived", "flow.refused")
OF_HEAD: Final = ("waiting", "unsent", "mute")
OF_NODES: Final = ("cordoned", "foreign")


def holders(world: Episode) -> dict[str, NDArray[np.int32]]:
    """Field of a state, or `flow.` and field of a flow -> the number of the component that each position of its first
    axis belongs to (one number where all of it is one's), -1 where there is none; others are the whole cluster's."""
    replicas = world.exists.shape[0]
    role, index = np.asarray(world.role), np.asarray(world.index)
    programs = np.full(world.start.shape[0], -1, np.int32)
    for number in np.flatnonzero(role == PROGRAM):
        programs[index[number]] = number
    nodes = np.full(world.gpus_of_node.shape[0], -1, np.int32)
    for number in np.flatnonzero(role == NODE):
        nodes[index[number]] = number
    return {
        **dict.fromkeys(OF_PROGRAMS, programs),
        **dict.fromkeys(OF_REPLICAS, programs[:replicas]),
        **dict.fromkeys(OF_GATEWAY, programs[[replicas + GATEWAY]]),
        **dict.fromkeys(OF_HEAD, programs[[replicas + HEAD]]),
        **dict.fromkeys(OF_NODES, nodes),
        "healed": np.asarray(world.conditions.place),
    }
