"""Lives of the SimPy twin in a folder, so that nobody waits for the same one twice.

A life is filed under what it is a function of: the resolved scenario, its seed, what is done, and the sources of the
twin and of the policies. Another version of those finds nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from experiments.fidelity.life import Life
from experiments.fidelity.trial import Trial


def path_of(folder: Path, trial: Trial) -> Path:
    """Where the life of a trial is, or will be."""
    scenario = trial.load().resolve(trial.seed)
    about = json.dumps(
        [scenario.model_dump(mode="json"), trial.seed, trial.doing, trial.faultless, _sources()], sort_keys=True
    )
    return folder / f"{trial.scenario}-{trial.seed}-{hashlib.sha256(about.encode()).hexdigest()[:20]}.npz"


def write(path: Path, life: Life | None) -> None:
    """Keep a life, or that there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {} if life is None else {
        "tick": np.float64(life.tick),
        "loss": life.loss,
        "violated": life.violated,
        "queue": life.queue,
        "completed": np.float64(life.completed),
        "cost": np.float64(life.cost),
        **{f"latency {signal}": counts for signal, counts in life.latency.items()},
    }  # fmt: skip
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        np.savez_compressed(file, **fields)  # type: ignore[arg-type]
    beside.replace(path)


def read(path: Path) -> Life | None:
    """What `write` kept."""
    with np.load(path, allow_pickle=False) as fields:
        if "loss" not in fields:
            return None
        return Life(
            tick=float(fields["tick"]),
            loss=fields["loss"],
            violated=fields["violated"],
            queue=fields["queue"],
            completed=float(fields["completed"]),
            latency={name.removeprefix("latency "): fields[name] for name in fields if name.startswith("latency ")},
            cost=float(fields["cost"]),
        )


LEARNING = ("batch.py", "gae.py", "ppo.py", "rollout.py", "vector_rollout.py")
"""Modules of `policies` in which policies learn: what is changed there changes no life."""


@cache
def _sources() -> str:
    """A hash of the sources that a life depends on: both packages without the fast twin, and without learning."""
    digest, learning = hashlib.sha256(), {("policies", name) for name in LEARNING}
    for package in ("twin", "policies"):
        root = Path(str(resources.files(package)))
        for source in sorted(root.rglob("*.py")):
            if "fast" not in source.relative_to(root).parts and (package, source.name) not in learning:
                digest.update(source.read_bytes())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        if source.name in ("slow.py", "orders.py", "policies.py"):
            digest.update(source.read_bytes())
    return digest.hexdigest()
