"""The way out of the twin: the export gate's evaluation, its attempts counted, a bundle written or refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import tracking
from experiments.comparison import verdict
from experiments.contenders import LADDER, training_record
from experiments.episode import EpisodeResult
from experiments.errors import UserError
from experiments.judging import evaluate_suite
from policies.actor import NetworkPolicy
from policies.bundle import BundleError, sha256
from policies.export import ExportRefused, export
from policies.gate import GateVerdict
from twin.scenario import Suite

ATTEMPTS = "gate.json"
"""Beside a policy: every attempt at the gate, so that trying often enough can be seen."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle, and what the gate said."""

    folder: Path
    verdict: GateVerdict | None
    attempts: int
    validated: bool
    run: str


def export_policy(
    policy: Path,
    folder: Path,
    *,
    suite: Suite | None,
    interpreter: Path | None = None,
    unvalidated: bool = False,
    seeds: int | None = None,
    workers: int = 1,
    seconds: float | None = None,
    parent: tracking.Run | None = None,
    command: Sequence[str] = (),
    on_case: Callable[[int, int, list[EpisodeResult]], None] = lambda done, total, results: None,
) -> Exported:
    """Judge a policy against the rule ladder on `validation` and write its bundle.

    Without a suite the gate is not tried, which only `unvalidated` allows.

    Raises ExportRefused with the failing numbers, UserError for a suite of another split, a missing policy,
    or a folder that is not empty.
    """
    try:
        network = NetworkPolicy.load(policy)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from None
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is not empty; choose another folder for the bundle with --out")
    record = training_record(policy)
    seen = _interpreter_of(record, interpreter)
    name = f"export {policy.name}"
    parameters = {"policy": policy, "interpreter": seen, "unvalidated": unvalidated}
    with tracking.run(name, "export", parameters=parameters, command=command, parent=parent) as run:
        judgement = None
        if suite is not None:
            judgement = _try_gate(policy, suite, seeds, workers, seconds, run, on_case)
        attempts = attempts_of(policy)
        run.log({"gate_attempts": attempts, "passed": float(judgement is not None and judgement.passed)})
        if judgement is not None:
            run.json(judgement.as_json(), "verdict.json")
        hashes = {"training suite": str(record.get("suite_digest", "unknown"))}
        hashes |= {f"scenario {n}": str(digest) for n, digest in dict(record.get("scenarios", {})).items()}
        if suite is not None:
            hashes["validation suite"] = suite.digest
        try:
            bundle = export(
                network,
                folder,
                verdict=judgement,
                gate_attempts=attempts,
                unvalidated=unvalidated,
                interpreter=seen,
                hashes=hashes,
                metadata={"training": {k: v for k, v in record.items() if k != "interpreter"}, "run": run.id},
            )
        except BundleError as error:
            raise UserError(str(error)) from None
        run.file(folder, "bundle")
        return Exported(folder, judgement, attempts, bundle.validated, run.id)


def _interpreter_of(record: dict[str, Any], given: Path | None) -> Path | None:
    """The interpreter that the policy was trained with and is judged with; `given` may only be a copy of it."""
    if not record.get("interpreter"):
        if given is not None:
            raise UserError(f"--interpreter {given}: the policy was trained without an interpreter and reads none")
        return None
    own = Path(record["interpreter"])
    if given is not None and given.resolve() != own.resolve() and _contents(given) != _contents(own):
        raise UserError(
            f"--interpreter {given}: is not the interpreter that the policy was trained with ({own}), "
            "and the gate would not have judged what the bundle holds"
        )
    return own


def _contents(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): sha256(p) for p in files}


def _try_gate(
    policy: Path,
    suite: Suite,
    seeds: int | None,
    workers: int,
    seconds: float | None,
    run: tracking.Run,
    on_case: Callable[[int, int, list[EpisodeResult]], None],
) -> GateVerdict:
    if suite.split != "validation":
        raise UserError(f"the suite '{suite.metadata.name}' is kept for {suite.split}: the gate asks validation only")
    attempt = {"suite": suite.metadata.name, "digest": suite.digest, "run": run.id}
    earlier = _attempts(policy)
    _note_attempts(policy, [*earlier, {**attempt, "passed": None}])  # counted even if it is broken off
    judged = evaluate_suite(
        suite,
        [str(policy)],
        baselines=(LADDER,),
        seeds=seeds,
        workers=workers,
        seconds=seconds,
        parent=run,
        on_case=on_case,
    )
    judgement = verdict(judged.evaluation.episodes, str(policy))
    _note_attempts(policy, [*earlier, {**attempt, **judgement.as_json()}])
    return judgement


def attempts_of(policy: Path) -> int:
    """How often the policy's training has tried the gate."""
    return len(_attempts(policy))


def _attempts(policy: Path) -> list[Any]:
    path = policy / ATTEMPTS
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def _note_attempts(policy: Path, attempts: list[Any]) -> None:
    path, temporary = policy / ATTEMPTS, policy / f".{ATTEMPTS}"
    temporary.write_text(json.dumps(attempts, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


__all__ = ["ExportRefused", "Exported", "attempts_of", "export_policy"]
