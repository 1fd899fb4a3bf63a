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
    "calls": "b50274625dbc02f233d4a77af362a760353266a02e322d1166d2cc944d903f86",
    "study": "4639acb79209190dd4c8531ac1609ab384edaeaeb09bbb8acddb6fe3ab5fd5da",
}
"""The digests of the frames, fixed before the first experiment. Who changes one says which mechanism changed the frame,
and from which source it is.

The first were fe3dbb96... and 166877fe.... They changed once, when methods of the program became what nova 26.2,
neutron 21.2 and cinder 21.3 have there; of the 9,800 points of `calls` 203 went and 279 came:

- block devices are connected where a guest is defined and given back on the way out (`_shutdown_instance`,
  `_rebuild_default_impl`, `_detach_block_devices`, `_get_guest_xml`), so that volumes move with their servers;
- claims test in a method of their own (`_claim_test`), which moves share; a build's result is a value of
  `_do_build_and_run_instance`, which counts failed builds;
- an interface that cannot be attached is given back (`attach_interface`);
- agents note which port is on which local VLAN (`port_unbound`, `process_deleted_ports`, `vlanmanager`), and the
  server's fan-outs go through the broker (`_fanout_message`, `push`);
- one notice of neutron's goes to every host that a server is on (`external_instance_event`, `_get_relevant_hosts`)."""


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
