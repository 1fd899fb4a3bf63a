"""JAX's random numbers in NumPy: Threefry-2x32 (Salmon et al., SC 2011), so that both versions have the same luck.

A key is two words, [..., 2] uint32. Counters are those of JAX's `jax_threefry_partitionable`, its default.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

ROTATIONS: Final = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY: Final = np.uint32(0x1BD11BDA)
ROUNDS: Final = 5
"""Of four rotations each."""


def threefry(key: Words, high: Words, low: Words) -> tuple[Words, Words]:
    """Two words for each counter (high, low), under keys [..., 2] that broadcast against them."""
    one, two = key[..., 0], key[..., 1]
    schedule = (one, two, one ^ two ^ PARITY)
    x, y = high + one, low + two
    for turn in range(ROUNDS):
        for rotation in ROTATIONS[turn % 2]:
            x = x + y
            y = ((y << np.uint32(rotation)) | (y >> np.uint32(32 - rotation))) ^ x
        x = x + schedule[(turn + 1) % 3]
        y = y + schedule[(turn + 2) % 3] + np.uint32(turn + 1)
    return x, y


def _counted(key: Words, shape: tuple[int, ...]) -> tuple[Words, Words]:
    """The words of counters 0, 1, … in this shape, for each key."""
    low = np.arange(math.prod(shape), dtype=np.uint32).reshape(shape)
    each = key.reshape(*key.shape[:-1], *[1] * len(shape), 2)
    return threefry(each, np.zeros_like(low), low)


def bits(key: Words, shape: tuple[int, ...]) -> Words:
    """32 random bits [..., *shape] for each key."""
    x, y = _counted(key, shape)
    return x ^ y


def split(key: Words, shape: tuple[int, ...]) -> Words:
    """New keys [..., *shape, 2] of each key."""
    return np.stack(_counted(key, shape), axis=-1)


def fold_in(key: Words, data: NDArray[Any]) -> Words:
    """A new key of each key and number."""
    low = np.asarray(data).astype(np.uint32)
    return np.stack(threefry(key, np.zeros_like(low), low), axis=-1)
