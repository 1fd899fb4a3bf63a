"""Observation and action spaces, the same for both twins and for an exported policy.

An observation is a pure function of a window and of which actions may be ordered: whatever can be read from an
exported telemetry folder can be observed, and nothing else.

    features [N, F] float32   last scraped value; counters as rate per second since the scrape before; 0 where absent
    present  [N, F] int8      1 where the last scrape had a value
    age      [N, F] float32   seconds since the value was scraped, at most AGE_LIMIT
    kind     [N]    int64     component kind, 1 + its position in KINDS; 0 is padding
    adjacent [N, N] int8      who calls or runs on whom, symmetric
    busy     [N]    int8      an action on it is in flight
    lines    [N, L] float32   log lines since the last decision, by level (DEBUG … CRITICAL)
    alarms   [N, 2] float32   alarms firing, by severity (warning, critical)
    mask_category [C], mask_target [C, N], mask_parameter [C, N, P] int8: what may be ordered now

N is padded to 16, 64 or 256. An action is `MultiDiscrete([C, N, P])`: category, target, parameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from twin.actions import CATEGORIES, PARAMETERS, Action
from twin.telemetry.features import FEATURES, IS_COUNTER, KINDS
from twin.telemetry.records import LEVELS
from twin.telemetry.window import Topology, Window

Observation = dict[str, NDArray[Any]]

BUCKETS = (16, 64, 256)
"""Padded numbers of components."""
AGE_LIMIT = 600.0
"""Seconds after which an older value counts as this old, and a value never scraped too."""
SEVERITIES = ("warning", "critical")

_LEVEL = {level.value: i for i, level in enumerate(LEVELS)}
_KIND = {kind: i + 1 for i, kind in enumerate(KINDS)}


def bucket(components: int) -> int:
    """The padded size for a number of components. Raises ValueError where none is large enough."""
    for size in BUCKETS:
        if components <= size:
            return size
    raise ValueError(f"{components} components: an observation holds at most {BUCKETS[-1]}")


def action_space(size: int) -> spaces.MultiDiscrete:
    """MultiDiscrete([C, N, P]) of N = `size` components."""
    return spaces.MultiDiscrete([len(CATEGORIES), size, len(PARAMETERS)])


def observation_space(size: int) -> spaces.Dict:
    """Of N = `size` components; see the module's docstring."""
    n, f, c, p = size, len(FEATURES), len(CATEGORIES), len(PARAMETERS)

    def real(*shape: int, low: float = -np.inf, high: float = np.inf) -> spaces.Box:
        return spaces.Box(low, high, shape, np.float32)

    def bits(*shape: int) -> spaces.Box:
        return spaces.Box(0, 1, shape, np.int8)

    return spaces.Dict(
        {
            "features": real(n, f),
            "present": bits(n, f),
            "age": real(n, f, low=0.0, high=AGE_LIMIT),
            "kind": spaces.Box(0, len(KINDS), (n,), np.int64),
            "adjacent": bits(n, n),
            "busy": bits(n),
            "lines": real(n, len(LEVELS), low=0.0),
            "alarms": real(n, len(SEVERITIES), low=0.0),
            "mask_category": bits(c),
            "mask_target": bits(c, n),
            "mask_parameter": bits(c, n, p),
        }
    )


