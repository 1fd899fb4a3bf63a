"""An exported bundle, read and run by itself: no torch, no twin world, only the graph and its description."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.decision import LogProbs, Mode, decide
from twin.spaces import Observation
from twin.streams import Streams

MANIFEST, GRAPH, INTERPRETER = "policy.json", "policy.onnx", "interpreter"
FORMAT = 1
"""Version of the bundle's layout."""


class BundleError(ValueError):
    """A bundle that cannot be used; the message says what is wrong with which file."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk."""

    folder: Path
    manifest: dict[str, Any]
    """policy.json."""

    @property
    def interpreter(self) -> Path | None:
        """The folder of its interpreter, where it has one."""
        return self.folder / INTERPRETER if self.manifest["interpreter"] else None

    @property
    def validated(self) -> bool:
        """Whether it passed the export gate."""
        return bool(self.manifest["validated"])


def open_bundle(folder: Path) -> Bundle:
    """Read a bundle and check every file against its sha256.

    Raises BundleError where policy.json is missing or of another version, or a file is missing or was changed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise BundleError(f"{folder / MANIFEST} has format {manifest['format']}; this version reads {FORMAT}")
        missing = [key for key in ("name", "decision", "inputs", "interpreter", "validated") if key not in manifest]
        if missing:
            raise BundleError(f"{folder / MANIFEST} is not a bundle's description: it lacks {', '.join(missing)}")
        parts = {GRAPH, *(p.relative_to(folder).as_posix() for p in (folder / INTERPRETER).rglob("*") if p.is_file())}
        unlisted = sorted(parts - set(manifest["sha256"]))
        if unlisted:
            raise BundleError(f"{folder / unlisted[0]} was not exported with the bundle: {MANIFEST} does not list it")
        for name, expected in manifest["sha256"].items():
            if sha256(folder / name) != expected:
                raise BundleError(f"{folder / name} is not the file that was exported: its sha256 differs")
    except OSError as error:
        raise BundleError(f"{folder} is not a complete bundle: {error.filename}: {error.strerror}") from None
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise BundleError(f"{folder / MANIFEST} is not a bundle's description: {error!r}") from None
    return Bundle(folder, manifest)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def session(path: Path) -> Any:
    """An onnxruntime session on one CPU thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class BundlePolicy:
    """The policy of a bundle. Decides as the trained network did."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.name = str(bundle.manifest["name"])
        self.mode: Mode = bundle.manifest["decision"]
        self._inputs = [str(name) for name in bundle.manifest["inputs"]]
        self._session = session(bundle.folder / GRAPH)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """A new episode begins."""
        self._stream = Streams(seed)["policy/decisions"]
        self._decisions = 0

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """The action [3], legal by the observation's masks."""
        return self.decide(observation)[0]

    def decide(self, observation: Observation) -> tuple[NDArray[np.int64], LogProbs, float]:
        """The action, the log-probabilities that it comes from, and the value (seconds of outage to come, scaled)."""
        feeds = {name: np.asarray(observation[name])[None] for name in self._inputs}
        category, target, parameter, value = self._session.run(None, feeds)
        log_probs = LogProbs(category[0], target[0], parameter[0])
        action = decide(log_probs, self.mode, self._stream, self._decisions)
        self._decisions += 1
        return action, log_probs, float(value[0])
