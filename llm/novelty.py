"""The unknown score: how little a window resembles what the interpreter was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHRINKAGE = 0.1
"""Share of the covariance that is replaced by its mean variance, so that few windows still give an invertible one."""
RARE = 0.95
"""A known window that is stranger than this share of held-out ones gets an unknown score of 0.5."""
MEDIAN_SCORE = 0.05
"""The unknown score of the median held-out window."""
OUTERMOST = 10.0
"""Standard deviations that a metric counts as out of range at most."""


@dataclass(frozen=True)
class Novelty:
    """A fitted score from three signals, each standardised by held-out windows and summed where above their median.

    Mahalanobis distance of the state to the nearest class (Lee et al. 2018, arXiv 1807.03888), energy of the type
    logits (Liu et al. 2020, arXiv 2010.03759), and what the network was never shown: lines without a template and
    metrics out of range.
    """

    centroids: Array
    """[K, D]."""
    precision: Array
    """[D, D]."""
    centre: Array
    scale: Array
    """[3] median and spread of the signals."""
    middle: float
    rare: float
    """The summed signal at the median and at `RARE`."""

    def signals(self, states: Array, logits: Array, strangeness: Array) -> Array:
        """[B, 3] from states [B, D], type logits [B, K] and strangeness [B], how much was never seen."""
        offsets = states[:, None] - self.centroids
        distance = np.sqrt(np.einsum("bki,ij,bkj->bk", offsets, self.precision, offsets).min(axis=1).clip(min=0.0))
        top = logits.max(axis=1, keepdims=True)
        energy = -(top[:, 0] + np.log(np.exp(logits - top).sum(axis=1)))
        return np.stack([distance, energy, np.log1p(strangeness)], axis=1)

    def total(self, signals: Array) -> Array:
        """[B] sum of the signals in units of their spread, each at least 0 and at most 10."""
        summed: Array = ((signals - self.centre) / self.scale).clip(0.0, 10.0).sum(axis=1)
        return summed

    def score(self, states: Array, logits: Array, strangeness: Array) -> Array:
        """[B] in [0, 1]."""
        total = self.total(self.signals(states, logits, strangeness))
        slope = np.log((1 - MEDIAN_SCORE) / MEDIAN_SCORE) / (self.rare - self.middle)
        score: Array = 1.0 / (1.0 + np.exp(-slope * (total - self.rare)))
        return score

    def tensors(self) -> dict[str, Array]:
        """Everything fitted, as arrays by name."""
        whole = {"centroids": self.centroids, "precision": self.precision, "centre": self.centre, "scale": self.scale}
        return {**whole, "quantiles": np.array([self.middle, self.rare])}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Array]) -> Novelty:
        """Restore from `tensors`. Raises KeyError where one is missing."""
        middle, rare = (float(value) for value in tensors["quantiles"])
        return cls(tensors["centroids"], tensors["precision"], tensors["centre"], tensors["scale"], middle, rare)


def fit_novelty(states: Array, classes: NDArray[np.int64], held_out: tuple[Array, Array, Array]) -> Novelty:
    """Fit on training states [B, D] and their classes; calibrate on held-out (states, logits, strangeness)."""
    names = np.unique(classes)
    centroids = np.stack([states[classes == name].mean(axis=0) for name in names])
    offsets = states - centroids[np.searchsorted(names, classes)]
    covariance = offsets.T @ offsets / max(1, len(states))
    spread = max(float(np.trace(covariance)) / len(covariance), 1e-6)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread * np.eye(len(covariance))
    raw = Novelty(centroids, np.linalg.inv(covariance), np.zeros(3), np.ones(3), 0.0, 1.0)
    signals = raw.signals(*held_out)
    centre = np.median(signals, axis=0)
    scale = np.maximum(np.quantile(signals, 0.9, axis=0) - centre, np.array([0.25, 0.25, 0.5]))
    fitted = Novelty(centroids, raw.precision, centre, scale, 0.0, 1.0)
    total = fitted.total(signals)
    middle, rare = float(np.median(total)), float(np.quantile(total, RARE))
    return Novelty(centroids, raw.precision, centre, scale, middle, max(rare, middle + 0.5))


def auroc(known: Array, unknown: Array) -> float | None:
    """Probability that an unknown window scores higher than a known one, ties counted half; None without both."""
    if not len(known) or not len(unknown):
        return None
    greater = (unknown[:, None] > known[None]).mean()
    return float(greater + 0.5 * (unknown[:, None] == known[None]).mean())
