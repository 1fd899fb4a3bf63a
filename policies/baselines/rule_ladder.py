"""The rule ladder: what NVSentinel, gpud and an SRE's runbook do, as one table of rules with escalation.

Each rule looks for one symptom and names, from the mildest to the deepest, the actions for the component that shows it.
Whoever is treated is given time to come back before the next rung (a replica loads its weights for the better part of a
minute). A circuit breaker keeps what still serves from being taken down for another one's sake. Nothing here learns,
and nothing here reads more than an observation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from policies.baselines import gpu_rules, service_rules
from policies.baselines.ladder_parts import Case, LadderConfig, Rung
from policies.baselines.reading import Reading
from policies.baselines.watch import Rungs, Watch
from twin.mechanics.durations import SHED_FOR
from twin.spaces import Observation

Rule = Callable[[Watch, Reading], Rungs]
RULES: tuple[Rule, ...] = (
    gpu_rules.xid,
    service_rules.memory_low,
    service_rules.machine_away,
    service_rules.head,
    service_rules.down,
    service_rules.hung,
    service_rules.disk_full,
    service_rules.slow_database,
    service_rules.failing,
    service_rules.loaded,
    gpu_rules.throttled,
    gpu_rules.remapping,
    service_rules.misconfigured,
    gpu_rules.slow_card,
    service_rules.taken_back,
    service_rules.queue,
    gpu_rules.well_again,
)
"""In order of urgency."""

REPAIRS = ("reset-gpu", "reboot", "power-cycle", "replace")
"""What may mend the card for which a machine was drained."""


class RuleLadder:
    """Rules in order of urgency; at most one action a decision."""

    name = "rule-ladder"

    def __init__(self, config: LadderConfig | None = None, rules: tuple[Rule, ...] = RULES) -> None:
        self.config, self.rules = config or LadderConfig(), rules
        self.reset(0)

    def reset(self, seed: int) -> None:
        """A new episode; the ladder draws nothing, so the seed does not matter."""
        self._watch = Watch(self.config)

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """The first rule's action that is due, legal and let through by the circuit breaker; else no-op."""
        reading = Reading(observation)
        self._watch.remember(reading)
        for rule in self.rules:
            for key, rungs in rule(self._watch, reading):
                action = self._climb(reading, key, rungs)
                if action is not None:
                    return action
        return np.zeros(3, np.int64)

    def _climb(self, reading: Reading, key: tuple[str, int], rungs: list[Rung]) -> NDArray[np.int64] | None:
        memory = self._watch.memory
        case = memory.cases.setdefault(key, Case())
        if memory.now < case.until:
            return None
        for number in range(case.rung, len(rungs)):
            rung = rungs[number]
            if rung.disrupts is not None:
                relief = memory.now < memory.relieved_at + self.config.relief
                if (relief and not rung.urgent) or not self._may_disrupt(reading, rung.disrupts):
                    return None
            action = reading.order(rung.category, rung.target, rung.parameter)
            if action is None:
                if reading.busy(rung.target):
                    return None
                continue
            case.rung, case.until = number + 1, memory.now + rung.settle
            self._note(reading, rung, key)
            return action
        return None

    def _note(self, reading: Reading, rung: Rung, key: tuple[str, int]) -> None:
        """Remember what the action will do."""
        memory = self._watch.memory
        self._expect_silence(reading, rung)
        match rung.category:
            case "scale-out":
                memory.relieved_at = memory.now
            case "migrate" | "evacuate":
                if reading.kinds[rung.target] == "nova-compute":
                    memory.emptied.add(rung.target)
                else:
                    self._note_move(reading, rung.target)
            case "drain":
                memory.cordoned[rung.target] = key[1]
                memory.drained[rung.target] = memory.now
                for replica in self._watch.replicas_of(reading, rung.target):
                    self._note_move(reading, replica)
            case "uncordon":
                memory.cordoned.pop(rung.target, None)
                memory.cases.pop(key, None)
                memory.emptied.discard(key[1])
            case "shed-load":
                memory.limited_until = memory.now + SHED_FOR
            case category if category in REPAIRS:
                node = self._watch.node_of(reading, rung.target)
                if node is not None:
                    memory.repaired[node] = memory.now

    def _expect_silence(self, reading: Reading, rung: Rung) -> None:
        """Whoever is on the target goes down with it and needs its start-up."""
        memory = self._watch.memory
        kind = reading.kinds[rung.target]
        reached = [rung.target]
        if kind in ("gpu", "node"):
            reached += [
                i for i in reading.processes if rung.target in (memory.place.get(i), self._watch.node_of(reading, i))
            ]
        moves = rung.category in ("drain", "migrate")
        for i in reached:
            start = self.config.settle_move if moves else self._watch.settle(reading, i)
            memory.quiet[i] = memory.now + max(rung.settle, start)

    def _may_disrupt(self, reading: Reading, replica: int) -> bool:
        """The circuit breaker: what serves is not taken down while too little else does, or while others are away."""
        serving = self._watch.serving(reading)
        if replica not in serving:
            return True
        known = [r for r in reading.of_kind("vllm") if r in self._watch.memory.seen]
        if any(not reading.present[r] for r in known):
            return False
        return len(serving) - 1 >= self.config.least_serving * len(known)

    def _note_move(self, reading: Reading, replica: int) -> None:
        """The replica goes to an idle GPU; the first one, where there are several."""
        place = self._watch.memory.place
        self._watch.memory.moved.add(replica)
        old = place.get(replica)
        for gpu in reading.of_kind("gpu"):
            used = reading.value(gpu, "DCGM_FI_DEV_FB_USED")
            if gpu != old and used == 0.0 and self._watch.replica_on(reading, gpu) is None:
                for other in [r for r, g in place.items() if g == gpu]:
                    if old is not None:
                        place[other] = old
                place[replica] = gpu
                return
