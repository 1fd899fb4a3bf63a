"""The same lives in the fast twin, many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.fidelity.life import Life
from experiments.fidelity.orders import order
from experiments.fidelity.policies import policy_of
from experiments.fidelity.trial import NOTHING, POLICY, Trial
from twin import fast
from twin.fast.finite import check
from twin.fast.twin import shared
from twin.scenario import Scenario
from twin.spaces import Layout
from twin.world import World

TICKS = 10
"""Ticks of a decision."""
LANES = 128
"""Lives at a time."""
Told = Callable[[int, int, object], None]


def lives(trials: Sequence[Trial], told: Told = lambda done, total, what: None) -> dict[Trial, Life]:
    """The lives of the trials that have their target. Raises NotCompiledError."""
    found: dict[Trial, Life] = {}
    for together in _together(trials).values():
        group = _Group(together)
        for part in group.parts():
            acted = group.under_policies if part[0].policy else group.under_orders
            found |= acted(part)
            told(len(found), len(trials), part[0].scenario)
    return found


def _together(trials: Sequence[Trial]) -> dict[Any, list[Trial]]:
    """Trials that one compilation can hold."""
    groups: dict[Any, list[Trial]] = defaultdict(list)
    keys: dict[tuple[str, bool], Any] = {}
    for trial in trials:
        name = trial.scenario, trial.faultless
        if name not in keys:
            world = World(_watched(trial), trial.seed)
            keys[name] = shared(world), world.spec.horizon
        groups[keys[name]].append(trial)
    return groups


def _watched(trial: Trial) -> Scenario:
    """The scenario with its telemetry, which costs the arrays little, whoever acts."""
    return replace(trial, doing=POLICY + NOTHING).load()


class _Group:
    """Trials of one shape, and the twin that holds their episodes."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.trials = trials
        self.scenarios: dict[tuple[str, bool], Scenario] = {}
        for trial in trials:
            if (trial.scenario, trial.faultless) not in self.scenarios:
                self.scenarios[trial.scenario, trial.faultless] = _watched(trial)
        self.cases = list(dict.fromkeys((trial.scenario, trial.faultless, trial.seed) for trial in trials))
        self.worlds = {case: World(self.scenarios[case[:2]], case[2]) for case in self.cases}
        self.twin = fast.compile_worlds(list(self.worlds.values()), TICKS)
        self.run = jax.jit(jax.vmap(self._whole))
        self.begin, self.go_on = jax.jit(jax.vmap(self.twin.begin)), jax.jit(jax.vmap(self.twin.go_on))
        spec = next(iter(self.worlds.values())).spec
        self.warm, self.interval = spec.control.warmup, spec.control.interval
        self.decisions = int((spec.horizon - self.warm) / self.interval)

    def parts(self) -> Iterator[list[Trial]]:
        """The trials, some at a time: those under policies and those under orders apart."""
        for acting in (False, True):
            chosen = [trial for trial in self.trials if (trial.policy is not None) == acting]
            for at in range(0, len(chosen), LANES):
                yield chosen[at : at + LANES]

    def under_orders(self, trials: Sequence[Trial]) -> dict[Trial, Life]:
        """One order each, or none."""
        actions = {trial: self._actions(trial) for trial in trials}
        there = [trial for trial, action in actions.items() if action is not None]
        if not there:
            return {}
        numbers, lucks = self._lanes(there)
        given = [actions[trial] for trial in there]
        padded = given + [np.zeros((self.decisions, 3), np.int32)] * (LANES - len(given))
        ordered = jnp.asarray(np.stack(padded))  # type: ignore[arg-type]
        told = jax.tree.map(np.asarray, self.run(numbers, ordered, lucks))
        check(self.twin, told, numbers, lucks, ordered)
        return {trial: self._life(told, i) for i, trial in enumerate(there)}

    def under_policies(self, trials: Sequence[Trial]) -> dict[Trial, Life]:
        """A policy in each."""
        policies = [policy_of(str(trial.policy)) for trial in trials]
        for trial, policy in zip(trials, policies, strict=True):
            policy.reset(trial.seed)
        numbers, lucks = self._lanes(trials)
        observed, lanes = self.begin(numbers, lucks)
        done: list[NDArray[np.int32]] = []
        rewards, violated = np.zeros(len(trials)), []
        losses = []
        for _ in range(self.decisions):
            seen = {name: np.asarray(values) for name, values in observed.items()}
            actions = np.zeros((LANES, 3), np.int32)
            for i, policy in enumerate(policies):
                actions[i] = policy.act({name: values[i] for name, values in seen.items()})
            observed, lanes, reward, _, info = self.go_on(lanes, jnp.asarray(actions))
            done.append(actions)
            check(self.twin, (observed, reward, info), numbers, lucks, np.stack(done, axis=1))
            rewards += np.asarray(reward, np.float64)[: len(trials)]
            losses.append(np.asarray(info["loss"]))
            violated.append(np.asarray(info["violated"]))
        loss, bad = np.stack(losses), np.stack(violated)
        return {
            trial: Life(
                tick=self.interval,
                loss=loss[:, i] / self.interval,
                violated=bad[:, i] > self.interval / 2,
                queue=np.zeros(0, np.float32),
                completed=float("nan"),
                cost=-float(rewards[i]) - float(loss[:, i].sum()),
            )
            for i, trial in enumerate(trials)
        }

    def _whole(self, number: jax.Array, actions: jax.Array, luck: jax.Array) -> fast.Tick:
        told = self.twin.whole(number, actions, luck)
        return replace(told, latency=told.latency.sum(axis=0), counts=())

    def _lanes(self, trials: Sequence[Trial]) -> tuple[jax.Array, jax.Array]:
        """Which episode each lane has, and its luck: a function of the seed, whatever is done."""
        cases = {case: i for i, case in enumerate(self.cases)}
        numbers = [cases[trial.scenario, trial.faultless, trial.seed] for trial in trials]
        seeds = [trial.seed for trial in trials] + [0] * (LANES - len(trials))
        padded = np.array(numbers + [0] * (LANES - len(trials)), np.int32)
        return jnp.asarray(padded), jax.vmap(jax.random.key)(jnp.asarray(seeds, jnp.uint32))

    def _actions(self, trial: Trial) -> NDArray[np.int32] | None:
        """[D, 3] the action of each decision; None where the order has no target."""
        actions = np.zeros((self.decisions, 3), np.int32)
        if trial.doing == NOTHING:
            return actions
        world = self.worlds[trial.scenario, trial.faultless, trial.seed]
        ordered = order(world, trial.doing)
        if ordered is None:
            return None
        actions[int((ordered.time - self.warm) / self.interval)] = Layout(world.topology).encode(ordered.action)
        return actions

    def _life(self, told: fast.Tick, i: int) -> Life:
        def of(field: jax.Array) -> NDArray[np.float32]:
            return np.asarray(field[i], np.float32)

        latency = np.asarray(told.latency[i], np.float64)
        return Life(
            tick=self.twin.tick_seconds,
            loss=of(told.loss),
            violated=of(told.violated).astype(bool),
            queue=of(told.queue),
            completed=float(of(told.completed).sum()),
            latency=dict(zip(self.twin.cluster.LATENCIES, latency, strict=True)),
        )
