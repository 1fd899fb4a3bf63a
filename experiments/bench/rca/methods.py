"""The methods that can be run: ours in this process, the published ones in their own environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

from experiments.bench.rca.published import ABSENT, PUBLISHED
from experiments.bench.rca.published.client import LIMIT, Workers, command
from experiments.bench.rca.published.environment import DEFAULT
from experiments.bench.rca.published.environment import interpreter as python_of
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
    slow: bool = False
    """Whether it may be given fewer cases than the others."""


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


@contextmanager
def chosen(
    names: Sequence[str] | None,
    interpreter: Path | None = None,
    environment: Path = DEFAULT,
    limit: float = LIMIT,
) -> Iterator[list[Method]]:
    """The methods of these names; without names, all of ours. `ours` and `published` name all of a group.

    The published ones run in `environment`, for at most `limit` seconds a case, in processes that end with this.
    Raises UserError for a name that there is not, and where the environment is wanted and not there.
    """
    own = {name: ours(name, ranker) for name, ranker in RANKERS.items()}
    if interpreter is not None:
        own |= _interpreted(interpreter)
    groups = {"ours": list(own), "published": list(PUBLISHED)}
    wanted = dict.fromkeys(name for asked in names or ("ours",) for name in groups.get(asked, (asked,)))
    for name in wanted:
        if name in ABSENT:
            raise UserError(f"the method '{name}' cannot be had: {ABSENT[name]}")
        if name not in own and name not in PUBLISHED:
            raise UserError(f"no method '{name}' (known: {', '.join((*own, *PUBLISHED))})")
    with ExitStack() as stack:
        others: dict[str, Method] = {}
        if any(name in PUBLISHED for name in wanted):
            workers = stack.enter_context(Workers(command(python_of(environment)), limit))
            others = {name: _published(name, workers) for name in PUBLISHED}
        yield [own[name] if name in own else others[name] for name in wanted]


def _published(name: str, workers: Workers) -> Method:
    about = PUBLISHED[name]

    def rank(case: Case, seed: int) -> Sequence[str]:
        return workers.rank(name, case.folder, seed)

    return Method(name, about.source, about.version, rank, elsewhere=True, slow=about.slow)


def _interpreted(bundle: Path) -> dict[str, Method]:
    """The ranking of a trained interpreter, whose version is that of its files, too."""
    from llm.ranking.interpreted import NAME, ranker

    learnt = sha256(own_version().encode())
    for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
        learnt.update(file.read_bytes())
    return {NAME: replace(ours(NAME, ranker(bundle)), version=learnt.hexdigest()[:16])}
