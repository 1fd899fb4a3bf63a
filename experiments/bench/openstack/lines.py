"""Lines of OpenStack's logs, of the twin's and of three real clouds', in one form.

Real files are read where they lie: Loghub's (CloudLab, 2017: file name, date, oslo.log), a devstack's (level, logger,
request, message; no times), and a recording's (Zed: a file a service, every line of a stack trace with its own head).
"""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from twin.telemetry.records import LogLine

LOGHUB = Path("openstack") / "loghub_OpenStack_2k.log.gz"
DEVSTACK = Path("openstack") / "devstack_nova_sample_part1.log.gz"
DHCP_OFF = Path("openstack") / "devstack_nova_dhcpoff.log.gz"
RECORDING = Path("openstack-real")


class Line(NamedTuple):
    """One line. `text` is the message, with its `[instance: …]` where it has one, without date and request."""

    time: float
    """Seconds, from where does not matter; NaN where the file has no times."""
    service: str
    level: str
    logger: str
    text: str
    traceback: bool = False
    """Whether it is a line of a stack trace: what oslo.log prints without a request in brackets."""


_HEAD = r"(?:\d+ )?(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<logger>\S+)"
_CONTEXT = r"(?: (?P<context>\[(?:-|(?:None )?req-[^\]]*)\]))?"
_MESSAGE = re.compile(_HEAD + _CONTEXT + r" ?(?P<text>.*)", re.DOTALL)
_DATE, _CLOCK = r"(?P<date>\d{4}-\d\d-\d\d)", r"(?P<clock>\d+:\d\d:\d\d(?:\.\d+)?)(?:\+00:00)?"
_DATED = re.compile(rf"{_DATE} +{_CLOCK} (?P<rest>.*)", re.DOTALL)
_BARE_LEVEL = re.compile(r"\[(note|warning|error|system|info|notice|debug)\]", re.IGNORECASE)
_LEVELS = {"note": "INFO", "system": "INFO", "notice": "INFO"}


def parse(service: str, line: str, time: float | None = None) -> Line | None:
    """A line of a service's log; None for one without a head, such as the second of a message over several lines.

    `time` overrides what it says of itself. MySQL's and RabbitMQ's lines have an empty logger.
    """
    dated = _DATED.match(line)
    if dated is not None:
        line = dated["rest"]
        if time is None:
            time = _seconds(dated["date"], dated["clock"])
    when = float("nan") if time is None else time
    found = _MESSAGE.match(line)
    if found is not None:
        traceback = found["context"] is None
        return Line(when, service, found["level"], found["logger"], found["text"], traceback)
    bare = _BARE_LEVEL.search(line) if dated is not None else None
    if bare is None:
        return None
    level = bare[1].lower()
    return Line(when, service, _LEVELS.get(level, level.upper()), "", line)


def _seconds(date: str, clock: str) -> float:
    return datetime.fromisoformat(f"{date} {clock.zfill(8)[:15]}").replace(tzinfo=UTC).timestamp()


def of_twin(lines: Iterable[LogLine]) -> Iterator[Line]:
    """The twin's lines; those of nova's instances on several hosts keep the host in the service's name."""
    for line in lines:
        found = parse(line.component, line.text, line.time)
        yield found or Line(line.time, line.component, line.level, "", line.text)


def loghub(data: Path) -> list[Line]:
    """Loghub's 2,000 lines, in their order."""
    found = []
    for line in _read(data / LOGHUB):
        file, _, rest = line.partition(" ")
        parsed = parse(file.partition(".log")[0], rest)
        if parsed is not None:
            found.append(parsed)
    return found


def devstack(data: Path, file: Path = DEVSTACK) -> list[Line]:
    """nova-compute's lines of the devstack, in their order, without times."""
    return [parsed for line in _read(data / file) if (parsed := parse("nova-compute", line)) is not None]


def recording(data: Path) -> list[Line]:
    """The recorded control plane's lines of all services, in the order of time (Unix seconds)."""
    found = []
    for path in sorted((data / RECORDING).glob("*.log.xz")):
        service = path.name.removesuffix(".log.xz")
        found += [parsed for line in _read(path) if (parsed := parse(service, line)) is not None]
    return sorted(found, key=lambda line: line.time)


def _read(path: Path) -> list[str]:
    opened = lzma.open if path.suffix == ".xz" else gzip.open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()
