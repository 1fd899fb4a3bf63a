"""Calls, jobs and scripts as measured (`flows.json`, by `twin.fast.openstack.profiling`), as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twin.fast.openstack.components import ROLE

FILE: Final = Path(__file__).with_name("flows.json")
QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 1.0)
"""At which the times of calls and stages are kept."""
MEDIAN: Final = QUANTILES.index(0.5)
PAUSES: Final = (0.9, 1.1)
"""Between these times its mean a pause of a client lasts: as in `twin.openstack.tenants`, where they have no name."""
OWNERS: Final[Mapping[str, str]] = {
    "cinder-volume": "cinder-volume", "cinder-scheduler": "cinder-scheduler", "nova-compute": "nova-compute",
    "nova-conductor": "nova-conductor", "nova-scheduler": "nova-scheduler", "heat-engine": "heat-engine",
}  # fmt: skip


@dataclass(frozen=True)
class Visits:
    """What one call, or one stage of a job, does."""

    name: str
    seconds: NDArray[np.float32]
    """[Q] by `QUANTILES`, in a healthy cluster."""
    http: Mapping[str, float]
    """Requests by the service that gets them, its own included."""
    calls: Mapping[str, float]
    think: Mapping[str, float]
    """Seconds of Python by service."""
    statements: float
    transactions: float
    writes: float
    casts: float
    host: float
    """Seconds of work on the host's cores and disk."""
    owner: str = ""
    """Of a stage: who takes the message that begins it."""
    awaited: float = 0.0
    """Statements that it waits for; of a build, those until its interface is plugged in."""
    guest: float = 0.0
    """Of a build: seconds from then until its guest is there, and the host's agent finds the interface; 0 of others."""
    after: float = 0.0
    """Of a build: seconds after the agent has begun to say that all is wired; 0 of others."""
    later: float = 0.0
    """Of a build: statements in these."""


@cache
def measured() -> dict[str, Any]:
    """The file."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


@cache
def request() -> float:
    """Seconds of a request: the median over the calls."""
    return float(np.median([call["seconds"][MEDIAN] for call in measured()["calls"].values()]))


@cache
def call(load: str, operation: str) -> Visits:
    """A client's request: `service operation`."""
    calls = measured()["calls"]
    found = calls.get(f"{load} {operation}", calls.get(operation))
    if found is None:
        raise KeyError(f"no call '{operation}' has been measured")
    service = operation.split(" ")[0]
    http = {**found["http"], service: found["http"].get(service, 0.0) + 1.0}
    return _visits(operation, found, http)


def stages(job: Sequence[Mapping[str, Any]]) -> tuple[Visits, ...]:
    """The stages of a job."""
    return tuple(_stage(stage) for stage in job)


def _stage(stage: Mapping[str, Any]) -> Visits:
    wired = "plugged" in stage
    found = {**stage, "seconds": stage["plugged"] if wired else stage["seconds"]}
    visits = _visits(stage["method"], found, stage["http"], stage["owner"])
    if not wired:
        return visits
    usual = build()
    return replace(
        visits, awaited=usual["awaited"], guest=usual["guest"], after=usual["after"], later=usual["after statements"]
    )


@cache
def build() -> dict[str, Any]:
    """The stage of a lifecycle that waits for its host's agent."""
    jobs = measured()["scripts"]["lifecycle"].values()
    found: dict[str, Any] = next(stage for job in jobs for stage in job if "plugged" in stage)
    return found


def _visits(name: str, found: Mapping[str, Any], http: Mapping[str, float], owner: str = "") -> Visits:
    host = found["host"]
    work = sum(found["think"].values())
    # What is neither Python of services nor statements is work of the host that a stage runs on.
    if owner == "nova-compute":
        from twin.mechanics.openstack import STATEMENT

        host = max(host, float(found["seconds"][MEDIAN]) - work - STATEMENT * found["statements"])
    return Visits(
        name, np.array(found["seconds"], np.float32), {k: v for k, v in http.items() if k in ROLE},
        {k: v for k, v in found["calls"].items() if k in ROLE}, {k: v for k, v in found["think"].items() if k in ROLE},
        found["statements"], found["reads"] + found["writes"], found["writes"], found["casts"], host, owner,
        found["statements"],
    )  # fmt: skip
