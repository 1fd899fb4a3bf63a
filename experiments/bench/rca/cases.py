"""The cases of a data set: where they lie, and what would have been the right answer.

A data set is a folder of cases named `<service>_<fault>/<N>`, as RCAEval's are. One that `healtwin rca dataset` wrote
has a manifest beside them; others are read without.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.bench.rca.scores import Asked
from experiments.errors import UserError
from llm.ranking.case import INJECTED, Case, CaseError

MANIFEST, CASES, TRUTH = "dataset.json", "cases.jsonl", "truth.json"
"""What the data set is, its cases as they came, and, in a case's folder, what was done to it."""


KEYS: dict[str, type | tuple[type, ...]] = {
    "suite": str,
    "digest": str,
    "split": (str, type(None)),
    "profile": str,
    "realisation": int,
}
"""What of a manifest is read here."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One case of a data set."""

    name: str
    """`<service>_<fault>/<N>`: its folder within the data set."""
    folder: Path
    fault: str
    """The kind of fault, which results are grouped by."""
    scenario: str
    seed: int
    tags: tuple[str, ...] = ()
    """Other groups that results are told apart by."""


@dataclass(frozen=True)
class DataSet:
    """Cases that were made together."""

    folder: Path
    manifest: dict[str, Any]
    """Suite, split, realisation, profile, versions; empty where the data set is not ours."""
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """What results are filed under."""
        return str(self.manifest.get("suite", self.folder.resolve().name))

    @property
    def digest(self) -> str:
        """What the data set was made from; of another's, where it lies."""
        return str(self.manifest.get("digest", self.folder.resolve()))

    @property
    def split(self) -> str:
        """Which split of its suite it is; empty for a suite without one."""
        return str(self.manifest.get("split") or "")

    @property
    def profile(self) -> str:
        """What its cases show; where the data set is not ours: what the study's do."""
        return str(self.manifest.get("profile") or "paper")

    @property
    def realisation(self) -> int:
        """Which data set of its suite it is."""
        return int(self.manifest.get("realisation", 0))


def read_dataset(folder: Path) -> DataSet:
    """The cases under a folder. Raises UserError where there are none, for a part of a data set, and for what says of
    itself that it is a data set and does not say which."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; `healtwin rca dataset SUITE --out DIR` makes a data set")
    if (folder / MANIFEST).exists():
        said, entries = _manifest(folder / MANIFEST), _listed(folder)
    else:
        whole = next((above for above in folder.resolve().parents[:2] if (above / CASES).is_file()), None)
        if whole is not None and (whole / MANIFEST).is_file():
            raise UserError(f"{folder} is a part of the data set {whole}; name that")
        said, entries = {}, _found(folder)
    if not entries:
        raise UserError(
            f"{folder} holds no cases; a case is a folder <service>_<fault>/<N> with data.csv and {INJECTED}. "
            "`healtwin rca dataset SUITE --out DIR` makes some"
        )
    return DataSet(folder, said, tuple(sorted(entries, key=lambda entry: entry.name)))


def _manifest(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(said, dict):
            raise ValueError("no object")
        wrong = next((key for key, kind in KEYS.items() if not isinstance(said.get(key, ...), kind)), None)
        if wrong is not None:
            raise ValueError(f"its '{wrong}' is {json.dumps(said[wrong])}" if wrong in said else f"has no '{wrong}'")
    except ValueError as error:
        raise UserError(f"{path}: not the manifest of a data set ({error}); make the data set again") from None
    return said


def _listed(folder: Path) -> list[Entry]:
    list_ = folder / CASES
    try:
        rows = read_rows(list_)
    except ValueError as error:
        raise UserError(f"{list_}: {error}; make the data set again") from None
    if not rows:
        raise UserError(f"{list_} names no cases; make the data set again")
    entries = []
    for number, row in enumerate(rows, 1):
        try:
            entries.append(_entry(folder, row))
        except (KeyError, TypeError, ValueError):
            keys = "case, fault, scenario, seed and tags"
            raise UserError(f"{list_}: its case {number} does not say {keys}; make the data set again") from None
    return entries


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines; a last line that was cut off is left out. Raises ValueError."""
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object")
        rows.append(row)
    return rows


def _entry(folder: Path, row: dict[str, Any]) -> Entry:
    name, tags = str(row["case"]), tuple(map(str, row["tags"]))
    return Entry(name, folder / name, str(row["fault"]), str(row["scenario"]), int(row["seed"]), tags)


def _found(folder: Path) -> list[Entry]:
    entries: list[Entry] = []
    for file in sorted(folder.glob(f"**/{INJECTED}")):
        kind = file.parent.parent.name
        fault = kind.partition("_")[2]
        if not fault:
            why = "cases lie in <service>_<fault>/<N>, so that the answer is known; move it there"
            raise UserError(f"{file.parent}: {why}")
        name = str(file.parent.relative_to(folder))
        entries.append(Entry(name, file.parent, fault, kind, len(entries)))
    return entries


def answers(entry: Entry) -> tuple[str, ...]:
    """The root causes among the services. Raises CaseError where the case does not say."""
    file = entry.folder / TRUTH
    if not file.is_file():
        return (Path(entry.name).parent.name.partition("_")[0],)
    try:
        truth = json.loads(file.read_text(encoding="utf-8"))
        found = truth.get("services") if isinstance(truth, dict) else None
        if not isinstance(found, list) or not found or not all(isinstance(name, str) for name in found):
            raise ValueError("no list of names 'services'")
    except ValueError as error:
        raise CaseError(f"{file}: does not say what the root cause was ({error})") from None
    return tuple(found)


def asked(entry: Entry, case: Case, realisation: int) -> Asked:
    """The question that a case is. Raises CaseError where its answer is none of the candidates."""
    right = answers(entry)
    unknown = [name for name in right if name not in case.components]
    if unknown:
        raise CaseError(f"{entry.folder}: its root cause '{unknown[0]}' has no metric, line or span")
    return Asked(
        name=f"{realisation}/{entry.name}",
        fault=entry.fault,
        answers=right,
        candidates=case.components,
        scenario=entry.scenario,
        seed=entry.seed,
        realisation=realisation,
        tags=entry.tags,
    )
