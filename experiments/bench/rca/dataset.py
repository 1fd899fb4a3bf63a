"""From a suite to a data set: every case is lived through, exported, and put where RCAEval's tools look for it.

The worlds' telemetry folders are temporary. A case's folder appears when it is whole, and `cases.jsonl` says what it
was made from: a data set that was cut short is taken up where it stopped.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.bench.mutations.record import twin_digest
from experiments.bench.rca.cases import CASES, MANIFEST, TRUTH, read_rows
from experiments.bench.rca.scores import UNSEEN
from experiments.bench.rows import Row, at_most
from experiments.errors import UserError
from experiments.simulate import simulate
from llm.ranking.interpreted import TELEMETRY
from twin.scenario import Scenario, Suite
from twin.scenario.load import sha256
from twin.telemetry.records import Profile

SECONDS_BAR, MEMORY_BAR = 180.0, 1.0
"""What a data set of `CASES_BAR` cases may take on two cores: seconds, and GiB of all processes together."""
CASES_BAR = 120


@dataclass(frozen=True)
class Plan:
    """What a data set is made from."""

    suite: Suite
    realisation: int
    """0: the suite's own seeds; another number: the same scenarios under other luck."""
    profile: Profile
    changes: tuple[str, ...] = ()
    """`--set` of every scenario."""
    telemetry: bool = False
    """Whether cases keep their telemetry folders, which the interpreter reads."""

    def manifest(self) -> dict[str, Any]:
        """What the data set is, as plain data. `digest` is over all that says how it comes out."""
        told: dict[str, Any] = {
            "format": 1,
            "suite": self.suite.metadata.name,
            "suite_digest": self.suite.digest,
            "split": self.suite.part,
            "realisation": self.realisation,
            "seeds": list(self.suite.realisation(self.realisation).seeds),
            "profile": self.profile,
            "changes": list(self.changes),
            "telemetry": self.telemetry,
            "version": version("healtwin"),
            "twin": twin_digest(),
        }
        return {**told, "digest": sha256(told)}

    def jobs(self) -> list[Job]:
        """The cases, seed by seed."""
        scenarios = self.suite.scenarios
        if self.changes:
            scenarios = tuple(Scenario.load(scenario.source, self.changes) for scenario in scenarios)
        seeds = self.suite.realisation(self.realisation).seeds
        pairs = [(scenario, seed) for seed in seeds for scenario in scenarios]
        seen = self._seen()
        return [
            Job(i, scenario, seed, self.profile, self.telemetry, _tags(scenario, seen))
            for i, (scenario, seed) in enumerate(pairs)
        ]

    def _seen(self) -> frozenset[str] | None:
        """The scenarios that methods may have been tuned on; None where the suite does not keep any apart."""
        parts = Suite.load_parts(self.suite.source)
        train = next((part for part in parts if part.part == "train"), None)
        if train is None or self.suite.part == "train":
            return None
        return frozenset(scenario.metadata.name for scenario in train.scenarios)


def _tags(scenario: Scenario, seen: frozenset[str] | None) -> tuple[str, ...]:
    labels = scenario.metadata.labels
    mechanism = (f"mechanism {labels['mechanism']}",) if "mechanism" in labels else ()
    if seen is None:
        return mechanism
    return (*mechanism, "scenario in train" if scenario.metadata.name in seen else UNSEEN)


@dataclass(frozen=True, slots=True)
class Job:
    """One case to be made."""

    number: int
    scenario: Scenario
    seed: int
    profile: Profile
    telemetry: bool
    tags: tuple[str, ...]

    @property
    def fault(self) -> str:
        """The kind of fault, as folders and tables call it."""
        labels = self.scenario.metadata.labels
        return labels.get("family", "fault").replace("_", "-")


@dataclass(frozen=True, slots=True)
class Made:
    """A data set that was written."""

    folder: Path
    cases: int
    kept: int
    """Cases that were there already."""
    seconds: float
    memory: float
    """GiB: the peak of this process and of its workers together."""
    failed: dict[str, str] = field(default_factory=dict)
    """Cases that could not be made, as scenario and seed -> why."""

    def rows(self) -> list[Row]:
        """Time and memory beside their bars, where a data set of that size was made."""
        made = self.cases - self.kept - len(self.failed)
        anchor = f"{made} cases made, {self.kept} kept" + (f", {len(self.failed)} failed" if self.failed else "")
        if made != CASES_BAR:
            return [Row("data set: time", self.seconds, "s", anchor=anchor), self._memory(anchor)]
        return [at_most("data set: time", self.seconds, "s", SECONDS_BAR, anchor), self._memory(anchor)]

    def _memory(self, anchor: str) -> Row:
        return at_most("data set: peak memory of all processes", self.memory, "GiB", MEMORY_BAR, anchor)


