"""RabbitMQ's and oslo.messaging's limits and times: pure data.

Sources: RabbitMQ 3.10 documentation (alarms, clustering, partitions, quorum queues, heartbeats), Erlang's kernel
documentation, kolla-ansible's role rabbitmq, oslo.messaging's options.
"""

from __future__ import annotations

MEMORY_WATERMARK = 0.4
"""`vm_memory_high_watermark`: share of the machine's memory (0.6 since RabbitMQ 4.0)."""
DISK_LIMIT = 50e6
"""`disk_free_limit`: bytes."""
WATCH = 2.5
"""Seconds between two looks at memory (vm_memory_monitor's 2.5 s) and here also at disk and network."""

NET_TICK = 60.0
"""`net_ticktime`: a silent node is taken for down after this, give or take a quarter."""
ELECTION = (0.3, 1.2)
"""Seconds until a quorum queue has a new leader once its old one is known to be gone (assumed: Ra's randomised
election time-out of some hundred milliseconds, and one round)."""
SILENT_LEADER = 6.0
"""Seconds until followers suspect a leader whose node is silent (assumed: aten looks once a second)."""
PAUSE_CHECK = 1.0
"""Seconds between two looks of a paused node whether it has its majority back (rabbit_node_monitor's ping of 1 s)."""

HEARTBEAT = 60.0
"""`heartbeat_timeout_threshold`."""
CLIENT_CHECK = 15.0
"""Seconds between a client's looks: threshold / `heartbeat_rate` 2 / 2."""

TRANSIENT_TTL = 1800.0
"""`rabbit_transient_queues_ttl`: seconds after which a fan-out queue that nobody uses is deleted."""

MESSAGE_BYTES = 20e3
"""Bytes that a waiting message takes (assumed)."""
MESSAGE_TTL = 600.0
"""`rabbitmq_message_ttl_ms` of kolla-ansible: seconds after which a message that nobody took is dropped."""
