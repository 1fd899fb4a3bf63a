"""What an operator on shift makes of the observations so far: who is away, who suffers, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from policies.baselines.ladder_parts import LadderConfig, Memory, Rung
from policies.baselines.reading import Reading

OWN = "process_resident_memory_bytes"
"""What the client library of a Prometheus exporter says about its own process."""

DISK = 'node_filesystem_avail_bytes{mountpoint="/"}'

Rungs = Iterator[tuple[tuple[str, int], list[Rung]]]
"""What a rule yields: the case (symptom, component), and the rungs of its ladder."""


class Watch:
    """The settings, the memory of one episode, and the symptoms that rules ask for."""

    def __init__(self, config: LadderConfig) -> None:
        self.config = config
        self.memory = Memory()
        self._first = True

    def remember(self, reading: Reading) -> None:
        """Take in the next observation."""
        memory = self.memory
        if not self._first:
            memory.now += self.config.interval
        self._first = False
        for i in reading.processes:
            if self._answers(reading, i):
                memory.seen.add(i)
                if memory.now >= memory.quiet.get(i, 0.0):
                    memory.moved.discard(i)
                memory.down_since.pop(i, None)
                memory.looping.discard(i)
                memory.up_since.setdefault(i, memory.now)
            elif i in memory.seen:
                if i not in memory.down_since:
                    memory.down_since[i] = memory.now
                elif self._complaint(reading, i):
                    memory.looping.add(i)
                memory.up_since.pop(i, None)
        for node in reading.of_kind("node"):
            if reading.present[node]:
                memory.seen_nodes.add(node)
                memory.away_since.pop(node, None)
            elif node in memory.seen_nodes:
                memory.away_since.setdefault(node, memory.now)
        for replica in reading.of_kind("vllm"):
            gpu = reading.neighbour(replica, "gpu")
            if gpu is not None:
                memory.place.setdefault(replica, gpu)
        # A component that has been well for a while begins at the first rung again.
        for (symptom, i), case in list(memory.cases.items()):
            well = i in memory.up_since and memory.now - memory.up_since[i] > 2 * self.config.settle
            if symptom in ("down", "down anew") and well and memory.now > case.until:
                del memory.cases[(symptom, i)]

    def _answers(self, reading: Reading, i: int) -> bool:
        """Whether the process itself is there; what others say about it (HAProxy, nova's agents) stays without it."""
        if reading.value(i, OWN) is not None:
            self.memory.own.add(i)
            return True
        return i not in self.memory.own and bool(reading.present[i])

    def _complaint(self, reading: Reading, i: int) -> bool:
        """An error on the machine of a dead process, after its first death: the supervisor is backing off."""
        node = self.node_of(reading, i)
        return reading.errors(i) > 0 or (node is not None and reading.errors(node) > 0)

    def node_of(self, reading: Reading, i: int) -> int | None:
        """The machine that a component is on, or is."""
        if reading.kinds[i] == "node":
            return i
        if reading.kinds[i] == "vllm":
            gpu = self.memory.place.get(i)
            return None if gpu is None else reading.neighbour(gpu, "node")
        return reading.neighbour(i, "node")

    def replica_on(self, reading: Reading, gpu: int) -> int | None:
        """The replica on a GPU, as far as we know."""
        return next((r for r, g in self.memory.place.items() if g == gpu and r in self.memory.seen), None)

    def replicas_of(self, reading: Reading, node: int) -> list[int]:
        """The replicas on a machine, as far as we know."""
        return [r for r in reading.of_kind("vllm") if r in self.memory.seen and self.node_of(reading, r) == node]

    def settle(self, reading: Reading, i: int) -> float:
        """How long a process may take to come back after an action."""
        return self.config.settle_replica if reading.kinds[i] == "vllm" else self.config.settle

    def relief(self, reading: Reading) -> list[Rung]:
        """One more replica, where there is room for it."""
        return [Rung("scale-out", head, "immediate", self.config.relief) for head in reading.of_kind("ray-head")]

    def known(self, reading: Reading) -> list[int]:
        """Replicas that have been seen."""
        return [r for r in reading.of_kind("vllm") if r in self.memory.seen]

    def serving(self, reading: Reading) -> list[int]:
        """Replicas that answer and are not being worked on."""
        return [r for r in reading.of_kind("vllm") if reading.present[r] and not reading.busy(r)]

    # --- symptoms ---------------------------------------------------------------------------------------------

    def lasts(self, symptom: str, i: int, holds: bool, decisions: int) -> bool:
        """Whether a symptom has held for so many decisions in a row. Ask once a decision."""
        streak = self.memory.streak
        streak[(symptom, i)] = streak.get((symptom, i), 0) + 1 if holds else 0
        return streak[(symptom, i)] >= decisions

    def suffers(self, reading: Reading, replica: int) -> bool:
        """Whether requests wait in a replica, or for long for their first token."""
        waiting = reading.value(replica, "vllm:num_requests_waiting") or 0.0
        total = reading.value(replica, "vllm:time_to_first_token_seconds_sum") or 0.0
        count = reading.value(replica, "vllm:time_to_first_token_seconds_count") or 0.0
        return waiting > self.config.waiting or total > self.config.slow_first_token * max(count, 0.2)

    def overloaded(self, reading: Reading, node: int) -> bool:
        """Whether a node has many more runnable threads than its peers."""
        loads = [reading.value(n, "node_load1") for n in reading.of_kind("node") if n != node]
        known = [load for load in loads if load is not None]
        usual = float(np.median(known)) if known else 0.0
        load = reading.value(node, "node_load1") or 0.0
        return load > max(self.config.high_load_least, self.config.high_load * usual)

    def disk_full(self, reading: Reading, node: int) -> bool:
        """Whether a machine's disk has far less room than its peers': pods are evicted from it and none comes back."""
        rooms = [reading.value(n, DISK) for n in reading.of_kind("node") if n != node]
        known = [room for room in rooms if room is not None]
        own = reading.value(node, DISK)
        return own is not None and bool(known) and own < self.config.little_room * float(np.median(known))

    def runs_out(self, reading: Reading, node: int, available: list[float]) -> bool:
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

    def last(self, reading: Reading, i: int, feature: str, count: int) -> list[float]:
        """The last values of a feature, newest last; a gap begins anew."""
        values = self.memory.history.setdefault((feature, i), [])
        value = reading.value(i, feature)
        if value is None:
            values.clear()
        else:
            values.append(value)
            del values[:-count]
        return values

    def token_time(self, reading: Reading, replica: int) -> float | None:
        """Mean seconds between two tokens of a replica's requests since the scrape before."""
        total = reading.value(replica, "vllm:inter_token_latency_seconds_sum")
        count = reading.value(replica, "vllm:inter_token_latency_seconds_count")
        return None if not total or not count else total / count
