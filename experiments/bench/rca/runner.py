"""Methods on the cases of a data set, each result written down as it comes.

A second run takes up where the first stopped. A case that cannot be read is named and left out; a method that raises
has missed the case.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from experiments.bench.rca.cases import DataSet, Entry, asked, read_rows
from experiments.bench.rca.methods import Method
from experiments.bench.rca.scores import Asked, Outcome
from experiments.errors import UserError
from llm.ranking.case import Case, CaseError, read_case

RESULTS = "results.jsonl"
"""Where results are kept within a data set, unless told otherwise."""
LONGEST_ERROR = 300
"""Characters of an error that are kept."""

Told = Callable[[int, int, object], None]


@dataclass
class Results:
    """What methods said of the cases of a data set."""

    asked: dict[str, Asked] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    """Cases that cannot be read: name -> why."""
    again: int = 0
    """Outcomes that were there already."""


class _Task(NamedTuple):
    method: Method
    case: Case
    name: str


def run(
    dataset: DataSet,
    methods: Sequence[Method],
    file: Path,
    seed: int = 0,
    workers: int = 1,
    release: bool = False,
    slow_seeds: int | None = None,
    told: Told = lambda done, total, outcome: None,
) -> Results:
    """Every method on every case; `told` hears (done, total, outcome).

    `seed` orders the columns, in every case anew. Methods that are slow are given the cases of the first `slow_seeds`
    seeds of the data set only. `file` holds the results, those of other data sets as well where it
    is shared. Ours run one after the other, then the published ones in `workers` processes: nothing of ours runs beside
    what is timed. Raises UserError where the file is none of results, and for a test split without `release`.
    """
    if dataset.split == "test" and not release:
        raise UserError(
            f"{dataset.folder} is the test split of {dataset.name}, which methods meet once a release (--release): "
            "tune on train, choose on validation"
        )
    results, places = Results(), dict[str, Entry]()
    for entry in dataset.entries:
        try:
            question = asked(entry, read_case(entry.folder), dataset.realisation)
        except CaseError as error:
            results.broken[entry.name] = str(error)
        else:
            results.asked[question.name], places[question.name] = question, entry
    given = {method.name: _given(places, slow_seeds if method.slow else None) for method in methods}
    known = _known(file, dataset, methods, seed)
    results.outcomes += [outcome for (name, method), outcome in known.items() if name in given[method]]
    results.again = len(results.outcomes)
    total = sum(map(len, given.values()))
    told(results.again, total, None)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        for elsewhere in (False, True):
            chosen = [method for method in methods if method.elsewhere is elsewhere]
            todo = (
                _Task(method, case, name)
                for name, entry in places.items()
                if (left := [m for m in chosen if name in given[m.name] and (name, m.name) not in known])
                for case in (read_case(entry.folder),)
                for method in left
            )
            for task, outcome in _answers(todo, seed, workers if elsewhere else 1):
                key = {"dataset": dataset.digest, "version": task.method.version, "seed": seed}
                said = {"method": outcome.method, "case": outcome.case, "ranks": list(outcome.ranks)}
                out.write(json.dumps({**key, **said, "seconds": outcome.seconds, "error": outcome.error}) + "\n")
                out.flush()
                results.outcomes.append(outcome)
                told(len(results.outcomes), total, outcome)
    return results


def _given(places: Mapping[str, Entry], seeds: int | None) -> frozenset[str]:
    """The cases of the first seeds; None: all."""
    chosen = sorted({entry.seed for entry in places.values()})[:seeds]
    return frozenset(name for name, entry in places.items() if entry.seed in chosen)


def _known(file: Path, dataset: DataSet, methods: Sequence[Method], seed: int) -> dict[tuple[str, str], Outcome]:
    """The outcomes in a file that belong here: (case, method) -> outcome."""
    versions = {method.name: method.version for method in methods}
    try:
        return {
            (row["case"], row["method"]): Outcome(
                row["method"], row["case"], tuple(row["ranks"]), float(row["seconds"]), row["error"]
            )
            for row in read_rows(file)
            if (row["dataset"], row["seed"]) == (dataset.digest, seed) and versions.get(row["method"]) == row["version"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: not results of `healtwin rca bench` ({error}); name another file") from None


def _answers(todo: Iterator[_Task], seed: int, workers: int) -> Iterator[tuple[_Task, Outcome]]:
    """What each method says, as it comes; no more cases are read than there are workers for."""
    if workers <= 1:
        for task in todo:
            yield task, _asked(task, seed)
        return
    with ThreadPoolExecutor(workers) as pool:
        going: dict[Future[Outcome], _Task] = {}
        while True:
            for task in islice(todo, workers - len(going)):
                going[pool.submit(_asked, task, seed)] = task
            if not going:
                return
            done, _ = wait(going, return_when=FIRST_COMPLETED)
            for future in done:
                yield going.pop(future), future.result()


def _asked(task: _Task, seed: int) -> Outcome:
    order = int(sha256(f"{seed} {task.name}".encode()).hexdigest()[:8], 16)
    began = time.perf_counter()
    ranks: list[str] = []
    error = ""
    try:
        ranks = [str(name) for name in task.method.rank(task.case, order)]
    except Exception as raised:  # whatever a method raises, it has missed the case
        error = f"{type(raised).__name__}: {raised}"[:LONGEST_ERROR]
    return Outcome(task.method.name, task.name, tuple(ranks), time.perf_counter() - began, error)
