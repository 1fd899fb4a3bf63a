"""What the rule ladder is set to, and what it remembers of an episode."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LadderConfig:
    """Thresholds and patience, as a runbook would state them. Times in seconds."""

    interval: float = 10.0
    """between two decisions"""
    patience: float = 0.0
    """how long a dead process is left to its supervisor, which waits 10 s: a new container is up as soon"""
    patience_replica: float = 65.0
    """the same for a replica, which imports, loads its weights and warms up for about 40 s after a crash"""
    settle: float = 40.0
    """after an action: how long a process may take to come back before the next rung"""
    settle_replica: float = 90.0
    """the same for a replica: a new pod compiles as well"""
    settle_reboot: float = 300.0
    """the same after a reboot: 180 s of firmware and kernel, then what runs on it"""
    sustained: int = 2
    """decisions in a row that a soft symptom must last"""
    throttled: float = 2e8
    """DCGM power violation, ns per s: a fifth of the time"""
    throttled_decisions: int = 3
    """decisions in a row that a GPU may be throttled; fewer where its replica's requests suffer"""
    slow_first_token: float = 1.0
    """mean time to first token of a replica that counts as slow"""
    waiting: float = 8.0
    """requests waiting in an engine that count as a queue (the alert rule's threshold)"""
    low_memory: float = 0.08
    """share of a node's memory available below which it reclaims and soon kills"""
    memory_ahead: float = 60.0
    """a node whose memory would be gone this soon, at the pace of the last decisions, counts as low already"""
    high_load: float = 3.0
    """load of a node, as a multiple of the median of its peers, and at least `high_load_least` threads"""
    high_load_least: float = 16.0
    """see `high_load`"""
    database_threads: float = 3.5
    """mean of MySQL's running threads over `database_decisions` decisions that counts as a pile-up; healthy: 1 to 2"""
    database_decisions: int = 3
    """see `database_threads`"""
    least_serving: float = 0.5
    """circuit breaker: never take down a serving replica when fewer than this share of those seen would be left"""
    queue_decisions: int = 2
    """decisions in a row that requests must suffer before a replica is added; one where a replica is missing"""
    relief: float = 70.0
    """how long an added replica takes to serve: what it is to replace is repaired after that"""


@dataclass(slots=True)
class Case:
    """One component under treatment."""

    rung: int = 0
    """How many rungs have been tried."""
    until: float = 0.0
    """Do nothing more about it before this time."""


@dataclass(slots=True)
class Memory:
    """What the ladder remembers of an episode."""

    now: float = 0.0
    seen: set[int] = field(default_factory=set)
    """Processes that have answered a scrape once."""
    down_since: dict[int, float] = field(default_factory=dict)
    looping: set[int] = field(default_factory=set)
    """Dead processes of which the supervisor has said that they died again."""
    up_since: dict[int, float] = field(default_factory=dict)
    streak: dict[tuple[str, int], int] = field(default_factory=dict)
    """Soft symptoms: for how many decisions in a row."""
    cases: dict[tuple[str, int], Case] = field(default_factory=dict)
    place: dict[int, int] = field(default_factory=dict)
    """GPU of each replica; our own migrations change it, the inventory may not."""
    quiet: dict[int, float] = field(default_factory=dict)
    """Processes that an action has reached: not to be missed before this time."""
    xid: dict[int, int] = field(default_factory=dict)
    """The XID that each GPU showed last."""
    starved: dict[int, float] = field(default_factory=dict)
    """When each node ran out of memory last."""
    own: set[int] = field(default_factory=set)
    """Processes whose own exporter has been seen."""
    relieved_at: float = -1e9
    """When a replica was added last."""
    history: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    """The last values of what is judged over several decisions."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of a ladder."""

    category: str
    target: int
    parameter: str
    settle: float
    disrupts: int | None = None
    """A replica that serves and would stop serving."""
    urgent: bool = False
    """Whether it does more good now than after a replacement for what it disrupts serves."""
