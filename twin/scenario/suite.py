"""Suites and studies: scenarios and seeds that belong together, and searches on them.

A suite may be cut into splits, by seed and by scenario:

    spec:
      splits:
        train: {scenarios: [replica-crash], seeds: {from: 0, count: 10}}
        test: {scenarios: [replica-crash, engine-hang], seeds: {from: 10, count: 10}}

    suite = Suite.load("mine.yaml", split="train")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from twin.scenario import catalogue, draws
from twin.scenario.errors import ScenarioError
from twin.scenario.load import Scenario, expect_kind, sha256, validated
from twin.scenario.overrides import override
from twin.scenario.schema import USES, Metadata, Part, Seeds, Split, StudyDocument, StudySpec, SuiteDocument
from twin.scenario.source import Document, located, read

REALISATION = 1_000_000
"""What lies between a seed of a suite and the same of its next realisation."""


@dataclass(frozen=True)
class Suite:
    """Scenarios and seeds that belong together, and what they may be used for."""

    source: str
    metadata: Metadata
    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]
    split: Split
    digest: str
    """sha256 of the suite and of every scenario in it."""
    part: Part | None = None
    """Which of the suite's splits it is; None: the suite without one."""

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = (), split: str | None = None) -> Suite:
        """The suite in a file, or the shipped one of that name; `split` names one of its splits.

        Raises ScenarioError, for a split that is not there as well, and for a suite that has splits only without one.
        """
        document, parts = _read(path, overrides)
        chosen = next((part for part in parts if part.name == split), None)
        if chosen is None:
            raise document.locate(ScenarioError(_no_part(split, parts), ("spec",)))
        return cls._of(document, chosen, {})

    @classmethod
    def load_parts(cls, path: str | Path, overrides: Sequence[str] = ()) -> tuple[Suite, ...]:
        """Everything a suite can be loaded as: without a split where that is possible, then each split."""
        document, parts = _read(path, overrides)
        read_already: dict[Path, Scenario] = {}
        return tuple(cls._of(document, part, read_already) for part in parts)

    @classmethod
    def _of(cls, document: Document, part: _Part, read_already: dict[Path, Scenario]) -> Suite:
        for file in part.files:
            if file not in read_already:
                read_already[file] = Scenario.load(file)
        scenarios = tuple(read_already[file] for file in part.files)
        content = [document.data, [scenario.digest for scenario in scenarios]]
        digest = sha256(content if part.name is None else [*content, part.name])
        metadata = Metadata.model_validate(document.data["metadata"])
        return cls(document.name, metadata, scenarios, part.seeds, part.use, digest, part.name)

    def realisation(self, number: int) -> Suite:
        """The same suite under other luck: every seed `number` millions later; 0 is the suite itself.

        Raises ScenarioError where a seed is so high that two realisations could meet.
        """
        if not number:
            return self
        if number < 0:
            raise ScenarioError(f"realisations are numbered from 0, got {number}", where=self.source)
        if max(self.seeds) >= REALISATION:
            raise ScenarioError(
                f"seed {max(self.seeds):,} is above {REALISATION - 1:,}: another realisation of the suite has that one",
                where=self.source,
            )
        seeds = tuple(seed + number * REALISATION for seed in self.seeds)
        return replace(self, seeds=seeds, digest=sha256([self.digest, number]))


def cases_digest(path: str | Path) -> str:
    """sha256 over every case of a suite: what stands in which split, each scenario as each of its seeds draws it.

    Comments and layout do not matter; every fault, magnitude, target, time and load does. A suite that something is
    to be judged on is fixed by writing this down before. Raises ScenarioError.
    """
    cases = []
    for suite in Suite.load_parts(path):
        for scenario in suite.scenarios:
            drawn = [draws.drawn(scenario.document.data, scenario.draws, seed) for seed in suite.seeds]
            cases.append([suite.part, suite.split, suite.seeds, scenario.document.data, drawn])
    return sha256(cases)


@dataclass(frozen=True)
class Study:
    """A search over a policy's settings on one suite."""

    source: str
    metadata: Metadata
    spec: StudySpec
    suite: Suite
    digest: str
    """sha256 of the study and its suite."""

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> Study:
        """The study in a file, or the shipped one of that name. Raises ScenarioError."""
        document = override(read(catalogue.find(path, "Study")), overrides)
        with located(document):
            expect_kind(document, "Study")
            study = validated(StudyDocument, document.data)
            file = _find(study.spec.suite, "Suite", document, ("spec", "suite"))
        suite = Suite.load(file)
        with located(document):
            if suite.split != "tuning":
                raise ScenarioError(
                    f"'{suite.metadata.name}' is kept for {suite.split}: a study sees the split tuning only",
                    ("spec", "suite"),
                )
        return cls(document.name, study.metadata, study.spec, suite, sha256([document.data, suite.digest]))


@dataclass(frozen=True)
class _Part:
    """What a suite says of one of its splits, or of itself without one."""

    name: Part | None
    files: tuple[Path, ...]
    seeds: tuple[int, ...]
    use: Split


def _read(path: str | Path, overrides: Sequence[str]) -> tuple[Document, list[_Part]]:
    document = override(read(catalogue.find(path, "Suite")), overrides)
    with located(document):
        expect_kind(document, "Suite")
        spec = validated(SuiteDocument, document.data).spec
        parts = []
        files: tuple[Path, ...] = ()
        if spec.scenarios is not None and spec.seeds is not None and spec.split is not None:
            files = _files(spec.scenarios, document, ("spec", "scenarios"))
            parts.append(_Part(None, files, _each_once(spec.seeds, ("spec", "seeds")), spec.split))
        for name, part in (spec.splits or {}).items():
            where = ("spec", "splits", name)
            if part.scenarios is None and not files:
                raise ScenarioError("missing key 'scenarios': the suite has none to take instead", where)
            own = files if part.scenarios is None else _files(part.scenarios, document, (*where, "scenarios"))
            parts.append(_Part(name, own, _each_once(part.seeds, (*where, "seeds")), USES[name]))
        _check_disjoint([part for part in parts if part.name is not None])
    return document, parts


def _files(names: Sequence[str], document: Document, path: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(_find(name, "Scenario", document, (*path, i)) for i, name in enumerate(names))


def _each_once(seeds: Seeds, path: tuple[str, ...]) -> tuple[int, ...]:
    found = seeds if isinstance(seeds, tuple) else seeds.seeds
    if not found or len(set(found)) < len(found):
        raise ScenarioError("expected at least one seed, each once", path)
    return found


def _check_disjoint(parts: Sequence[_Part]) -> None:
    """Refuse a case (scenario and seed) that stands in two splits: what is judged on it has seen it."""
    for i, part in enumerate(parts):
        for earlier in parts[:i]:
            both = set(part.seeds) & set(earlier.seeds)
            again = [file for file in part.files if file.resolve() in {f.resolve() for f in earlier.files}]
            if both and again:
                raise ScenarioError(
                    f"'{again[0].stem}' has seed {min(both)} in {earlier.name} as well: splits share no case",
                    ("spec", "splits", str(part.name), "seeds"),
                )


def _no_part(split: str | None, parts: Sequence[_Part]) -> str:
    known = ", ".join(part.name for part in parts if part.name is not None)
    if split is None:
        return f"the suite has splits only: choose one of {known}"
    return f"no split '{split}'" + (f": the suite has {known}" if known else ": the suite has none")


def _find(name: str, kind: str, document: Document, path: tuple[str | int, ...]) -> Path:
    try:
        return catalogue.find(name, kind, document.folder)
    except ScenarioError as error:
        raise ScenarioError(error.message, path) from None
