"""An observation read by names, as an operator reads a dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from policies.legality import PROCESSES
from twin.actions import CATEGORIES, PARAMETERS
from twin.spaces import Observation
from twin.telemetry.features import FEATURES, KINDS
from twin.telemetry.records import LEVELS

_COLUMN = {name: i for i, name in enumerate(FEATURES)}
_KIND_NAMES: tuple[str, ...] = ("", *KINDS)
_ERROR = [level.value for level in LEVELS].index("ERROR")


@dataclass(frozen=True)
class Reading:
    """One observation."""

    observation: Observation

    @cached_property
    def kinds(self) -> list[str]:
        """Kind of each component; empty for padding."""
        return [_KIND_NAMES[int(number)] for number in self.observation["kind"]]

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """[N] whether the component's exporter answered the last scrape."""
        return np.asarray(self.observation["present"].any(axis=1), np.bool_)

    def of_kind(self, kind: str) -> list[int]:
        """Positions of all components of a kind."""
        return [i for i, name in enumerate(self.kinds) if name == kind]

    @cached_property
    def processes(self) -> list[int]:
        """Positions of all components that are a running program."""
        return [i for i, name in enumerate(self.kinds) if name in PROCESSES]

    def value(self, i: int, feature: str) -> float | None:
        """A scraped value of a component (a counter's rate per second), or None where there is none."""
        column = _COLUMN.get(feature)
        if column is None or not self.observation["present"][i, column]:
            return None
        return float(self.observation["features"][i, column])

    def neighbour(self, i: int, kind: str) -> int | None:
        """The first neighbour of that kind: the GPU of a replica, the node of a GPU."""
        for j in np.flatnonzero(self.observation["adjacent"][i]):
            if self.kinds[int(j)] == kind:
                return int(j)
        return None

    def neighbours(self, i: int) -> list[int]:
        """Everything it calls, is called by, runs on or carries."""
        return [int(j) for j in np.flatnonzero(self.observation["adjacent"][i])]

    def busy(self, i: int) -> bool:
        """Whether an action on it is in flight."""
        return bool(self.observation["busy"][i])

    def errors(self, i: int) -> float:
        """Lines of level ERROR and above since the last decision."""
        return float(self.observation["lines"][i, _ERROR:].sum())

    def alarms(self, i: int) -> float:
        """Alarms firing on it."""
        return float(self.observation["alarms"][i].sum())

    def legal(self, category: str, target: int) -> bool:
        """Whether the action may be ordered now."""
        return bool(self.observation["mask_target"][CATEGORIES.index(category), target])

    def order(self, category: str, target: int, parameter: str) -> NDArray[np.int64] | None:
        """The action array, with another parameter where the one wished for is masked; None where it is not legal."""
        if not self.legal(category, target):
            return None
        c = CATEGORIES.index(category)
        allowed = self.observation["mask_parameter"][c, target]
        p = PARAMETERS.index(parameter)
        if not allowed[p]:
            if not allowed.any():
                return None
            p = int(np.flatnonzero(allowed)[0])
        return np.array([c, target, p], np.int64)
