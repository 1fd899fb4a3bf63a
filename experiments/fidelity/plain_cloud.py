"""One tick of components of the OpenStack cloud, written plainly: scalars, Python's floats.

It says what a tick is meant to do, to be read beside `twin.fast.openstack`. Times are seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from twin.mechanics.haproxy import FALL, INTER, RISE
from twin.mechanics.openstack import RESTART_FORGET, restart_delay

# --- a program and its supervisor --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """Whether it runs, when the start in progress ends, since when it runs or is gone, how often it died in a row."""

    up: bool
    ready: float
    born: float
    deaths: float


def program(before: Program, doomed: bool, halted: bool, reaches: bool, startup: float, now: float) -> Program:
    """A tick of a service whose supervisor starts it again after a back-off that doubles (`restart_delay`). It dies
    where it is `doomed`, and at the end of every start; one that is `halted` is started when that ends. A start does
    not end before what the service needs is there, which it then `reaches`."""
    arrives = not before.up and now >= before.ready
    if halted:
        return replace(before, up=False, ready=now + startup, born=now if before.up else before.born)
    if doomed and (before.up or arrives):
        forgotten = before.up and now - before.born > RESTART_FORGET
        deaths = (0.0 if forgotten else before.deaths) + 1.0
        born = now if before.up else before.born
        return Program(False, now + restart_delay(int(deaths)) + startup, born, deaths)
    if arrives and reaches:
        return Program(True, math.inf, now, before.deaths)
    return before


# --- the load balancer's checks ----------------------------------------------------------------------------------


def checked(trusted: bool, streak: float, answers: bool, dt: float) -> tuple[bool, float]:
    """Whether the balancer takes a server for up, and for how many seconds its checks have spoken against that: it
    changes its mind after `FALL` that fail in a row, or `RISE` that do not."""
    streak = 0.0 if answers == trusted else streak + dt
    if streak >= INTER * (FALL if trusted else RISE):
        return not trusted, 0.0
    return trusted, streak
