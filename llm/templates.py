"""Template mining: a Drain tree over masked log messages.

He, Zhu, Zheng and Lyu, "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017. Messages are masked
first, by one combined expression; the masked numbers are kept as typed fields. Ids are given in the order of
discovery and never change: the same messages in the same order give the same ids. Id 0 means no known template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

WILDCARD = "<*>"
UNKNOWN = 0
"""The id of a message that no template matches."""

LONGEST = 1024
"""Characters of a message that are read; the rest of an untrusted line is ignored."""
FIELDS = 4
"""Numbers kept of a message, the first ones."""
LARGEST = 1e15
"""Numbers are clipped here, so that no printed field overflows what is computed from it."""

MASKS: dict[str, str] = {
    # What nginx adds to every error: who asked for what. Left in, it would make different errors look alike.
    "request": r",\ client:\ .*$",
    # Codes that name what happened stay: a 502 and a 200, XID 79 and 31, a node ready and not, are different events.
    "code": r'(?<=/1\.[01]"\ )[1-5]\d\d\b | (?<=\bstatus:\ )[1-5]\d\d\b | \b[1-5]\d\d(?=\ \d+(?:\.\d+)?ms\b)'
    r"| (?<=\):\ )\d{1,3}(?=,\ ) | (?<=\bexit\ code:\ )\d{1,3}\b | (?<=\bstatus=\")\w+(?=\")"
    r"| (?<=\ \()(?:GPU\ Reset\ Required|Node\ Reboot\ Required|Drain\ P2P|Drain\ and\ Reset)(?=\))",
    "id": r"\breq-[0-9a-f]{8}-[0-9a-f-]{27}\b | \b(?:cmpl|chatcmpl)-[0-9a-z-]+ | (?<=\bid=')[^'\s]+(?=')",
    "uuid": r"\b(?:GPU-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "time": r"\b\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?",
    "ip": r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?\b",
    "pci": r"\b(?:PCI:)?[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-9a-f])?\b",
    "hex": r"\b0x[0-9a-f]+\b | \b(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{12,}\b",
    "num": r"(?<![a-z_\d])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?",
}
"""Name of a mask -> what it hides, earlier ones first."""

_BEGINNING = r"""(?: (?=[-+,\d]) | \b(?=[a-gnpr]) | (?<=['"]) )"""
"""Where a mask can begin at all: looked at first, this takes a third of the time."""
_ANY = "|".join(f"(?P<{name}>{hidden})" for name, hidden in MASKS.items())
_MASK = re.compile(f"{_BEGINNING}(?:{_ANY})", re.VERBOSE | re.I | re.A)
_CODE = re.compile(r"<(?:\d{1,3}|[A-Z]\w*)>")
_DIGIT = re.compile(r"\d")


class Masked(NamedTuple):
    """A message without its variable parts, and the first numbers that were in it."""

    text: str
    numbers: tuple[float, ...]


def masked(message: str) -> str:
    """Hide numbers, ids and addresses of a message; at most `LONGEST` characters of it are read."""
    return _MASK.sub(_instead, message[:LONGEST])


def mask(message: str) -> Masked:
    """The same, with the first numbers that are hidden."""
    numbers: list[float] = []

    def hide(found: re.Match[str]) -> str:
        if found.lastgroup == "num" and len(numbers) < FIELDS:
            value = float(found.group().replace(",", ""))
            numbers.append(min(LARGEST, max(-LARGEST, value)))
        return _instead(found)

    text = _MASK.sub(hide, message[:LONGEST])
    return Masked(text, tuple(numbers))


def _instead(found: re.Match[str]) -> str:
    """What stands for a hidden part: its name, or the code that it is."""
    name = found.lastgroup
    return f"<{name}>" if name != "code" else f"<{found.group().replace(' ', '_')}>"


class Templates:
    """The template table: `add` learns, `match` only reads.

    `depth` counts root, length, prefix tokens and leaf, as the paper does; `similarity` is the share of equal tokens
    that joins a message to a template. At most `capacity` templates are learned, so that hostile text cannot grow the
    table without bound.
    """

    def __init__(self, depth: int = 4, similarity: float = 0.4, children: int = 100, capacity: int = 4096) -> None:
        if depth < 3:
            raise ValueError(f"a Drain tree has at least 3 levels, got depth {depth}")
        if not 0.0 <= similarity <= 1.0:
            raise ValueError(f"the similarity threshold lies in [0, 1], got {similarity}")
        self.depth = depth
        self.similarity = similarity
        self.children = children
        self.capacity = capacity
        self._tokens: list[tuple[str, ...]] = []
        self._paths: list[tuple[str, ...]] = []
        self._leaves: dict[tuple[str, ...], list[int]] = {}
        self._branches: dict[tuple[str, ...], dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def text(self, template: int) -> str:
        """The template with wildcards; the empty text for `UNKNOWN`."""
        return " ".join(self._tokens[template - 1]) if template else ""

    def add(self, masked: str) -> int:
        """Learn from one masked message and return its template id; `UNKNOWN` when the table is full."""
        tokens = tuple(masked.split())
        start = _group(masked, tokens)
        path = self._descend(start, tokens)
        found, share = self._closest(path, tokens, wildcards_count=False)
        if found and share >= self.similarity:
            known = self._tokens[found - 1]
            if known != tokens:
                self._tokens[found - 1] = tuple(a if a == b else WILDCARD for a, b in zip(known, tokens, strict=True))
            return found
        if len(self) >= self.capacity:
            return UNKNOWN
        return self._insert(self._grow(start, tokens), tokens)

    def match(self, masked: str) -> int:
        """The template that a masked message is an instance of, or `UNKNOWN`. Learns nothing."""
        tokens = tuple(masked.split())
        path = self._descend(_group(masked, tokens), tokens)
        found, share = self._closest(path, tokens, wildcards_count=True)
        return found if share >= 1.0 else UNKNOWN

    def _insert(self, path: tuple[str, ...], tokens: tuple[str, ...]) -> int:
        self._tokens.append(tokens)
        self._paths.append(path)
        for depth in range(1, len(path)):
            self._branches.setdefault(path[:depth], {})[path[depth]] = None
        self._leaves.setdefault(path, []).append(len(self))
        return len(self)

    def _prefix(self, tokens: tuple[str, ...]) -> tuple[str, ...]:
        return tokens[: max(0, min(self.depth - 3, len(tokens) - 1))]

    def _descend(self, start: str, tokens: tuple[str, ...]) -> tuple[str, ...] | None:
        path: tuple[str, ...] = (start,)
        for token in self._prefix(tokens):
            branches = self._branches.get(path, {})
            if token not in branches:
                if WILDCARD not in branches:
                    return None
                token = WILDCARD
            path = (*path, token)
        return path

    def _grow(self, start: str, tokens: tuple[str, ...]) -> tuple[str, ...]:
        """The path of a new template: a token with digits, or one too many, goes to the wildcard branch."""
        path: tuple[str, ...] = (start,)
        for token in self._prefix(tokens):
            branches = self._branches.get(path, {})
            room = len(branches) < self.children if WILDCARD in branches else len(branches) + 1 < self.children
            if token not in branches and (_DIGIT.search(token) or not room):
                token = WILDCARD
            path = (*path, token)
        return path

    def _closest(
        self, path: tuple[str, ...] | None, tokens: tuple[str, ...], wildcards_count: bool
    ) -> tuple[int, float]:
        """The most similar template of a leaf (with more wildcards on a tie) and the share of tokens it shares."""
        best, best_rank = UNKNOWN, (-1.0, -1)
        for template in self._leaves.get(path, ()) if path is not None else ():
            known = self._tokens[template - 1]
            wildcards = known.count(WILDCARD)
            equal = sum(a == b for a, b in zip(known, tokens, strict=True) if a != WILDCARD)
            rank = ((equal + wildcards * wildcards_count) / len(known) if known else 1.0, wildcards)
            if rank > best_rank:
                best, best_rank = template, rank
        return best, best_rank[0]

    def to_json(self) -> dict[str, Any]:
        """The table as plain data; `from_json` restores an equal one."""
        rows = [{"path": list(p), "tokens": list(t)} for p, t in zip(self._paths, self._tokens, strict=True)]
        settings = {"depth": self.depth, "similarity": self.similarity, "children": self.children}
        return {**settings, "capacity": self.capacity, "templates": rows}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Templates:
        """Restore a table. Raises KeyError or TypeError where the data is not one."""
        table = cls(data["depth"], data["similarity"], data["children"], data["capacity"])
        for row in data["templates"]:
            table._insert(tuple(map(str, row["path"])), tuple(map(str, row["tokens"])))
        return table


def mine(messages: Iterable[str], table: Templates) -> list[int]:
    """Learn from unmasked messages in their order; the id each was given."""
    return [table.add(mask(message).text) for message in messages]


def _group(masked: str, tokens: tuple[str, ...]) -> str:
    """The first level of the tree: messages of one length, and of the same codes, so that codes are never merged."""
    codes = _CODE.findall(masked) if "<" in masked else ()
    return " ".join((str(len(tokens)), *codes))
