"""Distributions of times and sizes, sampled from keyed uniforms.

A variate takes `draw`, which maps 0, 1, 2, … to the uniforms in [0, 1) that belong to it: no state, so the same key
always gives the same variate. `residual` samples what is left of an interval at a moment that fell into it at random
(the equilibrium distribution of renewal theory: a length-biased interval, cut at a uniform place). A renewal process
whose first gap is a residual is stationary: its rate is 1 / mean from the very beginning, at any shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

Draw = Callable[[int], float]
"""The i-th uniform of one variate."""

_NORMAL = NormalDist()
_TINY = 2.0**-53


def normal(uniform: float) -> float:
    """The standard normal quantile at a uniform in [0, 1)."""
    return float(_NORMAL.inv_cdf(max(uniform, _TINY)))


def gamma(shape: float, draw: Draw) -> float:
    """A gamma variate of scale 1 (Marsaglia and Tsang, ACM TOMS 26(3), 2000; shapes below 1 by their boost)."""
    if shape < 1.0:
        return gamma(shape + 1.0, lambda i: draw(i + 1)) * float(max(draw(0), _TINY) ** (1.0 / shape))
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    i = 0
    while True:
        x = normal(draw(i))
        v = (1.0 + c * x) ** 3
        if v > 0 and math.log(max(draw(i + 1), _TINY)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v
        i += 2


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same value."""

    value: float

    @property
    def mean(self) -> float:
        return self.value

    def sample(self, draw: Draw) -> float:
        return self.value

    def residual(self, draw: Draw) -> float:
        return self.value * draw(0)


@dataclass(frozen=True, slots=True)
class Exponential:
    """No memory: the residual is distributed as the whole."""

    mean: float

    def sample(self, draw: Draw) -> float:
        return -self.mean * math.log1p(-draw(0))

    def residual(self, draw: Draw) -> float:
        return self.sample(draw)


@dataclass(frozen=True, slots=True)
class Weibull:
    """Shape below 1: the hazard falls with age, so that events come in clusters."""

    shape: float
    scale: float

    @property
    def mean(self) -> float:
        return self.scale * float(math.gamma(1.0 + 1.0 / self.shape))

    def sample(self, draw: Draw) -> float:
        return self.scale * float((-math.log1p(-draw(0))) ** (1.0 / self.shape))

    def residual(self, draw: Draw) -> float:
        # (X / scale) ** shape is Exp(1); biased by length it is Gamma(1 + 1 / shape).
        biased = gamma(1.0 + 1.0 / self.shape, lambda i: draw(i + 1)) ** (1.0 / self.shape)
        return draw(0) * self.scale * float(biased)

    @classmethod
    def of(cls, mean: float, cv: float) -> Weibull:
        """The Weibull distribution of that mean and coefficient of variation, by bisection on the shape."""
        low, high = 0.1, 50.0
        for _ in range(80):
            shape = math.sqrt(low * high)
            square = math.exp(math.lgamma(1 + 2 / shape) - 2 * math.lgamma(1 + 1 / shape)) - 1
            low, high = (shape, high) if square > cv * cv else (low, shape)
        return cls(low, mean / math.gamma(1.0 + 1.0 / low))


@dataclass(frozen=True, slots=True)
class Gamma:
    """Shape below 1: more variable than exponential."""

    shape: float
    scale: float

    @property
    def mean(self) -> float:
        return self.shape * self.scale

    def sample(self, draw: Draw) -> float:
        return self.scale * gamma(self.shape, draw)

    def residual(self, draw: Draw) -> float:
        return draw(0) * self.scale * gamma(self.shape + 1.0, lambda i: draw(i + 1))

    @classmethod
    def of(cls, mean: float, cv: float) -> Gamma:
        """The gamma distribution of that mean and coefficient of variation."""
        return cls(1.0 / (cv * cv), mean * cv * cv)


@dataclass(frozen=True, slots=True)
class Lognormal:
    """`sigma` is the standard deviation of the natural logarithm."""

    median: float
    sigma: float

    @property
    def mean(self) -> float:
        return self.median * math.exp(self.sigma**2 / 2.0)

    def sample(self, draw: Draw) -> float:
        return self.median * math.exp(self.sigma * normal(draw(0)))

    def residual(self, draw: Draw) -> float:
        biased = self.median * math.exp(self.sigma**2 + self.sigma * normal(draw(1)))
        return draw(0) * biased


Distribution = Constant | Exponential | Weibull | Gamma | Lognormal
"""Any of them: `mean`, `sample(draw)`, `residual(draw)`."""
