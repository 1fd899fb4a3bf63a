"""A campaign's sampling frames: mutations of the sites that a fault-free run of a workload comes by.

A frame is uniform and unweighted: no site and no kind of mutation is preferred. Of the two here, `calls` has every call
site; `study` has those alone that the study's injector chose, by its published mutants: calls whose value nobody uses,
and values that are returned. A frame is known by its digest, written down before the first experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from twin.openstack.mutation.operators import Mutation, as_in_study, every_call
from twin.openstack.mutation.sites import PACKAGES, CallSite, sites
from twin.streams import Streams

WORKLOADS = ("deployment", "network", "storage")
"""The three workloads of the study."""

FRAME_SEED = 1
"""The luck on which the fault-free runs come by the frame's sites."""
FRAMES: dict[str, Callable[[CallSite], Iterable[Mutation]]] = {"calls": every_call, "study": as_in_study}
"""Which mutations of a site belong to a frame, by its name."""
DIGESTS: dict[str, str] = {
    "calls": "fe3dbb96f444bd9cd51b49a8f98b816804a1ccfaabffa817d45ace7cd08d9cb3",
    "study": "166877fe088af8d06cf8c1e4f29a20e310abe46a6ceafd33a56e1d4da8217da9",
}
"""The digests of the frames, fixed before the first experiment. Who changes one says which mechanism changed the frame,
and from which source it is."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One experiment: a workload, and the text of the mutation with which it is run."""

    workload: str
    mutation: str


def frame(
    reached: Mapping[str, Collection[str]],
    select: Callable[[CallSite], Iterable[Mutation]] = every_call,
    packages: tuple[str, ...] = PACKAGES,
) -> tuple[Point, ...]:
    """All points of workloads that came by these sites (workload -> ids), sorted."""
    return tuple(
        sorted(
            Point(workload, mutation.text)
            for workload, ids in reached.items()
            for site in sites(packages)
            if site.id in ids
            for mutation in select(site)
        )
    )


def digest(points: Iterable[Point]) -> str:
    """The SHA-256 of a frame: of its sorted points, a line each, ``workload mutation``."""
    lines = (f"{point.workload} {point.mutation}\n" for point in sorted(points))
    return sha256("".join(lines).encode()).hexdigest()


def sample(points: Iterable[Point], size: int, seed: int) -> tuple[Point, ...]:
    """`size` points of a frame, each as likely, none twice; a smaller sample is the beginning of a larger one."""
    stream = Streams(seed)["campaign/sample"]
    drawn = sorted(points, key=lambda point: (stream.bits(point.workload, point.mutation), point))
    return tuple(drawn[:size])
