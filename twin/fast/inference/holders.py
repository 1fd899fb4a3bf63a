"""Whose a quantity is: which component each position of a state's field belongs to, for errors that name it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin.fast.inference.episodes import GATEWAY, HEAD, NODE, PROGRAM, Episode

OF_PROGRAMS: Final = (
    "up", "ready", "born", "deaths", "fresh",
    *(f"counts.{name}" for name in ("died", "failed_starts", "came", "ran")),
)  # fmt: skip
OF_REPLICAS: Final = (
    "seat", "deployed", "decoding", "queued", "hung", "excluded", "sequences", "rate", "undelivered", "answered",
    "worked", "leaked", "stressed", "pressed", "killing", "silent", "gone", "rolled", "known",
    *(f"counts.{name}" for name in (
        "routed", "admitted", "first_token", "queue_time", "tokens", "gaps", "completed", "whole", "broken", "failed",
        "lost", "cancelled", "decode", "prefill",
    )),
)  # fmt: skip
OF_GATEWAY: Final = (
    "asked", "limit", "limited", "entering",
    *(f"counts.{name}" for name in ("arrived", "refused", "given_up", "upstream")),
)  # fmt: skip
OF_HEAD: Final = (
    "waiting",
    "unsent",
    "mute",
    "counts.unheard",
    "counts.hung",
)
OF_CONDITIONS: Final = ("healed", "counts.met")
OF_GPUS: Final = ("counts.reloaded",)
OF_NODES: Final = ("cordoned", "foreign", "counts.booted", "counts.awake")


def holders(world: Episode) -> dict[str, NDArray[np.int32]]:
    """Field of a state, or the path of one in what is told -> the number of the component that each position of its
    first axis belongs to (one number where all of it is one's), -1 where there is none; others are the whole
    cluster's."""
    replicas = world.exists.shape[0]
    slots = np.where(np.asarray(world.exposed.slots) < len(world.role), world.exposed.slots, -1).astype(np.int32)
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
        **dict.fromkeys(OF_CONDITIONS, np.asarray(world.conditions.place)),
        **dict.fromkeys(OF_GPUS, slots[len(programs) : len(programs) + world.exposed.seat.shape[0]]),
        **dict.fromkeys(OF_NODES, slots[len(programs) + world.exposed.seat.shape[0] :]),
    }
