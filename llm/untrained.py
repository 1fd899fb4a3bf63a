"""A reading of logs without training: what is new or lost against an earlier part of the same logs, and whom it names.

Nothing here is learnt or fitted to a fault. Three facts of OpenStack's failures (Cotroneo et al., ESEC/FSE 2019) shape
it: errors are neither necessary nor sufficient, what is missing tells as much as what is there, and the symptom is
rarely at the culprit. So a component is suspected by

- the errors and warnings of others that name it, or its machine (`mentions`);
- errors of those who call it, where they name nobody and it is in trouble itself;
- its silence, where those who call it go on speaking: whose callers are silent as well had nothing to do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10

import numpy as np

from llm.diagnosis import Diagnosis, Evidence
from llm.evidence import Departure, Said, habits, lost_lines, new_errors, risen, said
from llm.mentions import Names
from llm.reading.report import printable
from twin.telemetry.window import Window

NONE, UNKNOWN = "none", "unknown"
SURE = 2.0
"""Decimal digits of surprise, after a correction for how much was looked at, at which a window is as likely to have
failed as not."""
VOTE = 4.0
"""Digits of surprise from which on a component speaks with its whole vote: thousands of errors are one voice."""
PASSED_ON = 0.8
"""Share of a vote that goes to those whom the lines name."""
HOPS = 3
"""How often a vote is passed on: a client's complaint, its gateway's, its router's."""
WARNED = 0.5
"""A warning's weight beside that of an error."""
QUOTED, OF_ONE = 6, 2
"""Pieces of evidence, and how many of them of one component."""
USUAL = frozenset({"INFO", "WARNING"})
"""Levels at which services speak when nothing fails."""
ENTRIES = frozenset({"nova-api", "cinder-api", "heat-engine", "nginx"})
"""Kinds that clients call: their silence is nobody else's."""

FAMILIES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (family, re.compile(expression))
    for family, expression in {
        "gpu-bus": r"Xid [^:]{0,40}: 79\b|fallen off the bus",
        "gpu-memory": r"Xid [^:]{0,40}(?::[^:]{0,40})?: (?:48|63|64|92|94|95)\b|uncorrectable double bit",
        "gpu-firmware": r"Xid [^:]{0,40}(?::[^:]{0,40})?: (?:119|120)\b|GSP",
        "gpu-link": r"Xid [^:]{0,40}(?::[^:]{0,40})?: 74\b|NVLink: fatal",
        "gpu-context": r"Xid [^:]{0,40}(?::[^:]{0,40})?: (?:13|31|43|109)\b|illegal memory access",
        "memory": r"[Oo]ut of memory|oom_score|MemoryError|Cannot allocate memory",
        "disk": r"No space left on device|Disk full|disk is full|out-of-data-space",
        "identity": r"certificate (?:has expired|verify failed)|CERTIFICATE_VERIFY_FAILED|Access (?:was )?refused",
        "dns": r"Name or service not known|name resolution|Name does not resolve",
        "network": r"No route to host|Network is unreachable|EHOSTUNREACH|ENETUNREACH",
        "process": r"ECONNREFUSED|Connection refused|actor died|ActorDied|EngineDead|unexpectedly closed TCP",
    }.items()
)
"""Families of faults that lines say outright, the more particular first. Xids: NVIDIA's documentation of them."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What speaks for each component, and what was seen."""

    strength: float
    """Digits of surprise of the most surprising departure, less those that so many looks let expect."""
    scores: Mapping[str, float]
    departures: tuple[Departure, ...]
    """The errors, warnings and losses behind it, those that speak loudest first."""


