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
    settle_move: float = 130.0
    """the same after a move: up to 30 s of draining, then weights that come over the network"""
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
    little_room: float = 0.2
    """room on a machine's disk, as a share of the median of its peers, that counts as none"""
    high_load: float = 3.0
    """load of a node, as a multiple of the median of its peers, and at least `high_load_least` threads"""
    high_load_least: float = 8.0
    """see `high_load`: threads that a control group holds back are not counted, so its limit is all that shows"""
    database_threads: float = 3.5
    """mean of MySQL's running threads over `database_decisions` decisions that counts as a pile-up; healthy: 1 to 2"""
    database_decisions: int = 3
    """see `database_threads`"""
    least_serving: float = 0.5
    """circuit breaker: never take down a serving replica when fewer than this share of those seen would be left"""
    queue_decisions: int = 2
    """decisions in a row that requests must suffer before a replica is added; one where a replica is missing"""
    settle_power_cycle: float = 420.0
    """the same after a power cycle: 300 s, then what runs on it"""
    settle_replace: float = 360.0
    """the same after a spare machine took its role: 240 s, then what runs on it"""
    settle_settings: float = 20.0
    """after a power limit was restored: what the violation counter needs to fall"""
    away: float = 40.0
    """how long a machine may be silent before it counts as lost (Kubernetes' node lease)"""
    calm_decisions: int = 6
    """decisions in a row with nobody away or suffering before a card is reset that still works"""
    hung_decisions: int = 3
    """decisions in a row without a token from a replica that has requests"""
    slow_tokens: float = 1.6
    """time between tokens, as a multiple of the median of the peers, that counts as slow"""
    slow_decisions: int = 4
    """see `slow_tokens`"""
    control_loops: float = 2.0
    """passes per second of Serve's controller below which it counts as stuck; healthy: 10"""
    failing: float = 0.3
    """share of 5xx among the gateway's answers that counts as failing, while most replicas answer"""
    failing_decisions: int = 2
    """see `failing`"""
    thrashing: float = 0.5
    """preemptions per second of a replica that counts as thrashing its KV cache"""
    shed_decisions: int = 4
    """decisions in a row that most replicas must suffer before load is shed"""
    shed_settle: float = 60.0
    """how long to look at what a load limit does"""
    relief: float = 90.0
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
    seen_nodes: set[int] = field(default_factory=set)
    """Machines that have answered a scrape once."""
    away_since: dict[int, float] = field(default_factory=dict)
    """Machines that do not answer any more, and since when."""
    cordoned: dict[int, int] = field(default_factory=dict)
    """Machines that we drained, and the GPU that was the reason."""
    moved: set[int] = field(default_factory=set)
    """Replicas that were moved and have not been seen since."""
    drained: dict[int, float] = field(default_factory=dict)
    """When each machine was drained last."""
    repaired: dict[int, float] = field(default_factory=dict)
    """When each machine, or a card in it, was last reset, rebooted or replaced."""
    limited_until: float = -1e9
    """Until when a load limit of ours holds."""
    own: set[int] = field(default_factory=set)
    """Processes whose own exporter has been seen."""
    emptied: set[int] = field(default_factory=set)
    """nova-compute of hosts from which we had the servers moved."""
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
