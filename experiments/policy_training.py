"""From a suite to a policy: hierarchical PPO in the suite's episodes, checkpointed, tracked, resumable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from experiments import tracking
from experiments.contenders import TRAINING, load_interpreter, seeing_through
from experiments.episode import Wrap
from experiments.episodes import SuiteEnv
from experiments.errors import UserError
from policies.baselines.rule_ladder import RuleLadder
from policies.ppo import PpoConfig, TrainResult, train
from policies.rollout import MakeEnv, Source
from twin.scenario import Suite

DEFAULT = PpoConfig()
FAST = replace(DEFAULT, environments=64, rollout_steps=64, minibatches=8, epochs=2)
"""Where decisions cost less than learning from them: many at once, each learnt from less often. A rollout is longer
than an episode, since all environments begin together and a shorter one would see one phase of all episodes."""
Twin = Literal["simpy", "fast"]
OnUpdate = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class TrainedPolicy:
    """What a training of a policy left."""

    folder: Path
    steps: int
    updates: int
    stopped: str
    run: str


def configured(settings: Mapping[str, Any], base: PpoConfig | None = None) -> PpoConfig:
    """A configuration with some settings changed. Raises UserError for a setting that there is not, or a bad value."""
    known = {field.name for field in fields(PpoConfig)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise UserError(f"no PPO setting '{unknown[0]}' (known: {', '.join(sorted(known))})")
    try:
        return replace(base or PpoConfig(), **settings)
    except (TypeError, ValueError) as error:
        raise UserError(f"bad PPO setting: {error}") from None


def train_policy(
    suite: Suite,
    folder: Path,
    *,
    config: PpoConfig = DEFAULT,
    seed: int = 0,
    seconds: float | None = None,
    steps: int | None = None,
    interpreter: Path | None = None,
    twin: Twin = "simpy",
    resume: bool = False,
    parent: tracking.Run | None = None,
    on_update: OnUpdate = lambda steps, metrics: None,
) -> TrainedPolicy:
    """Train in episodes of a suite until `steps` environment steps or `seconds` of wall clock.

    The policy and its checkpoint go to `folder`. Of the wall clock, what it takes to make the environments counts.

    Raises UserError where the suite must not be learned from, no end is given, or the folder holds a
    checkpoint of another training.
    """
    if suite.split not in ("training", "tuning"):
        raise UserError(f"the suite '{suite.metadata.name}' is kept for {suite.split}: a policy learns from training")
    if seconds is None and steps is None:
        raise UserError("a policy's training needs an end: --seconds or --steps")
    if twin == "fast" and interpreter is not None:
        raise UserError(
            "an interpreter reads log lines, which the fast twin does not write: train it with --twin simpy"
        )
    name = suite.metadata.name
    parameters = {
        "suite": name, "suite_digest": suite.digest, "seed": seed, "seconds": seconds, "steps": steps, "twin": twin,
        "interpreter": interpreter, "resume": resume, **asdict(config),
    }  # fmt: skip
    with tracking.run(f"train policy on {name}", "train policy", parameters=parameters, parent=parent) as run:
        run.dataset(name, suite.digest, suite.split, {"scenarios": len(suite.scenarios), "seeds": len(suite.seeds)})

        def record(done: int, metrics: Mapping[str, float]) -> None:
            run.log(metrics, done)
            run.flush()
            on_update(done, metrics)

        result = trained(suite, folder, config, seed, seconds, steps, interpreter, twin, resume, record)
        note = {
            "suite": name,
            "suite_digest": suite.digest,
            "scenarios": {s.metadata.name: s.digest for s in suite.scenarios},
            "seed": seed,
            "steps": result.steps,
            "updates": result.updates,
            "twin": twin,
            "interpreter": None if interpreter is None else str(interpreter.resolve()),
            "config": asdict(config),
            "run": run.id,
        }
        result.policy.save(folder)
        (folder / TRAINING).write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
        run.log({"updates": result.updates}, result.steps)
        run.file(folder, "policy")
        run.command(_arguments(suite, config, seed, result.steps, interpreter, twin))
        return TrainedPolicy(folder, result.steps, result.updates, result.stopped, run.id)


def trained(
    suite: Suite,
    folder: Path,
    config: PpoConfig,
    seed: int,
    seconds: float | None,
    steps: int | None,
    interpreter: Path | None,
    twin: Twin,
    resume: bool,
    on_update: Callable[[int, dict[str, float]], None],
) -> TrainResult:
    """The training itself, untracked."""
    began = time.monotonic()
    wrap: Wrap | None = None if interpreter is None else seeing_through(load_interpreter(interpreter))
    teacher = RuleLadder if config.imitation_updates else None
    environments: MakeEnv | Source
    if twin == "fast":
        from experiments.fast_episodes import fast_seats

        environments = fast_seats(suite, config.environments, seed, teacher)
    else:
        environments = lambda index: SuiteEnv(suite, wrap)  # noqa: E731
    left = None if seconds is None else max(0.0, seconds - (time.monotonic() - began))
    try:
        return train(
            config,
            environments,
            folder=folder,
            seed=seed,
            total_steps=steps,
            seconds=left,
            resume=resume,
            on_update=on_update,
            teacher=teacher,
        )
    except ValueError as error:
        if "checkpoint" in str(error):
            raise UserError(str(error)) from None
        raise


def _arguments(
    suite: Suite, config: PpoConfig, seed: int, steps: int, interpreter: Path | None, twin: Twin
) -> list[str]:
    """The command that trains this again, by steps instead of the clock."""
    arguments = ["train", "policy", "--suite", suite.source, "--seed", str(seed), "--steps", str(steps)]
    if interpreter is not None:
        arguments += ["--interpreter", str(interpreter.resolve())]
    if twin == "fast":
        arguments += ["--twin", "fast"]
    base = asdict(FAST if twin == "fast" else DEFAULT)
    changed = {k: v for k, v in asdict(config).items() if v != base[k]}
    return arguments + [part for k, v in changed.items() for part in ("--ppo", f"{k}={json.dumps(v)}")]
