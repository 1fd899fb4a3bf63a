"""Log templates: Loghub's published ones as patterns, and masks for sets that come without.

Loghub's template file is read at run time and is not part of this program. A line belongs to the template with the
most literal characters among those that match all of it; on Loghub's own 2,000 lines that is the published one.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.bench.openstack.lines import Line

LOGHUB_TEMPLATES = Path("openstack") / "loghub_OpenStack_2k.log_templates.csv.gz"
LOGHUB_STRUCTURED = Path("openstack") / "loghub_OpenStack_2k.log_structured.csv.gz"
WILDCARD = "<*>"


@dataclass(frozen=True)
class Templates:
    """Templates by name, most literal ones first."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...]

    @classmethod
    def of(cls, templates: Mapping[str, str]) -> Templates:
        """From texts with `<*>` for what varies."""
        ordered = sorted(templates.items(), key=lambda item: -len(item[1].replace(WILDCARD, "")))
        return cls(tuple((name, pattern(text)) for name, text in ordered))

    def name(self, text: str) -> str | None:
        """The template of a line's text; None where none matches."""
        return next((name for name, pattern in self.patterns if pattern.fullmatch(text)), None)

    def count(self, lines: Iterable[Line]) -> Counter[str | None]:
        """How often each template occurs; under None how many lines have none."""
        return Counter(self.name(line.text) for line in lines)


def pattern(template: str) -> re.Pattern[str]:
    """What a template matches: its literal parts, and anything for each `<*>`."""
    return re.compile(".*?".join(re.escape(part) for part in template.split(WILDCARD)), re.DOTALL)


def loghub_templates(data: Path) -> Templates:
    """Loghub's 43."""
    return Templates.of({row["EventId"]: row["EventTemplate"] for row in _rows(data / LOGHUB_TEMPLATES)})


def loghub_labels(data: Path) -> list[str]:
    """Loghub's own template of each of its 2,000 lines."""
    return [row["EventId"] for row in _rows(data / LOGHUB_STRUCTURED)]


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


_MASKS = (
    (re.compile(r"(?<=VIFOpenVSwitch)\(.*", re.DOTALL), ""),  # printed in full, or not
    (re.compile(r": \{.*", re.DOTALL), f": {WILDCARD}"),  # a dictionary at the end
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), WILDCARD),
    (re.compile(r"instance-[0-9a-f]{8}\b"), WILDCARD),
    (re.compile(r"(?<![\w.])/[\w./@+-]+"), WILDCARD),  # a path
    (re.compile(r"\bon node \S+"), f"on node {WILDCARD}"),
    (re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"), WILDCARD),
    (re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{32,40}\b"), WILDCARD),
    (re.compile(r"(?<![A-Za-z_])-?\d+(?:\.\d+)*"), WILDCARD),
    (re.compile(rf"{re.escape(WILDCARD)}(?:[:,./]?{re.escape(WILDCARD)})+"), WILDCARD),
)


def masked(text: str) -> str:
    """A line's text with ids, paths, addresses and numbers as `<*>`."""
    for mask, stands in _MASKS:
        text = mask.sub(stands, text)
    return " ".join(text.split())


def masked_counts(lines: Iterable[Line]) -> Counter[tuple[str, str]]:
    """How often each (level, masked text) occurs; lines of stack traces are left out."""
    return Counter((line.level, masked(line.text)) for line in lines if not line.traceback)
