"""The methods that can be run: ours in this process, the published ones in their own environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from experiments.errors import UserError
from llm.ranking import RANKERS, Ranker
from llm.ranking.case import Case

Source = Literal["metric", "trace", "multi-source", "log", "ours"]
"""What a method looks at, as the study groups them; `ours`: whatever it is, it is not a published one."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method by name."""

    name: str
    source: Source
    version: str
    """Results of another version are not this one's."""
    rank: Callable[[Case, int], Sequence[str]]
    """A case and a seed, which orders its columns -> services, the most suspicious first. May raise anything."""
    elsewhere: bool = False
    """Whether it runs in processes of its own."""


def ours(name: str, ranker: Ranker) -> Method:
    """A ranker of `llm.ranking`."""
    return Method(name, "ours", own_version(), lambda case, seed: ranker(case.shuffled(seed)))


@cache
def own_version() -> str:
    """A digest of what our rankers are made of."""
    import llm

    root = Path(llm.__file__).parent
    files = [*(root / "ranking").rglob("*.py"), *(root / "reading").rglob("*.py"), root / "evidence.py"]
    digest = sha256()
    for path in sorted([*files, root / "templates.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def chosen(names: Sequence[str] | None, interpreter: Path | None = None) -> list[Method]:
    """The methods of these names; without names, all of ours. Raises UserError for one that there is not."""
    known = {name: ours(name, ranker) for name, ranker in RANKERS.items()}
    if interpreter is not None:
        from llm.ranking.interpreted import NAME, ranker

        learnt = sha256(own_version().encode())
        for file in sorted(path for path in interpreter.rglob("*") if path.is_file()):
            learnt.update(file.read_bytes())
        known[NAME] = replace(ours(NAME, ranker(interpreter)), version=learnt.hexdigest()[:16])
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise UserError(f"no method '{unknown[0]}' (known: {', '.join(known)})")
    return [known[name] for name in names] if names else list(known.values())
