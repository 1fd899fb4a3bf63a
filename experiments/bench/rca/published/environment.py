"""The environment of the published methods: their packages want other versions than this project's."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from experiments.errors import UserError

DEFAULT = Path(".venv-rca")
"""Where it is made unless told otherwise."""
CONSTRAINTS = Path(__file__).parents[4] / "constraints"
REQUIREMENTS, METHODS = CONSTRAINTS / "rca.txt", CONSTRAINTS / "rca-methods.txt"
"""What the packages need, pinned; the packages themselves, which are installed without what they ask for."""
PYTHONS = ((3, 11), (3, 12))
"""Versions that all the pins have wheels for."""
READY = ".ready"
"""Left in the environment when all is in it: a digest of what was asked for."""

Told = Callable[[int, int, object], None]


def interpreter(folder: Path) -> Path:
    """The Python of an environment. Raises UserError where there is none, or only a part of one."""
    python = folder / "bin" / "python"
    if not python.exists() or not (folder / READY).is_file():
        raise UserError(f"{folder} is no environment of the published methods; make one: healtwin rca environment")
    return python


def create(folder: Path, told: Told = lambda done, total, what: None, python: str = sys.executable) -> Path:
    """Make the environment, or bring one up to date, and return its interpreter.

    `told` hears (packages, of how many, the package). Raises UserError with what pip said where that fails; a second
    call goes on from there.
    """
    if not REQUIREMENTS.is_file():
        raise UserError(f"{REQUIREMENTS} is not there: run this from a checkout of the repository")
    if folder.exists() and not (folder / "pyvenv.cfg").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is no Python environment; name another folder with --out")
    digest = sha256(REQUIREMENTS.read_bytes() + METHODS.read_bytes()).hexdigest()
    ready, inside = folder / READY, folder / "bin" / "python"
    if ready.is_file() and ready.read_text().strip() == digest and inside.exists():
        return inside
    _check_version(python)
    total = sum(len(_packages(path)) for path in (REQUIREMENTS, METHODS))
    told(0, total, "venv")
    _run([python, "-m", "venv", str(folder)], lambda line: None, "make the environment")
    ready.unlink(missing_ok=True)
    seen: set[str] = set()

    def hear(line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            seen.add(line.split(": ")[-1].removeprefix("Collecting ").split()[0])
            told(min(len(seen), total), total, line)

    pip = [str(inside), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "-r", str(REQUIREMENTS)], hear, f"install {REQUIREMENTS.name}")
    _run([*pip, "--no-deps", "-r", str(METHODS)], hear, f"install {METHODS.name}")
    names = "RCAEval.io.time_series, pyrca.analyzers.rcd, baro.root_cause_analysis, torch, tigramite.pcmci"
    _run([str(inside), "-c", f"import {names}"], lambda line: None, "import what was installed")
    ready.write_text(digest + "\n")
    told(total, total, "ready")
    return inside


def _packages(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _check_version(python: str) -> None:
    ask = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"cannot run {python}: {error}; name a Python with --python") from None
    version = tuple(map(int, said.split()))
    if version not in PYTHONS:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        found = ".".join(map(str, version))
        raise UserError(f"{python} is {found}, the published methods need Python {wanted}; name one with --python")


def _run(command: Sequence[str], hear: Callable[[str], None], what: str) -> None:
    """Run a command, each line of its output heard. Raises UserError with the last of them where it fails."""
    last: deque[str] = deque(maxlen=4)
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise UserError(f"cannot {what}: {command[0]}: {error.strerror}") from None
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            hear(line.strip())
            if line.strip():
                last.append(line.strip())
    if process.returncode:
        raise UserError(
            f"cannot {what}: {' | '.join(last)}. Check that pip reaches a package index (pip config list) and "
            "that there are 3 GB of disk, then run it again: what is there is kept"
        )
