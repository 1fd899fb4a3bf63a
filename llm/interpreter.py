"""The trained interpreter: a window in, a Diagnosis out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from llm.attribution import attribute
from llm.batch import Batch, collate
from llm.config import InterpreterConfig
from llm.diagnosis import Diagnosis, Evidence
from llm.features import COUNT, WindowFeatures, featurize
from llm.lines import LineReader
from llm.network import Network, Output
from llm.novelty import OUTERMOST, Novelty
from llm.templates import UNKNOWN, Templates
from llm.vocabulary import Vocabulary
from twin.telemetry.window import Window


@dataclass
class TrainedInterpreter:
    """Everything that training produced. It learns nothing more, whatever it reads."""

    network: Network
    config: InterpreterConfig
    revision: str | None
    """What pins the base: a hub commit or the hash of its weights."""
    fault_types: tuple[str, ...]
    """Known fault types, ``none`` first."""
    vocabulary: Vocabulary
    templates: Templates
    novelty: Novelty
    report: dict[str, Any]
    """How the training went: `TrainingReport` as plain data."""

    def __post_init__(self) -> None:
        self.network.eval().requires_grad_(False)
        self._reader = LineReader(self.templates.match)
        self.evidence = self.config.evidence
        """Pieces of evidence named at most. Set to 0 where only numbers are wanted: it is more than half the time."""

    @property
    def state_size(self) -> int:
        """The length of the state vector."""
        return self.config.state_size

    def featurize(self, window: Window) -> WindowFeatures:
        """The window as the network is given it."""
        return featurize(window, self._reader, self.vocabulary)

    def interpret(self, window: Window) -> Diagnosis:
        """Interpret one window; the topology is the window's. Raises ValueError where that lists no components."""
        names = [node.name for node in window.topology.components]
        if not names:
            raise ValueError("the window's topology lists no components")
        features = self.featurize(window)
        with torch.inference_mode():
            batch = collate([features], len(self.vocabulary.metrics))
            output: Output = self.network(batch)
            types = torch.softmax(output.types[0].double(), dim=0).tolist()
            roots = torch.softmax(output.roots[0].double(), dim=0).tolist()
            unknown = self.novelty.score(
                output.state.double().numpy(), output.types.double().numpy(), strangeness(self.network, batch)
            )
            evidence: tuple[Evidence, ...] = ()
            if self.evidence:
                metrics = tuple(self.vocabulary.metrics)
                evidence = attribute(
                    window, features, batch, output, self.network, self._reader, metrics, self.evidence
                )
        return Diagnosis(
            state=output.state[0].numpy().astype(np.float32),
            fault_types=dict(zip(self.fault_types, types, strict=True)),
            root_causes=dict(zip(names, roots, strict=True)),
            unknown=float(unknown[0]),
            evidence=evidence,
        )

    def states(self, windows: Sequence[WindowFeatures]) -> NDArray[np.float32]:
        """[B, D] state vectors of several windows at once."""
        with torch.no_grad():
            output: Output = self.network(collate(windows, len(self.vocabulary.metrics)))
        states: NDArray[np.float32] = output.state.numpy()
        return states

    def save(self, folder: Path) -> None:
        """Write it to a folder as safetensors and JSON."""
        from llm.storage import save

        save(self, folder)

    @classmethod
    def load(cls, folder: Path) -> TrainedInterpreter:
        """Read a saved interpreter. Raises `llm.storage.BundleError` where a file is missing or altered."""
        from llm.storage import load

        return load(folder)


@torch.no_grad()
def strangeness(network: Network, batch: Batch) -> NDArray[np.float64]:
    """[B] what was never seen in training: lines without a template, kinds without a name, metrics out of range."""
    count, size = batch.mask.shape
    lines = torch.zeros(count * size)
    lines.index_add_(0, batch.log_row, batch.log_values[:, COUNT] * (batch.log_template == UNKNOWN))
    known = batch.kinds * network.encoder.known_kinds[batch.kinds]
    total = lines.view(count, size).sum(dim=1) + ((known == 0) & batch.mask).sum(dim=1)
    if network.encoder.metrics is not None:
        total = total + network.encoder.metrics.outside(batch, known).clamp(max=OUTERMOST).sum(dim=(1, 2))
    strange: NDArray[np.float64] = total.double().numpy()
    return strange
