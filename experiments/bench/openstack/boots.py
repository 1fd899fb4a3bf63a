"""The lives of servers as nova's logs tell them: seconds between the lines of one boot and one deletion."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from experiments.bench.openstack.lines import Line

_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_SUBJECT = re.compile(rf"\[instance: ({_UUID})\] (.*)", re.DOTALL)
_PLUGGED = re.compile(rf"Creating event network-vif-plugged:\S+ for instance ({_UUID})")
_TOOK = re.compile(r"Took (\d+\.\d+) seconds to (spawn|build|destroy|deallocate)")
_REQUEST = r'"(?P<method>[A-Z]+) (?P<uri>\S+)[^"]*"'
_ACCESS = re.compile(_REQUEST + r" status: (?P<status>\d+) +len: \d+ (?:microversion: \S+ )?time: (?P<time>[\d.]+)")

MOMENTS: dict[str, str] = {
    "Attempting claim": "claim",
    "Claim successful": "claimed",
    "Creating image": "image",
    "VM Started (Lifecycle Event)": "started",
    "VM Paused (Lifecycle Event)": "paused",
    "VM Resumed (Lifecycle Event)": "resumed",
    "Instance spawned successfully": "spawned",
    "Terminating instance": "terminating",
    "Instance destroyed successfully": "destroyed",
    "Deleting instance files": "deleting",
    "VM Stopped (Lifecycle Event)": "stopped",
}
"""How a line of nova-compute begins -> the moment in a server's life; the first such line counts."""
STAGES: tuple[tuple[str, str], ...] = (
    ("claim", "claimed"),
    ("claimed", "image"),
    ("image", "started"),
    ("started", "paused"),
    ("paused", "plugged"),
    ("plugged", "resumed"),
    ("resumed", "spawned"),
    ("spawned", "build"),
    ("terminating", "destroyed"),
    ("destroyed", "deleting"),
    ("deleting", "deleted"),
    ("deleted", "destroy"),
    ("destroy", "deallocate"),
    ("deallocate", "stopped"),
)
"""Neighbouring moments. `build`, `destroy`, `deallocate` are the moments of the lines 'Took … seconds to …'."""


@dataclass(slots=True)
class Life:
    """What the lines say of one server."""

    moments: dict[str, float] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    """Seconds that nova itself printed, by spawn, build, destroy, deallocate."""
    errors: list[str] = field(default_factory=list)
    """Texts of its ERROR lines, those of stack traces apart."""

    def stages(self) -> dict[str, float]:
        """Seconds of the stages of which both ends were seen, as `claim -> claimed`."""
        seen = self.moments
        return {f"{a} -> {b}": seen[b] - seen[a] for a, b in STAGES if a in seen and b in seen}


def lives(lines: Iterable[Line]) -> dict[str, Life]:
    """The servers that the lines name, by their uuid, in the order in which they are first named."""
    found: defaultdict[str, Life] = defaultdict(Life)
    for line in lines:
        subject = _SUBJECT.match(line.text)
        if subject is None:
            plugged = _PLUGGED.match(line.text)
            if plugged is not None:
                found[plugged[1]].moments.setdefault("plugged", line.time)
            continue
        life, text = found[subject[1]], subject[2]
        took = _TOOK.match(text)
        if took is not None:
            life.moments.setdefault(took[2], line.time)
            life.took.setdefault(took[2], float(took[1]))
        elif text.startswith("Deletion of "):
            life.moments.setdefault("deleted", line.time)
        elif line.level == "ERROR" and not line.traceback:
            life.errors.append(text)
        else:
            moment = next((name for start, name in MOMENTS.items() if text.startswith(start)), None)
            if moment is not None:
                life.moments.setdefault(moment, line.time)
    return dict(found)


def stage_times(found: Mapping[str, Life]) -> dict[str, list[float]]:
    """Seconds of each stage over all lives."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for life in found.values():
        for stage, seconds in life.stages().items():
            times[stage].append(seconds)
    return dict(times)


def took(found: Mapping[str, Life], what: str) -> list[float]:
    """What nova printed after 'Took', over all lives that have it."""
    return [life.took[what] for life in found.values() if what in life.took]


def overlap(lines: Iterable[Line]) -> float:
    """Mean number of builds in progress as the lines of one host show it, at the moments at which one ends."""
    building: set[str] = set()
    seen = []
    for line in lines:
        subject = _SUBJECT.match(line.text)
        if subject is None:
            continue
        if subject[2].startswith("Claim successful"):
            building.add(subject[1])
        elif "seconds to build instance" in subject[2]:
            seen.append(len(building))
            building.discard(subject[1])
    return sum(seen) / len(seen) if seen else 0.0


POLLING_GAP = 6.0
"""Seconds without a request for a server after which its client has stopped polling."""


def ready_times(lines: Iterable[Line]) -> list[tuple[float, float]]:
    """(asked, seen ready) of each server whose client polled it, as nova-api's lines show it.

    The n-th accepted creation belongs to the n-th server to be polled; ready is the last poll in the first row of them.
    """
    asked: list[float] = []
    polls: defaultdict[str, list[float]] = defaultdict(list)
    for line in lines:
        found = _ACCESS.search(line.text)
        if found is None:
            continue
        what = (found["method"], resource(found["uri"]), found["status"])
        if what == ("POST", "/servers", "202"):
            asked.append(line.time - float(found["time"]))
        elif what == ("GET", "/servers/{id}", "200"):
            uuid = found["uri"].rpartition("/")[2]
            if not polls[uuid] or line.time - polls[uuid][-1] < POLLING_GAP:
                polls[uuid].append(line.time)
    return [(began, seen[-1]) for began, seen in zip(asked, polls.values(), strict=False)]


def accesses(lines: Iterable[Line]) -> dict[tuple[str, str, str], list[float]]:
    """Seconds of nova-api's answers by (method, resource, status); a resource has its ids left out."""
    times: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for line in lines:
        found = _ACCESS.search(line.text)
        if found is not None:
            times[found["method"], resource(found["uri"]), found["status"]].append(float(found["time"]))
    return dict(times)


def resource(uri: str) -> str:
    """A URI as Nova's API reference writes it: without version, project and query, ids as {id}."""
    path = uri.partition("?")[0]
    path = re.sub(_UUID, "{id}", path)
    return re.sub(r"^/(?:compute/)?v2(?:\.1)?(?:/[0-9a-f]{32})?", "", path) or "/"
