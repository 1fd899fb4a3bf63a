"""How often hardware and software fail by themselves, for how long, and how unevenly.

Rates are of stationary renewal processes (`twin.mechanics.distributions`): the machines are in operation when the
scenario begins, so the first gap is what is left of one that began before. With shapes below 1, failures cluster: a
component that has just failed is the likeliest to fail again. Acceleration divides gaps and leaves durations alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, count

from twin.mechanics.distributions import Distribution, Lognormal, Weibull, gamma

HOUR, DAY = 3600.0, 86_400.0

GPU_HAZARDS: dict[str, float] = {
    "bus": 7.0,  # off the bus, or "faulty GPU" (148 of 419)
    "hbm": 3.4,  # uncorrectable memory errors (72)
    "sram": 0.9,  # uncorrectable SRAM errors (19)
    "gsp": 0.8,  # GPU System Processor (17)
    "nvlink": 0.75,  # 0.5 to 1
    "corruption": 0.3,  # silent data corruption (6)
    "thermal": 0.3,  # thermal interface and sensors (6)
    "software": 2.5,  # software bugs that end a process (54)
}
"""Failures per million GPU-hours, H100 class: the interruptions of Llama 3 405B's training by cause over 21.2 M
GPU-hours (arXiv 2407.21783), with the memory rates of NCSA Delta (arXiv 2503.11901)."""

GPU_SHAPE = 0.6
"""Weibull shape of the time between failures of one GPU (0.5 to 0.7 in failure logs of large systems)."""

LEMON_SHARE, LEMON_FACTORS = 0.01, (10.0, 20.0)
"""One node in a hundred fails 10 to 20 times as often ("lemon nodes", Meta RSC, arXiv 2410.21680)."""


@dataclass(frozen=True, slots=True)
class HazardClass:
    """One cause of failure in a fleet: its share of all failures, and how long a repair takes."""

    share: float
    repair: Lognormal
    """Seconds."""


GPU_REPAIR = Lognormal(45.0 * HOUR, 2.74)
"""Time to repair of the GPU class of InfiniteHBD's fleet: median 45 h; sigma is that of the logarithms."""

FLEET = Weibull(0.548, 0.344 * DAY)
FLEET_HOSTS = 400
"""Time between failures anywhere among 400 servers of 8 GPUs (InfiniteHBD's trace, days 0 to 208, Apache-2.0): the
fitted shape, at the scale that has the recorded mean of 0.588 d."""

FLEET_CLASSES: dict[str, HazardClass] = {
    "unknown": HazardClass(0.351, Lognormal(15.6 * HOUR, 2.33)),
    "gpu": HazardClass(0.207, GPU_REPAIR),
    "stress-test": HazardClass(0.172, Lognormal(16.6 * HOUR, 2.20)),
    "cable": HazardClass(0.092, Lognormal(41.7 * HOUR, 1.72)),
    "power-supply": HazardClass(0.060, Lognormal(367.0 * HOUR, 1.49)),
    "fan": HazardClass(0.049, Lognormal(234.0 * HOUR, 1.32)),
    "nic": HazardClass(0.046, Lognormal(72.0 * HOUR, 3.94)),
    "other": HazardClass(0.023, Lognormal(32.8 * HOUR, 1.19)),
}
"""Its causes: shares, median hours to repair, and the deviation of their logarithms. `unknown` and `stress-test` name
no mechanism."""

FLEET_FRAILTY, FLEET_RECURRENCE, FLEET_MEMORY = 2.5, 0.28, 12
"""Which server fails: one of the last 12 that did, with probability 0.28; otherwise any, weighted by a gamma frailty of
shape 2.5. Chosen so that of 400 servers, over 348 failures, 175 ever fail, 40 carry half of the failures, and 28 % come
within a week of the same server's last one, as in the trace."""

GRID5000_GAP = Weibull(0.48, 14.37 * HOUR)
GRID5000_DURATION = Weibull(0.35, 0.47 * HOUR)
"""Host failures of a Grid'5000 site (Failure Trace Archive, as in OpenDC's prefabricated model)."""


def gap_of(rate: float) -> Weibull:
    """Time between failures of one GPU, for a rate per million GPU-hours."""
    mean = 1e6 * HOUR / rate
    return Weibull(GPU_SHAPE, mean / Weibull(GPU_SHAPE, 1.0).mean)


def lemon_factor(uniform: float, share: float, factors: tuple[float, float]) -> float:
    """How many times as often as the mean of the fleet a node fails; the mean over nodes is 1."""
    low, high = factors
    mean = 1.0 - share + share * (low + high) / 2.0
    if uniform >= share:
        return 1.0 / mean
    return (low + (high - low) * uniform / share) / mean


def onsets(gap: Distribution, speed: float, draw: Callable[[int, int], float]) -> Iterator[float]:
    """The moments of a stationary renewal process that runs `speed` times as fast: endless, in seconds.

    `draw(n, i)` is the i-th uniform of the n-th gap.
    """
    if speed <= 0:
        return
    time = gap.residual(partial(draw, 0)) / speed
    for n in count(1):
        yield time
        time += gap.sample(partial(draw, n)) / speed


class Frailty:
    """Which of several hosts fails next: some are frailer, and one that has failed lately is likelier."""

    def __init__(self, weights: Sequence[float], recurrence: float = 0.0, memory: int = 1) -> None:
        self._cumulated = list(accumulate(weights))
        self._recurrence, self._memory = recurrence, memory
        self._last: list[int] = []

    def next(self, draw: Callable[[int], float]) -> int:
        """The index of the host that fails now. `draw` belongs to this failure."""
        if self._last and draw(0) < self._recurrence:
            host = self._last[-1 - int(draw(1) * len(self._last))]
        else:
            host = min(bisect_right(self._cumulated, draw(1) * self._cumulated[-1]), len(self._cumulated) - 1)
        self._last = [*self._last, host][-self._memory :]
        return host


def fleet_frailty(shape: float, draw: Callable[[int], float]) -> float:
    """The weight of one host, gamma distributed with mean 1."""
    return gamma(shape, draw) / shape


def pick(shares: Sequence[float], uniform: float) -> int:
    """The index of one of several, by share."""
    rest = uniform * sum(shares)
    for i, share in enumerate(shares):
        if rest < share:
            return i
        rest -= share
    return len(shares) - 1
