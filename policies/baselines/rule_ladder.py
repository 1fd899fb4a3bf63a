"""The rule ladder: what NVSentinel, gpud and an SRE's runbook do, as one table of rules with escalation.

Each rule looks for one symptom and names, from the mildest to the deepest, the actions for the component that shows it.
Whoever is treated is given time to come back before the next rung (a replica loads its weights for the better part of a
minute). A circuit breaker keeps what still serves from being taken down for another one's sake. Nothing here learns,
and nothing here reads more than an observation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from policies.baselines.ladder_parts import Case, LadderConfig, Memory, Rung
from policies.baselines.reading import Reading
from policies.baselines.xid import REBOOTS_BEFORE_SERVICE, XidAction, immediate
from twin.spaces import Observation

OWN = "process_resident_memory_bytes"
"""What the client library of a Prometheus exporter says about its own process."""


Rungs = Iterator[tuple[tuple[str, int], list[Rung]]]
"""What a rule yields: the case (symptom, component), and the rungs of its ladder."""


class RuleLadder:
    """Rules in order of urgency; at most one action a decision."""

    name = "rule-ladder"

    def __init__(self, config: LadderConfig | None = None) -> None:
        self.config = config or LadderConfig()
        self.reset(0)

    def reset(self, seed: int) -> None:
        """A new episode; the ladder draws nothing, so the seed does not matter."""
        self._memory = Memory()
        self._first = True

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """The first rule's action that is due, legal and let through by the circuit breaker; else no-op."""
        reading = Reading(observation)
        self._remember(reading)
        for rule in (
            self._xid,
            self._memory_low,
            self._down,
            self._slow_database,
            self._loaded,
            self._throttled,
            self._queue,
        ):
            for key, rungs in rule(reading):
                action = self._climb(reading, key, rungs)
                if action is not None:
                    return action
        return np.zeros(3, np.int64)

    # --- memory -----------------------------------------------------------------------------------------------

    def _remember(self, reading: Reading) -> None:
        memory = self._memory
        if not self._first:
            memory.now += self.config.interval
        self._first = False
        for i in reading.processes:
            if self._answers(reading, i):
                memory.seen.add(i)
                memory.down_since.pop(i, None)
                memory.looping.discard(i)
                memory.up_since.setdefault(i, memory.now)
            elif i in memory.seen:
                if i not in memory.down_since:
                    memory.down_since[i] = memory.now
                elif self._complaint(reading, i):
                    memory.looping.add(i)
                memory.up_since.pop(i, None)
        for replica in reading.of_kind("vllm"):
            gpu = reading.neighbour(replica, "gpu")
            if gpu is not None:
                memory.place.setdefault(replica, gpu)
        # A component that has been well for a while begins at the first rung again.
        for (symptom, i), case in list(memory.cases.items()):
            well = i in memory.up_since and memory.now - memory.up_since[i] > 2 * self.config.settle
            if symptom == "down" and well and memory.now > case.until:
                del memory.cases[(symptom, i)]

    def _answers(self, reading: Reading, i: int) -> bool:
        """Whether the process itself is there; what others say about it (HAProxy, nova's agents) stays without it."""
        if reading.value(i, OWN) is not None:
            self._memory.own.add(i)
            return True
        return i not in self._memory.own and bool(reading.present[i])

    def _complaint(self, reading: Reading, i: int) -> bool:
        """An error on the machine of a dead process, after its first death: the supervisor is backing off."""
        node = self._node_of(reading, i)
        return reading.errors(i) > 0 or (node is not None and reading.errors(node) > 0)

    def _node_of(self, reading: Reading, i: int) -> int | None:
        if reading.kinds[i] == "node":
            return i
        if reading.kinds[i] == "vllm":
            gpu = self._memory.place.get(i)
            return None if gpu is None else reading.neighbour(gpu, "node")
        return reading.neighbour(i, "node")

    def _replica_on(self, reading: Reading, gpu: int) -> int | None:
        """The replica on a GPU, as far as we know."""
        return next((r for r, g in self._memory.place.items() if g == gpu and r in self._memory.seen), None)

    def _serving(self, reading: Reading) -> list[int]:
        return [r for r in reading.of_kind("vllm") if reading.present[r] and not reading.busy(r)]

    # --- climbing ---------------------------------------------------------------------------------------------

    def _climb(self, reading: Reading, key: tuple[str, int], rungs: list[Rung]) -> NDArray[np.int64] | None:
        memory = self._memory
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
            self._expect_silence(reading, rung)
            if rung.category == "scale-out":
                memory.relieved_at = memory.now
            if rung.category == "migrate":
                self._note_migration(reading, rung.target)
            return action
        return None

    def _expect_silence(self, reading: Reading, rung: Rung) -> None:
        """Whoever is on the target goes down with it and needs its start-up."""
        kind = reading.kinds[rung.target]
        reached = [rung.target]
        if kind in ("gpu", "node"):
            reached += [
                i for i in reading.processes if rung.target in (self._memory.place.get(i), self._node_of(reading, i))
            ]
        for i in reached:
            self._memory.quiet[i] = self._memory.now + max(rung.settle, self._settle(reading, i))

    def _settle(self, reading: Reading, i: int) -> float:
        return self.config.settle_replica if reading.kinds[i] == "vllm" else self.config.settle

    def _may_disrupt(self, reading: Reading, replica: int) -> bool:
        """The circuit breaker: what serves is not taken down while too little else does, or while others are away."""
        serving = self._serving(reading)
        if replica not in serving:
            return True
        known = [r for r in reading.of_kind("vllm") if r in self._memory.seen]
        if any(not reading.present[r] for r in known):
            return False
        return len(serving) - 1 >= self.config.least_serving * len(known)

    def _note_migration(self, reading: Reading, replica: int) -> None:
        """The replica goes to an idle GPU; the first one, where there are several."""
        place = self._memory.place
        old = place.get(replica)
        for gpu in reading.of_kind("gpu"):
            used = reading.value(gpu, "DCGM_FI_DEV_FB_USED")
            if gpu != old and used == 0.0 and self._replica_on(reading, gpu) is None:
                for other in [r for r, g in place.items() if g == gpu]:
                    if old is not None:
                        place[other] = old
                place[replica] = gpu
                return

    # --- rules: each yields (case, rungs) ----------------------------------------------------------------------

    def _xid(self, reading: Reading) -> Rungs:
        """NVIDIA's catalogue; a replica is taken off a bad GPU first where there is another place for it."""
        memory, config = self._memory, self.config
        for gpu in reading.of_kind("gpu"):
            shown = reading.value(gpu, "DCGM_FI_DEV_XID_ERRORS")
            if shown is None:
                continue
            xid = int(shown)
            if memory.xid.get(gpu, 0) != xid:
                memory.cases.pop(("xid", gpu), None)
                memory.cases.pop(("service", gpu), None)
            memory.xid[gpu] = xid
            if xid == 0 or immediate(xid) is XidAction.IGNORE:
                continue
            replica, node = self._replica_on(reading, gpu), reading.neighbour(gpu, "node")
            down = replica is not None and not reading.present[replica]
            how = "immediate" if down else "gentle"
            serving = None if down else replica
            if immediate(xid) is XidAction.RESTART_APP:
                if replica is not None:
                    yield ("xid", gpu), [Rung("restart", replica, how, config.settle_replica, serving)]
                continue
            rungs = []
            if immediate(xid) is XidAction.RESET_GPU:
                rungs.append(Rung("reset-gpu", gpu, how, config.settle_replica, serving))
            if replica is not None:
                yield ("xid", gpu), [*rungs, Rung("migrate", replica, how, 0.0, serving)]
            if node is not None:
                reboot = Rung("reboot", node, "immediate", config.settle_reboot, serving)
                first = [] if replica is not None else rungs
                yield ("service", gpu), [*first, *[reboot] * REBOOTS_BEFORE_SERVICE]

    def _down(self, reading: Reading) -> Rungs:
        """A process that was there and does not come back: a restart is what its supervisor tries, so begin above."""
        memory, config = self._memory, self.config
        for i, since in sorted(memory.down_since.items(), key=lambda item: item[1]):
            replica = reading.kinds[i] == "vllm"
            node = self._node_of(reading, i)
            if node is not None and (not reading.present[node] or reading.busy(node)):
                continue  # the machine is away: its residents come back with it
            if node is not None and memory.starved.get(node, -1e9) > memory.now - 60.0:
                continue  # the machine is what is ill
            patience = config.patience_replica if replica else config.patience
            if memory.now < memory.quiet.get(i, 0.0) or reading.busy(i):
                continue
            if memory.now - since < patience and i not in memory.looping:
                continue
            settle = self._settle(reading, i)
            rungs = [Rung("recreate", i, "immediate", settle)]
            if replica:
                rungs.append(Rung("migrate", i, "immediate", settle))
            if node is not None:
                rungs.append(Rung("reboot", node, "immediate", config.settle_reboot))
            yield ("down", i), rungs

    def _slow_database(self, reading: Reading) -> Rungs:
        """Statements pile up in MySQL: a restart ends the sessions that hold locks."""
        config = self.config
        for i in reading.of_kind("mysql"):
            threads = self._last(reading, i, "mysql_global_status_threads_running", config.database_decisions)
            if len(threads) == config.database_decisions and np.mean(threads) > config.database_threads:
                yield ("database", i), [Rung("restart", i, "immediate", 2 * config.settle)] * 2

    def _memory_low(self, reading: Reading) -> Rungs:
        """A node runs out of memory. Replicas are replaced before it is rebooted; a compute host is rebooted at once.

        A node that carries services but neither replicas nor guests is left alone: a reboot would take all down.
        """
        config = self.config
        for node in reading.of_kind("node"):
            available = self._last(reading, node, "node_memory_MemAvailable_bytes", 4)
            if not self._runs_out(reading, node, available) or reading.busy(node):
                continue
            self._memory.starved[node] = self._memory.now
            reboot = Rung("reboot", node, "immediate", config.settle_reboot)
            replicas = [
                r for r in reading.of_kind("vllm") if self._node_of(reading, r) == node and r in self._memory.seen
            ]
            if replicas:
                disrupts = Rung("reboot", node, "immediate", config.settle_reboot, replicas[0])
                yield ("memory", node), [*self._relief(reading), disrupts]
            elif any(reading.kinds[i] == "nova-compute" for i in reading.neighbours(node)):
                yield ("memory", node), [reboot]

    def _loaded(self, reading: Reading) -> Rungs:
        """Foreign threads take a replica's cores: a new container, then another place."""
        config = self.config
        for replica in reading.of_kind("vllm"):
            node = self._node_of(reading, replica)
            if node is None or not reading.present[replica]:
                continue
            if self._lasts("loaded", replica, self._overloaded(reading, node), config.sustained):
                yield (
                    ("loaded", replica),
                    [
                        Rung("recreate", replica, "immediate", config.settle_replica, replica, urgent=True),
                        Rung("migrate", replica, "immediate", config.settle_replica, replica, urgent=True),
                        Rung("reboot", node, "immediate", config.settle_reboot, replica),
                    ],
                )

    def _throttled(self, reading: Reading) -> Rungs:
        """A GPU is kept below its clocks: one more replica first, then a reset, then another place."""
        config = self.config
        for replica, gpu in list(self._memory.place.items()):
            if not reading.present[replica]:
                continue
            violation = reading.value(gpu, "DCGM_FI_DEV_POWER_VIOLATION")
            holds = violation is not None and violation > config.throttled
            decisions = config.sustained if self._suffers(reading, replica) else config.throttled_decisions
            if self._lasts("throttled", gpu, holds, decisions):
                yield (
                    ("throttled", gpu),
                    [
                        *self._relief(reading),
                        Rung("reset-gpu", gpu, "gentle", config.settle_replica, replica),
                        Rung("migrate", replica, "gentle", config.settle_replica, replica),
                    ],
                )

    def _queue(self, reading: Reading) -> Rungs:
        """Requests suffer and there is nothing else to do about it: one more replica."""
        replicas = [r for r in reading.of_kind("vllm") if r in self._memory.seen]
        missing = any(not reading.present[r] for r in replicas)
        for head in reading.of_kind("ray-head"):
            queued = (reading.value(head, "ray_serve_deployment_queued_queries") or 0.0) > 0
            suffers = queued or any(self._suffers(reading, r) for r in replicas)
            if self._lasts("queue", head, suffers, 1 if missing else self.config.queue_decisions):
                yield ("queue", head), self._relief(reading) * 4

    def _relief(self, reading: Reading) -> list[Rung]:
        """One more replica, where there is room for it."""
        return [Rung("scale-out", head, "immediate", self.config.relief) for head in reading.of_kind("ray-head")]

    # --- symptoms ---------------------------------------------------------------------------------------------

    def _lasts(self, symptom: str, i: int, holds: bool, decisions: int) -> bool:
        streak = self._memory.streak
        streak[(symptom, i)] = streak.get((symptom, i), 0) + 1 if holds else 0
        return streak[(symptom, i)] >= decisions

    def _suffers(self, reading: Reading, replica: int) -> bool:
        waiting = reading.value(replica, "vllm:num_requests_waiting") or 0.0
        total = reading.value(replica, "vllm:time_to_first_token_seconds_sum") or 0.0
        count = reading.value(replica, "vllm:time_to_first_token_seconds_count") or 0.0
        return waiting > self.config.waiting or total > self.config.slow_first_token * max(count, 0.2)

    def _overloaded(self, reading: Reading, node: int) -> bool:
        """Whether a node has many more runnable threads than its peers."""
        loads = [reading.value(n, "node_load1") for n in reading.of_kind("node") if n != node]
        known = [load for load in loads if load is not None]
        usual = float(np.median(known)) if known else 0.0
        load = reading.value(node, "node_load1") or 0.0
        return load > max(self.config.high_load_least, self.config.high_load * usual)

    def _runs_out(self, reading: Reading, node: int, available: list[float]) -> bool:
        """Whether memory is low, was too low for a process, or will soon be gone (as Prometheus' predict_linear)."""
        total = reading.value(node, "node_memory_MemTotal_bytes")
        if total is None or not available:
            return False
        if available[-1] < self.config.low_memory * total or (reading.value(node, "node_vmstat_oom_kill") or 0.0) > 0.0:
            return True
        steps = np.diff(available)
        if len(available) < 4 or not np.all(steps < -0.01 * total):
            return False
        pace = float(steps.mean()) / self.config.interval
        return available[-1] + pace * self.config.memory_ahead < 0.0

    def _last(self, reading: Reading, i: int, feature: str, count: int) -> list[float]:
        """The last values of a feature, newest last; a gap begins anew."""
        values = self._memory.history.setdefault((feature, i), [])
        value = reading.value(i, feature)
        if value is None:
            values.clear()
        else:
            values.append(value)
            del values[:-count]
        return values