class UntrainedInterpreter:
    """Reads windows against what a reference of the same system's logs lets expect."""

    def __init__(self, reference: Iterable[Said], start: float, end: float, pids: Mapping[str, str] | None = None):
        """The reference is from `start` to `end`, in the seconds of the windows. `pids`: process id -> component.

        Raises ValueError where it has no length.
        """
        lines = [line for line in reference if start < line.time <= end]
        self._usual = habits(lines, start, end)
        self._voices = habits(_merged(lines), start, end)
        self._pids = pids
        self._names: tuple[object, Names] | None = None

    @property
    def state_size(self) -> int:
        """It has no state vector."""
        return 0

    @property
    def fault_types(self) -> tuple[str, ...]:
        """What it can name."""
        return (NONE, UNKNOWN, *(family for family, _ in FAMILIES))

    def interpret(self, window: Window) -> Diagnosis:
        """Interpret one window."""
        return self.read(window, list(said(window.logs)))

    def read(self, window: Window, lines: Sequence[Said], votes: Mapping[str, float] | None = None) -> Diagnosis:
        """The same with the window's lines already read. `votes` by component count beside those of the logs."""
        found = self.suspect(window, lines)
        scores = {name: score + (votes or {}).get(name, 0.0) for name, score in found.scores.items()}
        failed = found.strength / (found.strength + SURE)
        family = _family(found.departures) if failed >= 0.5 else UNKNOWN
        types = dict.fromkeys(self.fault_types, 0.0) | {NONE: 1.0 - failed, family: failed}
        total = sum(scores.values())
        size = len(window.topology.components)
        return Diagnosis(
            state=np.zeros(0, np.float32),
            fault_types=types,
            root_causes={name: score / total if total else 1.0 / size for name, score in scores.items()},
            unknown=failed if family == UNKNOWN else 0.0,
            evidence=_quoted(found.departures),
        )

    def suspect(self, window: Window, lines: Sequence[Said]) -> Suspicion:
        """Who is suspected, and by what."""
        start, end = window.start, window.end
        errors = new_errors(self._usual, lines, start, end)
        warnings = risen(
            self._usual, (line for line in lines if line.level == "WARNING" and not line.failing), start, end
        )
        losses = lost_lines(self._usual, lines, start, end)
        silences = {loss.component: loss for loss in lost_lines(self._voices, _merged(lines), start, end)}
        names = self._names_of(window)
        silent = self._unexplained(window, silences)

        votes: dict[str, list[tuple[float, Departure]]] = {}
        for weight, departures in ((1.0, errors), (WARNED, warnings)):
            for departure in departures:
                votes.setdefault(departure.component, []).append((weight * departure.surprise, departure))
        voices = {name: min(1.0, sum(weight for weight, _ in cast) / VOTE) for name, cast in votes.items()}
        trouble = {name: max(voices.get(name, 0.0), silent.get(name, 0.0)) for name in {*voices, *silent}}
        blamed = {name: self._blamed(name, cast, window, names, silent, trouble) for name, cast in votes.items()}
        scores = {node.name: silent.get(node.name, 0.0) for node in window.topology.components}
        for name, share in _travelled(voices, blamed).items():
            scores[name] = scores.get(name, 0.0) + share

        looks = max(1, len({departure.component for departure in (*errors, *warnings)}))
        strengths = [departure.surprise - log10(looks) for departure in errors]
        strengths += [WARNED * departure.surprise - log10(looks) for departure in warnings]
        strengths += [silence.surprise - log10(max(1, len(silences))) for silence in silences.values()]
        order = sorted(
            [(departure.surprise, departure) for departure in (*errors, *losses)]
            + [(WARNED * departure.surprise, departure) for departure in warnings],
            key=lambda pair: -pair[0],
        )
        return Suspicion(max([0.0, *strengths]), scores, tuple(departure for _, departure in order))

    def _blamed(
        self,
        component: str,
        cast: Sequence[tuple[float, Departure]],
        window: Window,
        names: Names,
        silent: Mapping[str, float],
        trouble: Mapping[str, float],
    ) -> dict[str, float]:
        """Whom a component's errors and warnings lead to, with shares of its vote; it keeps the rest.

        A line that names nobody leads to those whom the component calls, as far as they are in trouble themselves.
        """
        total = sum(weight for weight, _ in cast)
        called = {callee: trouble.get(callee, 0.0) for caller, callee in window.topology.edges if caller == component}
        shares: dict[str, float] = {}
        for weight, departure in cast:
            named = names.spoken_of(departure.text, component)
            weighed = {name: part * (1.0 + silent.get(name, 0.0)) for name, part in named.items()} or called
            whole = sum(weighed.values())
            # Those called take no more of a vote than they are in trouble.
            passed = PASSED_ON * weight / total * (1.0 if named else min(1.0, whole)) if total and whole else 0.0
            for name, part in weighed.items():
                if passed and part:
                    shares[name] = shares.get(name, 0.0) + passed * part / whole
        return shares

    def _unexplained(self, window: Window, silences: Mapping[str, Departure]) -> dict[str, float]:
        """How silent each component is, from 0 to 1, as far as those who call it are not."""
        size = max(1, len(silences))
        quiet = {
            name: min(1.0, max(0.0, loss.surprise - log10(size)) / VOTE) * (1.0 - loss.seen / loss.expected)
            for name, loss in silences.items()
        }
        speaking = {component for component, _ in self._voices.of}
        callers: dict[str, set[str]] = {}
        for caller, callee in window.topology.edges:
            callers.setdefault(callee, set()).add(caller)
        entry = {node.name for node in window.topology.components if node.kind in ENTRIES}
        found = {}
        for name, share in quiet.items():
            heard = _heard(name, callers, speaking) if name not in entry else set()
            excuse = min((quiet.get(caller, 0.0) for caller in heard), default=0.0)
            if share * (1.0 - excuse) > 0.0:
                found[name] = share * (1.0 - excuse)
        return found

    def _names_of(self, window: Window) -> Names:
        if self._names is None or self._names[0] is not window.topology:
            self._names = window.topology, Names(window.topology, self._pids)
        return self._names[1]


