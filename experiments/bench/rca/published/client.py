"""Asks workers in the published methods' environment: a question a line, an answer a line.

A method that raises, takes too long or takes its process down has failed the case; the next question gets a new worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

LIMIT = 600.0
"""Seconds that a method may take for a case."""
LAST = 300
"""Characters of what a worker printed last that are told when it dies."""
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "PYTHONHASHSEED": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONNOUSERSITE": "1",
}
"""One thread, no window, no GPU (as RCAEval's main.py), and sets of names in the same order every time."""
START = "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_module('worker', run_name='__main__')"


class MethodError(RuntimeError):
    """A method that gave no ranking, and what it said."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method said of a case."""

    ranks: tuple[str, ...]
    """Services, the most suspicious first."""
    seconds: float
    """Its own, without starting the worker or reading the case."""
    note: str = ""
    """What was done to the case so that it could run."""


def command(python: Path) -> list[str]:
    """The command of a worker in the environment with this interpreter."""
    return [str(python.absolute()), "-c", START, str(Path(__file__).parent)]


class Workers:
    """As many workers as there are threads that ask; ends them when it is closed."""

    def __init__(self, command: Sequence[str], limit: float = LIMIT) -> None:
        self._command, self._limit = tuple(command), limit
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def rank(self, method: str, case: Path, seed: int = 0) -> list[str]:
        """The ranking of the case in a folder. Raises MethodError where there is none."""
        return list(self.ask(method, case, seed).ranks)

    def ask(self, method: str, case: Path, seed: int = 0) -> Answer:
        """The ranking of the case in a folder, and how it came. Raises MethodError where there is none."""
        worker = self._free()
        try:
            said = worker.ask({"method": method, "case": str(case.resolve()), "seed": seed}, self._limit)
        except BaseException:
            worker.end()
            raise
        finally:
            with self._lock:
                self._busy.discard(worker)
                if worker.alive:
                    self._idle.append(worker)
        if said["error"]:
            raise MethodError(said["error"])
        return Answer(tuple(said["ranks"]), float(said["seconds"]), said["note"])

    def close(self) -> None:
        """End every worker."""
        with self._lock:
            workers = [*self._idle, *self._busy]
            self._idle.clear()
        for worker in workers:
            worker.end()

    def _free(self) -> _Worker:
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    break
                worker.end()
            else:
                worker = _Worker(self._command)
            self._busy.add(worker)
            return worker


class _Worker:
    """A process that answers."""

    def __init__(self, command: Sequence[str]) -> None:
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="healtwin-rca-"))
            self._printed = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=inherited | SETTINGS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                text=True,
                encoding="utf-8",
            )
            self._open = stack.pop_all()

    @property
    def alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def ask(self, question: dict[str, Any], limit: float) -> dict[str, Any]:
        """The answer. Raises MethodError where it takes longer than the limit, or there comes none."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._printed.seek(0)
        self._printed.truncate()
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if late.is_set():
            raise MethodError(f"took longer than {limit:g} s")
        if not line.endswith("\n"):
            code = self._process.wait()
            raise MethodError(f"its process ended ({_how(code)}): {self._last_words()}")
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict) or not {"ranks", "seconds", "error", "note"} <= said.keys():
            raise MethodError(f"its process answered something else: {line.strip()[:LAST]}")
        return said

    def end(self) -> None:
        """Kill it, if it still runs, and leave nothing behind."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._open.close()

    def _last_words(self) -> str:
        self._printed.seek(0)
        return " ".join(self._printed.read()[-LAST:].split()) or "it printed nothing"


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
