"""Training an interpreter on a corpus of labelled windows, on one CPU thread or more, by a clock or by steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from llm.batch import Batch, collate
from llm.config import InterpreterConfig
from llm.dataset import HEALTHY, Corpus, Example
from llm.interpreter import TrainedInterpreter, strangeness
from llm.language import build_base, revision_of
from llm.modal.components import Sizes
from llm.network import Network, Output
from llm.novelty import Novelty, auroc, fit_novelty
from llm.warmup import Reconstruction

SMOOTHING = 0.05
"""Label smoothing of the fault type."""
OPENING = 0.05
"""Share of the training in which the learning rate rises; then it falls as a cosine to a twentieth."""
CLIP = 1.0
"""Largest norm of the gradient."""
FEWEST = 8
"""Held-out windows below which the unknown score is calibrated on all known windows."""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a training went. Accuracies are of held-out windows, None where there were none to judge by."""

    steps: int
    seconds: float
    stopped_by: Literal["clock", "steps"]
    training_windows: int
    held_out_windows: int
    unknown_windows: int
    loss: float
    type_accuracy: float | None
    root_cause_at_1: float | None
    """AC@1: share of held-out faults whose most probable root cause is one."""
    unknown_auroc: float | None

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def train(
    corpus: Corpus,
    config: InterpreterConfig,
    *,
    seed: int,
    seconds: float | None = None,
    steps: int | None = None,
    unknown_types: frozenset[str] = frozenset(),
    on_step: Callable[[int, dict[str, float]], None] = lambda step, losses: None,
) -> TrainedInterpreter:
    """Train until the clock or the number of steps runs out, whichever comes first.

    With `steps` alone the result depends on corpus, config and seed only. Windows of `unknown_types` are never
    trained on; they judge the unknown score. `on_step` is given the step and the losses. What the training reached
    is the interpreter's `report`. Raises ValueError where there is nothing to learn from, or no end.
    """
    if seconds is None and steps is None:
        raise ValueError("training needs an end: give seconds, steps or both")
    known = [i for i, example in enumerate(corpus.examples) if example.fault_type not in unknown_types]
    if len({corpus.examples[i].fault_type for i in known}) < 2:
        raise ValueError(f"training needs windows of 2 types or more, {HEALTHY!r} among them; got {len(known)} windows")
    began = time.monotonic()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _Training(corpus, config, known, seed).run(began, seconds, steps, on_step)


