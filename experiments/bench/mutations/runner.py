"""Experiments on several processes, each written down as it is done, so that a campaign may be taken up again."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from experiments.bench.mutations.record import Record, read, twin_digest, unfinished
from twin.openstack.mutation.campaign import Point

Experiment = Callable[[Point, int], Record]
"""(point, seed) -> what it showed. A function of a module, for other processes to find."""


def records_of(sites: str) -> Path:
    """Where the experiments of a frame are kept."""
    return Path("runs") / f"mutations-{sites}.jsonl"


def run(
    points: Sequence[Point],
    experiment: Experiment,
    out: Path,
    seed: int,
    workers: int = 2,
    told: Callable[[int, int, object], None] | None = None,
) -> list[Record]:
    """The records of all points; `told` hears (done, total, record).

    What `out` holds of them is not run again. It keeps no experiments of another seed, or on another twin.
    """
    records = _kept(out, points, seed)
    todo = iter(unfinished(points, records))
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:

        def note(record: Record) -> None:
            records.append(record)
            file.write(json.dumps(record.as_json()) + "\n")
            file.flush()
            if told is not None:
                told(len(records), len(points), record)

        if workers == 1:
            for point in todo:
                note(experiment(point, seed))
        else:
            _in_parallel(todo, experiment, seed, workers, note)
    order = {point: i for i, point in enumerate(points)}
    return sorted(records, key=lambda record: order[record.point])


def _kept(out: Path, points: Iterable[Point], seed: int) -> list[Record]:
    """The records in the file that belong to the points; the file holds nothing else than whole lines from then on."""
    found = [record for record in read(out) if (record.seed, record.twin) == (seed, twin_digest())]
    if out.exists():
        out.write_text("".join(json.dumps(record.as_json()) + "\n" for record in found), encoding="utf-8")
    wanted = set(points)
    return [record for record in found if record.point in wanted]


def _in_parallel(
    todo: Iterable[Point], experiment: Experiment, seed: int, workers: int, note: Callable[[Record], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    remaining = iter(todo)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepared) as pool:
        going: set[Future[Record]] = set()

        def begin() -> None:
            following = next(remaining, None)
            if following is not None:
                going.add(pool.submit(experiment, following, seed))

        for _ in range(2 * workers):
            begin()
        while going:
            finished, _ = wait(going, return_when=FIRST_COMPLETED)
            for future in finished:
                going.remove(future)
                note(future.result())
                begin()


def _prepared() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