def _travelled(voices: Mapping[str, float], blamed: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Where votes end up that are passed on from those who err to those whom they blame, `HOPS` times."""
    arrived: dict[str, float] = {}
    moving = dict(voices)
    for hop in range(HOPS + 1):
        following: dict[str, float] = {}
        for name, vote in moving.items():
            shares = blamed.get(name, {}) if hop < HOPS else {}
            arrived[name] = arrived.get(name, 0.0) + vote * (1.0 - sum(shares.values()))
            for other, share in shares.items():
                following[other] = following.get(other, 0.0) + vote * share
        moving = following
    return arrived


def _merged(lines: Iterable[Said]) -> list[Said]:
    """All that a component says when nothing fails as one template: its voice."""
    return [line._replace(template="", level="INFO") for line in lines if line.level in USUAL and not line.failing]


def _heard(name: str, callers: Mapping[str, set[str]], speaking: Collection[str]) -> set[str]:
    """The callers of a component whose voice is known, looking through those who never say anything."""
    found: set[str] = set()
    seen, following = {name}, [name]
    while following:
        for caller in callers.get(following.pop(), set()) - seen:
            seen.add(caller)
            if caller in speaking:
                found.add(caller)
            else:
                following.append(caller)
    return found


def _family(departures: Sequence[Departure]) -> str:
    """The family that the lines say; that of the most surprising of those that say one."""
    for departure in departures:
        if departure.seen > departure.expected:
            for family, says in FAMILIES:
                if says.search(departure.text, 0, 2000):
                    return family
    return UNKNOWN


def _quoted(departures: Sequence[Departure]) -> tuple[Evidence, ...]:
    chosen: list[Departure] = []
    for departure in departures:
        if departure.surprise > 0.0 and sum(d.component == departure.component for d in chosen) < OF_ONE:
            chosen.append(departure)
    del chosen[QUOTED:]
    total = sum(departure.surprise for departure in chosen)
    return tuple(Evidence(d.component, _words(d), d.surprise / total) for d in chosen)


def _words(departure: Departure) -> str:
    if departure.seen < departure.expected:
        return f"{departure.seen} of {departure.expected:.3g} usual lines: {printable(departure.text)}"
    times = "" if departure.seen == 1 else f"{departure.seen} times, "
    usual = "new" if departure.expected == 0 else f"{departure.expected:.2g} are usual"
    return f"{times}{usual}: {printable(departure.text)}"
