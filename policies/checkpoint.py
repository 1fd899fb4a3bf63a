"""Checkpoints of a training: one safetensors file, tensors plus JSON in its header, replaced atomically.

Whoever is killed while writing leaves the checkpoint before, whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

FILE = "checkpoint.safetensors"


def write(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write `folder`/checkpoint.safetensors; returns its path. `state` must be JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    data = save({k: v.detach().contiguous() for k, v in tensors.items()}, {"state": json.dumps(state)})
    path, temporary = folder / FILE, folder / f".{FILE}.{os.getpid()}"
    replace(temporary, path, data)
    return path


def replace(temporary: Path, path: Path, data: bytes) -> None:
    """Write `data` to `temporary` and move it to `path`, durable before it is visible."""
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and state of the checkpoint in `folder`, or None where there is none.

    Raises ValueError where the file is not a checkpoint.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["state"])
    except (SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a checkpoint of a training ({error}): delete it to begin anew") from None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as flat tensors ``optimizer.<parameter>.<name>``."""
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{name}": value for i, values in state.items() for name, value in values.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        prefix, _, rest = key.partition(".")
        if prefix == "optimizer":
            index, name = rest.split(".")
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
