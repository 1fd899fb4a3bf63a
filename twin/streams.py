"""Named randomness, keyed by the thing a draw belongs to (honesty rule 3).

A stream is a pure function of (seed, name); a draw is a pure function of the stream and a key such as
``(request_id,)`` or ``(request_id, "output")``. Nothing is consumed, so the order in which components ask,
another policy, or one more fault changes no unrelated draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")
Key = int | str

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_STANDARD_NORMAL = NormalDist()


def _mix(state: int) -> int:
    """The splitmix64 finaliser (Steele, Lea and Flood, OOPSLA 2014): a bijection with good avalanche."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)


def _absorb(state: int, key: tuple[Key, ...]) -> int:
    """The state after each part of a key. The finaliser stands here once more: this is the hottest loop of all."""
    for part in key:
        word = part if type(part) is int else _digest(part) if type(part) is str else int(part)
        state = (state + _GOLDEN * ((word & _MASK) + 1)) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


@lru_cache(4096)
def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def fold(*key: Key) -> int:
    """A key in one word of 64 bits, for longer keys to begin with."""
    return _absorb(0, key)


class Stream:
    """Draws of one named stream. Every method takes the key of the thing the draw belongs to."""

    __slots__ = ("_root",)

    def __init__(self, root: int) -> None:
        self._root = root

    def bits(self, *key: Key) -> int:
        """64 uniformly distributed bits."""
        return _absorb(self._root, key)

    def uniform(self, *key: Key) -> float:
        """A float in [0, 1)."""
        return (self.bits(*key) >> 11) * 2.0**-53

    def between(self, low: float, high: float, *key: Key) -> float:
        """A float in [low, high)."""
        return low + (high - low) * self.uniform(*key)

    def exponential(self, mean: float, *key: Key) -> float:
        """An exponential variate with the given mean."""
        return -mean * math.log1p(-self.uniform(*key))

    def normal(self, mean: float, deviation: float, *key: Key) -> float:
        """A normal variate by inversion."""
        return mean + deviation * _STANDARD_NORMAL.inv_cdf(max(self.uniform(*key), 2.0**-53))

    def lognormal(self, median: float, sigma: float, *key: Key) -> float:
        """A lognormal variate with the given median; sigma is the deviation of its logarithm."""
        return median * math.exp(self.normal(0.0, sigma, *key))

    def integer(self, low: int, high: int, *key: Key) -> int:
        """An integer in [low, high]."""
        return low + int(self.uniform(*key) * (high - low + 1))

    def choice(self, options: Sequence[T], *key: Key) -> T:
        """One of the options, each as likely."""
        return options[int(self.uniform(*key) * len(options))]

    def hexadecimal(self, digits: int, *key: Key) -> str:
        """A string of hexadecimal digits."""
        state = _absorb(self._root, key)
        text = ""
        block = 0
        while len(text) < digits:
            text += f"{_absorb(state, (block,)):016x}"
            block += 1
        return text[:digits]

    def uuid(self, *key: Key) -> str:
        """A version 4 UUID (RFC 9562) as text."""
        h = self.hexadecimal(32, *key)
        variant = "89ab"[int(h[16], 16) & 3]
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{variant}{h[17:20]}-{h[20:]}"


class Streams:
    """The streams of one run: ``streams["workload/arrivals"]``."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._streams: dict[str, Stream] = {}

    def __getitem__(self, name: str) -> Stream:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(_digest(f"{self._seed}/{name}"))
        return stream
