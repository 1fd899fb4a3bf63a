"""Service-level objectives: how many requests meet them, when the service is in violation, how long until recovery.

Live values: only the reward, the truth and reports read them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

RECOVERY_SECONDS = 60.0
"""A service has recovered with the first this many seconds in a row that meet the SLO (DESIGN, terms)."""


@dataclass(frozen=True, slots=True)
class Objective:
    """At least `share` of all requests must do `signal` within `limit` seconds (None: at all)."""

    signal: str
    share: float
    limit: float | None


class _Tally:
    """Good and bad requests of one objective, and those whose verdict is still open, oldest first."""

    def __init__(self, objective: Objective, window: int) -> None:
        self.objective = objective
        self.open: dict[Hashable, float] = {}
        self.good = self.bad = 0
        self.standing = (0, 0)
        """Good and bad that are counted every second until said otherwise."""
        self.window: deque[tuple[int, int]] = deque(maxlen=window)

    def expire(self, now: float) -> None:
        if self.objective.limit is None:
            return
        late = []
        for key, opened in self.open.items():  # insertion order is the order of arrival
            if opened + self.objective.limit >= now:
                break
            late.append(key)
        for key in late:
            del self.open[key]
        self.bad += len(late)

    def close_second(self) -> tuple[float, bool]:
        """The bad share of the second that ended, and whether the trailing window violates the objective."""
        self.good += self.standing[0]
        self.bad += self.standing[1]
        loss = self.bad / (self.good + self.bad) if self.good + self.bad else 0.0
        self.window.append((self.good, self.bad))
        self.good = self.bad = 0
        good = sum(g for g, _ in self.window)
        bad = sum(b for _, b in self.window)
        # An epsilon for shares such as 1 - 0.99, which is not 0.01.
        return loss, bad > (1.0 - self.objective.share + 1e-9) * (good + bad)


class SloMeter:
    """Counts requests against every objective, second by second.

    A request is judged once per objective: good when the signal came in time, bad at the moment it can no longer be.
    The SLO is in violation in a second when the trailing `window` seconds hold a larger bad share than an objective
    allows. The loss of a second is the largest bad share over the objectives, in [0, 1].
    """

    def __init__(self, objectives: Sequence[Objective], window: float) -> None:
        self.objectives = tuple(objectives)
        self._tallies = {o.signal: _Tally(o, max(1, round(window))) for o in objectives}
        self.loss: list[float] = []
        """Loss of each second."""
        self.violated: list[bool] = []
        """Whether the SLO was in violation at the end of each second."""

    def opened(self, signal: str, key: Hashable, now: float) -> None:
        """A request that must show `signal` has arrived."""
        tally = self._tallies.get(signal)
        if tally is not None:
            tally.open[key] = now

    def met(self, signal: str, key: Hashable, now: float) -> None:
        """The signal came; late ones have been or are now counted as bad."""
        tally = self._tallies.get(signal)
        if tally is None:
            return
        opened = tally.open.pop(key, None)
        if opened is not None:
            if tally.objective.limit is None or now - opened <= tally.objective.limit:
                tally.good += 1
            else:
                tally.bad += 1

    def failed(self, signal: str, key: Hashable) -> None:
        """The signal will never come."""
        tally = self._tallies.get(signal)
        if tally is not None and tally.open.pop(key, None) is not None:
            tally.bad += 1

    def standing(self, signal: str, good: int, bad: int) -> None:
        """From now on so many are well and so many are not: counted every second, like a request each."""
        tally = self._tallies.get(signal)
        if tally is not None:
            tally.standing = (good, bad)

    def close_second(self, now: float) -> None:
        """Close the books of the second that ends at `now`."""
        worst, violated = 0.0, False
        for tally in self._tallies.values():
            tally.expire(now)
            loss, breach = tally.close_second()
            worst, violated = max(worst, loss), violated or breach
        self.loss.append(worst)
        self.violated.append(violated)

    def loss_between(self, start: float, end: float) -> float:
        """Integral of the loss over (start, end], in seconds."""
        return sum(self.loss[int(start) : int(end)])

    def violation_seconds(self, start: float, end: float) -> float:
        """Seconds in violation in (start, end]."""
        return float(sum(self.violated[int(start) : int(end)]))


@dataclass(frozen=True, slots=True)
class Recovery:
    """How a violation went: when it began, how long until recovery, and whether the horizon cut that short."""

    first_violation: float | None
    seconds: float | None
    censored: bool


def recovery(violated: Sequence[bool], start: float, end: float) -> Recovery:
    """Recovery time within (start, end]: first violation to the start of the first 60 s with the SLO met."""
    first = next((t for t in range(int(start), int(end)) if violated[t]), None)
    if first is None:
        return Recovery(None, None, False)
    calm = 0
    for t in range(first, int(end)):
        calm = 0 if violated[t] else calm + 1
        if calm >= RECOVERY_SECONDS:
            return Recovery(float(first), float(t + 1 - calm - first), False)
    return Recovery(float(first), float(end - first), True)
