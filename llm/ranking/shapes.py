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
from string import ascii_letters, digits
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
"""[N] of the N bytes of a text."""

LOOKED_AT = 1200
"""Characters of a line that tell it from others: a little more than templates are mined from."""
_BETWEEN, _HIDDEN, _INSTEAD = "\n", b"\0", b"#"

_OTHER, _COMMA, _JOINING, _WORD, _LETTER, _DIGIT = range(6)
"""Kinds of characters; whoever is of one of the last three is part of a word, of the last two, of a hexadecimal one."""
_ALL_OF = {
    _DIGIT: digits.encode(),
    _LETTER: b"abcdef",
    _WORD: f"{ascii_letters}_".encode(),
    _JOINING: b".:/-",
    _COMMA: b",",
}
_KINDS = bytes(next((kind for kind, all_of in _ALL_OF.items() if i in all_of), _OTHER) for i in range(256))


def shapes(texts: Sequence[str]) -> list[bytes]:
    """The shape of each text. A thousand at a time are quickest: what they take fits into a processor's cache."""
    together = _BETWEEN.join([text[:LOOKED_AT].replace(_BETWEEN, " ") for text in texts])
    return _shape(together.encode(errors="replace")).split(_BETWEEN.encode()) if texts else []


def _shape(text: bytes) -> bytes:
    hidden = _variable(text)
    begins = hidden & ~_before(hidden)
    left = np.where(hidden, ord(_HIDDEN), np.frombuffer(text, np.uint8))
    left[begins] = ord(_INSTEAD)
    return left.tobytes().translate(None, _HIDDEN)


def _variable(text: bytes) -> Flags:
    """Where times, ids and numbers are."""
    kind = np.frombuffer(text.translate(_KINDS), np.uint8)
    digit, word = kind == _DIGIT, kind >= _WORD
    joined = word | (kind == _JOINING) | (kind == _COMMA) & _after(digit)
    last = ~_after(joined)
    alone = digit & (last | _after(digit & (last | _after(digit & last))))
    begins = _reached(digit, kind >= _LETTER, "big") & ~_before(word) & ~alone
    return _reached(begins, joined, "little")


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