@dataclass(frozen=True)
class Layout:
    """The shapes of one topology's spaces, and the parts of an observation that never change."""

    topology: Topology

    @cached_property
    def size(self) -> int:
        """N, the padded number of components."""
        return bucket(len(self.topology.components))

    @cached_property
    def action_space(self) -> spaces.MultiDiscrete:
        """MultiDiscrete([C, N, P])."""
        return action_space(self.size)

    @cached_property
    def observation_space(self) -> spaces.Dict:
        """See the module's docstring."""
        return observation_space(self.size)

    @cached_property
    def kind(self) -> NDArray[np.int64]:
        """[N] component kinds."""
        kind = np.zeros(self.size, np.int64)
        kind[: len(self.topology.components)] = [_KIND[node.kind] for node in self.topology.components]
        return kind

    @cached_property
    def adjacent(self) -> NDArray[np.int8]:
        """[N, N] calls and placements, symmetric."""
        index = self.topology.index
        pairs = [*self.topology.edges, *((n.name, n.place) for n in self.topology.components if n.place)]
        adjacent = np.zeros((self.size, self.size), np.int8)
        for a, b in pairs:
            adjacent[index[a], index[b]] = adjacent[index[b], index[a]] = 1
        return adjacent

    def decode(self, action: NDArray[np.int64]) -> Action:
        """The action of an action array [3]; padding decodes to an illegal target."""
        category, target, parameter = (int(part) for part in action)
        components = self.topology.components
        name = components[target].name if target < len(components) else ""
        return Action(CATEGORIES[category], name, PARAMETERS[parameter])

    def encode(self, action: Action) -> NDArray[np.int64]:
        """The action array [3] of an action."""
        target = self.topology.index.get(action.target, 0)
        return np.array([CATEGORIES.index(action.category), target, PARAMETERS.index(action.parameter)], np.int64)

    def masks(self, legal: NDArray[np.int8]) -> Observation:
        """The three masks from `legal` [C, number of components]. No-op is always legal, with target 0, parameter 0."""
        target = np.zeros((len(CATEGORIES), self.size), np.int8)
        target[:, : legal.shape[1]] = legal
        target[0] = 0
        target[0, 0] = 1
        parameter = np.repeat(target[:, :, None], len(PARAMETERS), axis=2)
        parameter[0, :, 1:] = 0
        return {"mask_category": target.max(axis=1), "mask_target": target, "mask_parameter": parameter}

    def observe(self, window: Window, since: float, legal: NDArray[np.int8], busy: NDArray[np.int8]) -> Observation:
        """The observation at the end of `window`. Lines are counted from second `since` on."""
        n = len(window.topology.components)
        features, present, age = self._scraped(window)
        lines = np.zeros((self.size, len(LEVELS)), np.float32)
        for (component, level), count in window.count_lines(since).items():
            lines[self.topology.index[component], _LEVEL[level]] = count
        alarms = np.zeros((self.size, len(SEVERITIES)), np.float32)
        for alarm in window.alarms:
            if alarm.resolved is None or alarm.resolved > window.end:
                alarms[self.topology.index[alarm.component], SEVERITIES.index(alarm.severity)] += 1
        padded_busy = np.zeros(self.size, np.int8)
        padded_busy[:n] = busy
        return {
            "features": features,
            "present": present,
            "age": age,
            "kind": self.kind.copy(),
            "adjacent": self.adjacent.copy(),
            "busy": padded_busy,
            "lines": lines,
            "alarms": alarms,
            **self.masks(legal),
        }

    def _scraped(self, window: Window) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32]]:
        n, f = len(window.topology.components), len(FEATURES)
        features = np.zeros((self.size, f), np.float32)
        present = np.zeros((self.size, f), np.int8)
        age = np.full((self.size, f), AGE_LIMIT, np.float32)
        times, values = window.scrape_times, window.metrics
        if len(times):
            known = ~np.isnan(values)
            last = values[:, :, -1].copy()
            if len(times) > 1:
                before = values[:, :, -2]
                # A counter below its last value was reset with its process: what it shows has come since.
                grown = np.where(last >= before, last - before, last) / np.float32(times[-1] - times[-2])
                last[:, IS_COUNTER] = np.where(np.isnan(before), 0.0, grown)[:, IS_COUNTER]
            else:
                last[:, IS_COUNTER] = 0.0
            present[:n] = known[:, :, -1]
            features[:n] = np.where(known[:, :, -1], np.nan_to_num(last), 0.0)
            newest = np.where(known, times[None, None, :], -np.inf).max(axis=2)
            age[:n] = np.minimum(window.end - newest, AGE_LIMIT)
        return features, present, age
