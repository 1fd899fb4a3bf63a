"""The shapes of lines: what is left of them without times, ids and numbers.

Hidden are the matches of

    \\b (?! \\d{1,3} (?! [\\w.:/-] | ,\\d )) [0-9a-f]* \\d [\\w.:/-]* (?: ,\\d [\\w.:/-]* )*

in ASCII: words of which digits come first or after hexadecimal ones, and all that is joined to them; not numbers of up
to three digits that stand alone, for they may be codes. A case has millions of characters, so all of them are matched
at once: one flag a character says where a class of characters is, and the carry of an addition runs through a repeated
class (Cameron et al., "Bitwise Data Parallelism in Regular Expression Matching", PACT 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
"""[N] of the N bytes of a text."""

LOOKED_AT = 1200
"""Characters of a line that tell it from others: a little more than templates are mined from."""
_BETWEEN, _HIDDEN, _INSTEAD = "\n", "\0", "#"


def shapes(texts: Sequence[str]) -> list[bytes]:
    """The shape of each text. A thousand at a time are quickest: what they take fits into a processor's cache."""
    together = _BETWEEN.join([text[:LOOKED_AT].replace(_BETWEEN, " ") for text in texts])
    return _shape(together.encode(errors="replace")).split(_BETWEEN.encode()) if texts else []


def _shape(text: bytes) -> bytes:
    characters = np.frombuffer(text, np.uint8)
    hidden = _variable(characters)
    left, begins = ~hidden, hidden & ~_before(hidden)
    shape = characters * left.view(np.uint8) + begins.view(np.uint8) * ord(_INSTEAD)
    return shape.tobytes().translate(None, _HIDDEN.encode())


def _variable(text: NDArray[np.uint8]) -> Flags:
    """Where times, ids and numbers are."""
    digit, comma = _among(text, "0", "9"), text == ord(",")
    word = digit | _among(text, "a", "z") | _among(text, "A", "Z") | (text == ord("_"))
    joined = word | _among(text, "-", "/") | (text == ord(":")) | comma & _after(digit)
    last = ~_after(joined)
    alone = digit & (last | _after(digit & (last | _after(digit & last))))
    begins = _reached(digit, digit | _among(text, "a", "f"), "big") & ~_before(word) & ~alone
    return _reached(begins, joined, "little")


def _among(text: NDArray[np.uint8], first: str, last: str) -> Flags:
    """Where a character is from the first to the last."""
    among: Flags = text - ord(first) <= ord(last) - ord(first)  # what is less than the first, wraps around
    return among


def _before(flags: Flags) -> Flags:
    """Whether the character before has the flag."""
    return np.concatenate(([False], flags[:-1]))


def _after(flags: Flags) -> Flags:
    """Whether the character after has it."""
    return np.concatenate((flags[1:], [False]))


def _reached(marks: Flags, runs: Flags, order: Literal["little", "big"]) -> Flags:
    """The marks, all in runs, and what of their run comes after them, in "big" order before them."""
    mark, run = (int.from_bytes(np.packbits(flags, bitorder=order).tobytes(), order) for flags in (marks, runs))
    reached = ((mark + run ^ run) | mark) & run  # a mark's carry clears its run, up to the next mark, which stays set
    packed = np.frombuffer(reached.to_bytes(-(-len(runs) // 8), order), np.uint8)
    return np.unpackbits(packed, count=len(runs), bitorder=order).view(np.bool_)
