"""Where runs are kept: the embedded MLflow store, found from any folder. Imports nothing heavy."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

PACKAGES = (
    "healtwin", "simpy", "gymnasium", "numpy", "pydantic", "torch", "transformers", "peft", "safetensors", "optuna",
    "mlflow", "onnxruntime",
)  # fmt: skip
"""Packages whose versions every run records."""

_SQLITE = "sqlite:///"
_PROJECT = re.compile(r'^name\s*=\s*"healtwin"', re.MULTILINE)


def checkout(start: Path) -> Path | None:
    """The healtwin checkout that `start` lies in, if any."""
    for folder in (start, *start.parents):
        project = folder / "pyproject.toml"
        if project.is_file() and _PROJECT.search(project.read_text(encoding="utf-8", errors="replace")):
            return folder
    return None


def home() -> Path:
    """The checkout around the current folder, else the one this package runs from, else a folder of the user's."""
    found = checkout(Path.cwd()) or checkout(Path(__file__).resolve().parent)
    return found or Path.home() / ".healtwin"


def store_folder() -> Path:
    """The folder of the local store: database and artifacts."""
    return home() / "mlflow" / "store"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, else the SQLite database of the local store. A SQLite path is made absolute."""
    given = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store_folder() / 'mlflow.db'}"
    if not given.startswith(_SQLITE):
        return given
    return _SQLITE + str(Path(given.removeprefix(_SQLITE)).absolute())


def artifact_root(uri: str) -> Path | None:
    """The folder beside a SQLite store in which its runs keep artifacts; None where a server decides."""
    return Path(uri.removeprefix(_SQLITE)).parent / "artifacts" if uri.startswith(_SQLITE) else None


def versions() -> dict[str, str]:
    """The versions of `PACKAGES`, of those that are installed."""
    installed = {name.lower(): v for name, v in _installed()}
    return {name: installed[name] for name in PACKAGES if name in installed}


def lock() -> str:
    """Every installed distribution as `name==version` lines."""
    return "".join(f"{name}=={v}\n" for name, v in sorted(set(_installed()), key=lambda pair: pair[0].lower()))


def _installed() -> list[tuple[str, str]]:
    return [(d.metadata["Name"], d.version) for d in distributions() if d.metadata["Name"]]


def commit() -> tuple[str, str] | None:
    """The git commit of the checkout the code runs from and the diff against it; None outside a checkout."""
    root = checkout(Path(__file__).resolve().parent)
    if root is None:
        return None
    head = _git(root, "rev-parse", "HEAD")
    return None if head is None else (head.strip(), _git(root, "diff", "HEAD") or "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