class _Training:
    """One training: its split, its network and its clock."""

    def __init__(self, corpus: Corpus, config: InterpreterConfig, known: Sequence[int], seed: int) -> None:
        self.config = config
        self.draws = np.random.default_rng(seed)
        kept = split([corpus.examples[i] for i in known], config.held_out, self.draws)
        learned = [i for i, out in zip(known, kept, strict=True) if not out]
        self.templates, examples = corpus.mined(learned, config.drain_depth, config.drain_similarity)
        self.training = [examples[i] for i in learned]
        self.held_out = [examples[i] for i, out in zip(known, kept, strict=True) if out]
        self.unknown = [examples[i] for i in sorted(set(range(len(examples))) - set(known))]
        self.types = [HEALTHY, *sorted({e.fault_type for e in self.training} - {HEALTHY})]
        self.vocabulary = corpus.vocabulary
        names = self.vocabulary
        self.sizes = Sizes(len(names.kinds), len(names.metrics), len(names.rules), len(self.templates))
        base = build_base(config)
        self.revision = revision_of(base, config)
        self.network = Network(base, self.sizes, len(self.types), config)
        self.network.encoder.fit([example.features for example in self.training])
        classes = np.array([self.types.index(e.fault_type) for e in self.training])
        frequency = np.bincount(classes, minlength=len(self.types))[classes]
        self.weight = frequency**-0.5 / (frequency**-0.5).sum()
        """Rare types are drawn more often, by the inverse root of their frequency."""

    def run(
        self,
        began: float,
        seconds: float | None,
        steps: int | None,
        on_step: Callable[[int, dict[str, float]], None],
    ) -> TrainedInterpreter:
        """Train from the monotonic moment `began` on."""

        def progress(step: int) -> float:
            by_steps = step / steps if steps else 0.0 if steps is None else 1.0
            by_clock = (time.monotonic() - began) / seconds if seconds else 0.0 if seconds is None else 1.0
            return max(by_steps, by_clock)

        step, loss = 0, float("nan")
        network, share = self.network.train(), self.config.warm_up
        if share:
            step = self._warm_up(share, progress, on_step)
        parameters = [p for p in network.parameters() if p.requires_grad]
        optimiser = self._optimiser(parameters)
        while (done := progress(step)) < 1.0:
            self._set_rate(optimiser, (done - share) / (1.0 - share))
            losses = self._losses(*self._draw())
            total = losses["type"] + losses["root_cause"]
            self._descend(optimiser, parameters, total)
            step, loss = step + 1, total.item()
            on_step(step, {name: value.item() for name, value in losses.items()} | {"loss": loss})
        stopped_by: Literal["clock", "steps"] = "steps" if steps is not None and step >= steps else "clock"
        return self._finish(step, time.monotonic() - began, stopped_by, loss)

    def _warm_up(
        self, share: float, progress: Callable[[int], float], on_step: Callable[[int, dict[str, float]], None]
    ) -> int:
        """Train encoders, and a tiny base, without labels; then freeze the base for good."""
        network, step = self.network, 0
        guess = Reconstruction(network.language.width, self.sizes.metrics, self.sizes.templates)
        base = network.language.base_parameters() if network.language.tiny else []
        for parameter in base:
            parameter.requires_grad_(True)
        parameters = [p for p in network.parameters() if p.requires_grad] + list(guess.parameters())
        optimiser = self._optimiser(parameters)
        while (done := progress(step)) < share:
            self._set_rate(optimiser, done / share)
            loss = guess.loss(network, self._draw()[0])
            self._descend(optimiser, parameters, loss)
            step += 1
            on_step(step, {"warm_up": loss.item()})
        for parameter in base:
            parameter.requires_grad_(False)
        return step

    def _optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.AdamW:
        return torch.optim.AdamW(parameters, lr=self.config.learning_rate, weight_decay=self.config.weight_decay)

    def _set_rate(self, optimiser: torch.optim.AdamW, done: float) -> None:
        fall = 0.05 + 0.95 * 0.5 * (1.0 + np.cos(np.pi * min(1.0, done)))
        for group in optimiser.param_groups:
            group["lr"] = self.config.learning_rate * min(1.0, max(0.02, done / OPENING)) * fall

    def _descend(self, optimiser: torch.optim.AdamW, parameters: list[nn.Parameter], loss: Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()

    def _draw(self) -> tuple[Batch, Tensor, Tensor]:
        """A batch of training windows with their components in random order, so that no position means anything."""
        chosen = self.draws.choice(len(self.training), size=min(self.config.batch, len(self.training)), p=self.weight)
        examples = [self.training[i] for i in chosen]
        orders = [self.draws.permutation(example.features.size) for example in examples]
        return self._tensors(examples, orders)

    def _tensors(
        self, examples: Sequence[Example], orders: Sequence[NDArray[np.int64]] | None = None
    ) -> tuple[Batch, Tensor, Tensor]:
        """The batch, its types [B] and its root causes [B, N], rows summing to 1, or to 0 where there are none."""
        batch = collate([example.features for example in examples], self.sizes.metrics, orders)
        types = torch.tensor([self.types.index(e.fault_type) if e.fault_type in self.types else 0 for e in examples])
        roots = torch.zeros(batch.mask.shape)
        for b, example in enumerate(examples):
            for cause in example.root_causes:
                roots[b, cause if orders is None else orders[b][cause]] = 1.0 / len(example.root_causes)
        return batch, types, roots

    def _losses(self, batch: Batch, types: Tensor, roots: Tensor) -> dict[str, Tensor]:
        output: Output = self.network(batch)
        of_type = nn.functional.cross_entropy(output.types, types, label_smoothing=SMOOTHING)
        log_roots = torch.log_softmax(output.roots, dim=1).masked_fill(~batch.mask, 0.0)
        of_root = -(roots * log_roots).sum() / roots.sum().clamp(min=1.0)
        return {"type": of_type, "root_cause": of_root}

    @torch.no_grad()
    def _judge(self, examples: Sequence[Example]) -> _Judged:
        """The network's outputs on examples, in the topology's order."""
        parts: list[tuple[NDArray[np.float64], ...]] = []
        hits: list[bool] = []
        for at in range(0, len(examples), self.config.batch):
            some = examples[at : at + self.config.batch]
            batch, _, roots = self._tensors(some)
            output: Output = self.network(batch)
            first = output.roots.argmax(dim=1)
            strange = strangeness(self.network, batch)
            parts.append((output.state.double().numpy(), output.types.double().numpy(), strange))
            hits += [bool(roots[b, first[b]] > 0) for b, e in enumerate(some) if e.root_causes]
        empty = (np.zeros((0, self.config.state_size)), np.zeros((0, len(self.types))), np.zeros(0))
        states, logits, strangenesses = (np.concatenate(column) for column in zip(*(parts or [empty]), strict=True))
        return _Judged(states, logits, strangenesses, hits)

    def _finish(
        self, steps: int, seconds: float, stopped_by: Literal["clock", "steps"], loss: float
    ) -> TrainedInterpreter:
        network = self.network.eval().requires_grad_(False)
        learned, held_out, unknown = (self._judge(part) for part in (self.training, self.held_out, self.unknown))
        classes = np.array([self.types.index(e.fault_type) for e in self.training])
        calibration = [held_out] if len(self.held_out) >= FEWEST else [held_out, learned]
        novelty = fit_novelty(
            learned.states,
            classes,
            (
                np.concatenate([part.states for part in calibration]),
                np.concatenate([part.logits for part in calibration]),
                np.concatenate([part.strange for part in calibration]),
            ),
        )
        guesses = held_out.logits.argmax(axis=1)
        right = [self.types[i] == e.fault_type for i, e in zip(guesses, self.held_out, strict=True)]
        report = TrainingReport(
            steps=steps,
            seconds=seconds,
            stopped_by=stopped_by,
            training_windows=len(self.training),
            held_out_windows=len(self.held_out),
            unknown_windows=len(self.unknown),
            loss=loss,
            type_accuracy=float(np.mean(right)) if right else None,
            root_cause_at_1=float(np.mean(held_out.hits)) if held_out.hits else None,
            unknown_auroc=auroc(held_out.scores(novelty), unknown.scores(novelty)),
        )
        return TrainedInterpreter(
            network=network,
            config=self.config,
            revision=self.revision,
            fault_types=tuple(self.types),
            vocabulary=self.vocabulary,
            templates=self.templates,
            novelty=novelty,
            report=report.to_json(),
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    states: NDArray[np.float64]
    logits: NDArray[np.float64]
    strange: NDArray[np.float64]
    hits: list[bool]
    """Of each window with a fault: whether the first root cause is one."""

    def scores(self, novelty: Novelty) -> NDArray[np.float64]:
        return novelty.score(self.states, self.logits, self.strange)


def split(examples: Sequence[Example], share: float, draws: np.random.Generator) -> list[bool]:
    """Which examples to hold out: whole runs, about `share` of each fault type, never a type's last run."""
    by_type: dict[str, list[str]] = {}
    for example in examples:
        runs = by_type.setdefault(example.fault_type, [])
        if example.run not in runs:
            runs.append(example.run)
    out: set[str] = set()
    for runs in sorted(by_type.values(), key=len):
        wanted = min(round(share * len(runs)), len(runs) - 1) - len(out.intersection(runs))
        for position in draws.permutation(len(runs)):
            run = runs[position]
            spare = all(set(others) - out - {run} for others in by_type.values() if run in others)
            if wanted > 0 and run not in out and spare:
                out.add(run)
                wanted -= 1
    return [example.run in out for example in examples]