def make(
    plan: Plan,
    folder: Path,
    workers: int = 2,
    told: Callable[[int, int, object], None] = lambda done, total, case: None,
) -> Made:
    """Write the data set into a folder; `told` hears (done, total, case).

    A case that cannot be made is left out and named in the result; the same call tries it again. Raises UserError where
    the folder holds another data set, or something that is none.
    """
    began = time.monotonic()
    jobs = plan.jobs()
    manifest = plan.manifest()
    kept = _kept(folder, manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    numbers: Counter[str] = Counter()
    for row in kept.values():
        kind, _, number = row["case"].rpartition("/")
        numbers[kind] = max(numbers[kind], int(number))
    peaks: dict[int, float] = {}
    failed: dict[str, str] = {}
    with (
        (folder / CASES).open("a", encoding="utf-8") as file,
        tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as scratch,
    ):
        told(len(kept), len(jobs), None)
        done = len(kept)
        for job, drafted in _drafts([job for job in jobs if job.number not in kept], Path(scratch), workers):
            done += 1
            if isinstance(drafted, _Failed):
                failed[f"{job.scenario.metadata.name}, seed {job.seed}"] = drafted.why
                told(done, len(jobs), "failed")
                continue
            numbers[drafted.kind] += 1
            name = f"{drafted.kind}/{numbers[drafted.kind]}"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (folder / name).exists():  # a case that never came into the list
                shutil.rmtree(folder / name)
            drafted.folder.rename(folder / name)
            row = {"number": job.number, "case": name, "fault": job.fault, "scenario": job.scenario.metadata.name}
            file.write(json.dumps({**row, "seed": job.seed, "tags": list(job.tags)}) + "\n")
            file.flush()
            peaks[drafted.process] = drafted.memory
            told(done, len(jobs), name)
    memory = _peak() + sum(peaks.values())
    return Made(folder, len(jobs), len(kept), time.monotonic() - began, memory, failed)


def _kept(folder: Path, manifest: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The cases that are there, by their number in the plan; the list holds nothing else from then on."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).is_file():
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty, and no data set; name another folder")
        return {}
    try:
        there = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        rows = read_rows(folder / CASES)
        differs = [key for key in manifest if there.get(key) != manifest[key] and key != "digest"]
        found = {int(row["number"]): row for row in rows if (folder / str(row["case"]) / TRUTH).is_file()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / MANIFEST}: not the manifest of a data set ({error}); name another folder") from None
    if differs:
        raise UserError(
            f"{folder} holds a data set with another {differs[0]} ({there.get(differs[0])}, "
            f"not {manifest[differs[0]]}); name another folder"
        )
    (folder / CASES).write_text("".join(json.dumps(row) + "\n" for row in found.values()), encoding="utf-8")
    return found


@dataclass(frozen=True, slots=True)
class _Draft:
    """A case that is whole, and has no number yet."""

    folder: Path
    kind: str
    """`<service>_<fault>`."""
    process: int
    memory: float


@dataclass(frozen=True, slots=True)
class _Failed:
    """A case that could not be made."""

    why: str


def _drafts(jobs: Sequence[Job], scratch: Path, workers: int) -> Iterator[tuple[Job, _Draft | _Failed]]:
    """The cases in the order of the plan, so that their numbers do not depend on which process was faster."""
    context = multiprocessing.get_context("spawn")
    todo = iter(jobs)
    finished: dict[int, _Draft | _Failed] = {}
    place = 0
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepared) as pool:
        going: dict[Future[_Draft | _Failed], Job] = {}

        def begin() -> None:
            job = next(todo, None)
            if job is not None:
                going[pool.submit(_draft, job, scratch)] = job

        for _ in range(2 * workers):
            begin()
        while going:
            done, _ = wait(going, return_when=FIRST_COMPLETED)
            for future in done:
                finished[going.pop(future).number] = future.result()
                begin()
            while place < len(jobs) and jobs[place].number in finished:
                yield jobs[place], finished.pop(jobs[place].number)
                place += 1


def _draft(job: Job, scratch: Path) -> _Draft | _Failed:
    """Live through one case and export it. Whatever one case breaks on, the others are made."""
    out = scratch / str(job.number)
    try:
        return _lived_through(job, scratch, out)
    except Exception as error:
        shutil.rmtree(out, ignore_errors=True)
        return _Failed(f"{type(error).__name__}: {error}")


def _lived_through(job: Job, scratch: Path, out: Path) -> _Draft:
    from twin.telemetry import folder as telemetry
    from twin.telemetry.export.rcaeval import write_case

    with tempfile.TemporaryDirectory(dir=scratch) as place:
        run = Path(place) / "run"
        simulate(job.scenario, run, seed=job.seed, track=False)
        # The columns are in another order in every case: many methods break ties by it.
        order = int(sha256([job.scenario.digest, job.seed])[:8], 16)
        write_case(telemetry.read(run), out, job.profile, shuffle_seed=order)
        if job.telemetry:
            shutil.rmtree(run / "truth")
            (run / "scenario.yaml").unlink()  # it says what was done, as the truth does
            run.rename(out / TELEMETRY)
    service = json.loads((out / TRUTH).read_text(encoding="utf-8"))["services"][0]
    return _Draft(out, f"{service}_{job.fault}", multiprocessing.current_process().pid or 0, _peak())


def _peak() -> float:
    """The largest resident size of this process so far, GiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def _prepared() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
