"""Who takes part in a comparison: the baselines by name, learnt policies and exported bundles by folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.episode import Wrap
from experiments.errors import UserError
from policies.baselines.noop import Noop
from policies.baselines.random_legal import RandomLegal
from policies.baselines.rule_ladder import RuleLadder
from policies.policy import Policy

if TYPE_CHECKING:
    from llm.interpreter import TrainedInterpreter

LADDER = "ladder"
BASELINES: dict[str, Callable[[], Policy]] = {"noop": Noop, "random": RandomLegal, LADDER: RuleLadder}
"""Baselines by the name that `--policy` takes."""
TRAINING = "training.json"
"""Beside a learnt policy: how it was trained, and the folder of its interpreter, if any."""


@dataclass(frozen=True)
class Contender:
    """A policy, and the wrapper through which it sees the environment."""

    name: str
    policy: Policy
    wrap: Wrap | None = None


@cache
def contender(specification: str) -> Contender:
    """The contender that `--policy` names: a baseline, the folder of a learnt policy, or that of a bundle.

    Raises UserError where it is none of them. Cached: a policy is reset at each episode.
    """
    if specification in BASELINES:
        return Contender(specification, BASELINES[specification]())
    folder = Path(specification)
    if not folder.is_dir():
        raise UserError(
            f"no policy '{specification}': give {', '.join(BASELINES)}, or the folder of a policy or bundle"
        )
    try:
        return _bundle(folder) if (folder / "policy.json").is_file() else _learnt(folder)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from None


def _learnt(folder: Path) -> Contender:
    from policies.actor import NetworkPolicy

    policy = NetworkPolicy.load(folder)
    described = training_record(folder).get("interpreter")
    return Contender(
        folder.name, policy, None if described is None else seeing_through(load_interpreter(Path(described)))
    )


def _bundle(folder: Path) -> Contender:
    from policies.bundle import BundlePolicy, open_bundle

    bundle = open_bundle(folder)
    wrap = None if bundle.interpreter is None else seeing_through(load_interpreter(bundle.interpreter))
    return Contender(folder.name, BundlePolicy(bundle), wrap)


def training_record(folder: Path) -> dict[str, Any]:
    """What `train policy` noted beside the policy; empty where there is nothing."""
    path = folder / TRAINING
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not JSON: {error.msg}") from None
    return dict(record)


def load_interpreter(folder: Path) -> TrainedInterpreter:
    """The interpreter in a folder. Raises UserError where there is none."""
    import torch

    from llm.interpreter import TrainedInterpreter

    torch.set_num_threads(1)
    try:
        return TrainedInterpreter.load(folder)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"no interpreter can be read from {folder}: {error}") from None


def seeing_through(interpreter: TrainedInterpreter) -> Wrap:
    """The wrapper that appends what the interpreter says to the observation."""
    from policies.perception import perceive

    return lambda env: perceive(env, interpreter)
