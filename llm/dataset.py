"""Labelled windows, turned into arrays as they come, so that no world has to be kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from llm.features import WindowFeatures, featurize, renumber
from llm.lines import LineReader
from llm.templates import Templates
from llm.vocabulary import Vocabulary, declared_counters
from twin.telemetry.window import Window

HEALTHY = "none"
"""The fault type of a window in which nothing is broken."""


@dataclass(frozen=True)
class LabelledWindow:
    """A window and its truth. The truth is known to whoever ran the world and is no part of the window."""

    window: Window
    fault_type: str
    """A fault's type, or ``none``."""
    root_causes: tuple[str, ...]
    """Names of the components that carry the fault; empty for ``none``."""
    run: str = ""
    """Which run the window was cut from: windows of one run are never split between training and held-out."""


@dataclass(frozen=True)
class Example:
    """A labelled window as arrays. Its log rows hold message numbers of the corpus, not yet template ids."""

    features: WindowFeatures
    fault_type: str
    root_causes: tuple[int, ...]
    """Positions of the root causes among the components."""
    run: str


@dataclass
class Corpus:
    """Examples, and the names and messages that occur in them.

    Template ids are given when the corpus is complete (`mined`): a message met early is then read with the same
    table as one met later.
    """

    vocabulary: Vocabulary = field(default_factory=lambda: Vocabulary(declared_counters()))
    examples: list[Example] = field(default_factory=list)
    messages: dict[str, int] = field(default_factory=lambda: {"": 0})
    """Masked message -> number, in the order of first appearance."""

    def __post_init__(self) -> None:
        self._reader = LineReader(lambda message: self.messages.setdefault(message, len(self.messages)))

    def __len__(self) -> int:
        return len(self.examples)

    def add(self, labelled: LabelledWindow) -> Example:
        """Add a window. Raises ValueError where a root cause is no component, or a fault has none."""
        index = labelled.window.topology.index
        if not index:
            raise ValueError("the window's topology lists no components")
        strangers = [name for name in labelled.root_causes if name not in index]
        if strangers:
            raise ValueError(f"root cause {strangers[0]!r} is not in the window's topology")
        if (labelled.fault_type == HEALTHY) == bool(labelled.root_causes):
            label = f"{labelled.fault_type!r} with root causes {labelled.root_causes}"
            raise ValueError(f"a fault has root causes and {HEALTHY!r} has none, got {label}")
        self.vocabulary.learn(labelled.window)
        features = featurize(labelled.window, self._reader, self.vocabulary)
        causes = tuple(index[name] for name in labelled.root_causes)
        example = Example(features, labelled.fault_type, causes, labelled.run or f"window {len(self.examples)}")
        self.examples.append(example)
        return example

    def mined(
        self, chosen: Sequence[int] | None = None, depth: int = 4, similarity: float = 0.4
    ) -> tuple[Templates, list[Example]]:
        """Mine templates from the messages of the chosen examples (all by default), and read all examples by them."""
        examples = self.examples if chosen is None else [self.examples[i] for i in chosen]
        used = {int(message) for example in examples for message in example.features.log_index[:, 1]}
        table = Templates(depth, similarity)
        for message, number in self.messages.items():
            if message and number in used:
                table.add(message)
        return table, self.read_by(table)

    def read_by(self, table: Templates) -> list[Example]:
        """The examples with the ids of an existing table."""
        ids = np.array([table.match(message) if message else 0 for message in self.messages], dtype=np.int64)
        return self.renumbered(self.examples, ids)

    @staticmethod
    def renumbered(examples: Sequence[Example], ids: NDArray[np.int64]) -> list[Example]:
        """Examples whose log rows hold `ids[message]`."""
        return [Example(renumber(e.features, ids), e.fault_type, e.root_causes, e.run) for e in examples]

    def save(self, folder: Path) -> None:
        """Write the corpus as `corpus.json` and `corpus.safetensors`; the folder is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{i}.{name}": np.ascontiguousarray(array)
            for i, example in enumerate(self.examples)
            for name, array in example.features.arrays().items()
        }
        save_file(tensors, folder / "corpus.safetensors")
        labels = [{"fault_type": e.fault_type, "root_causes": e.root_causes, "run": e.run} for e in self.examples]
        data = {"vocabulary": self.vocabulary.to_json(), "messages": list(self.messages), "labels": labels}
        (folder / "corpus.json").write_text(json.dumps(data), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Corpus:
        """Read a saved corpus. Raises FileNotFoundError where there is none."""
        data = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "corpus.safetensors")
        names = [f.name for f in fields(WindowFeatures)]
        examples = [
            Example(
                WindowFeatures(**{name: tensors[f"{i}.{name}"] for name in names}),
                label["fault_type"],
                tuple(label["root_causes"]),
                label["run"],
            )
            for i, label in enumerate(data["labels"])
        ]
        messages = {message: i for i, message in enumerate(data["messages"])}
        return cls(Vocabulary.from_json(data["vocabulary"]), examples, messages)
