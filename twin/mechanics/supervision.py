"""How supervisors restart what died, and how Kubernetes finds out that something is wrong."""

from __future__ import annotations

CRASH_LOOP_BASE = 10.0
CRASH_LOOP_LIMIT = 300.0
CRASH_LOOP_RESET = 600.0
"""Seconds of running after which a supervisor forgets earlier crashes (kubelet: 10 minutes)."""


def crash_loop_delay(deaths: int) -> float:
    """Seconds until the next start after that many deaths: at once, then 10 s doubled to 300 s (kubelet's back-off)."""
    return 0.0 if deaths <= 1 else min(CRASH_LOOP_LIMIT, CRASH_LOOP_BASE * 2.0 ** (deaths - 2))


RELIST = 1.0
"""Seconds between two looks of the kubelet at its containers: it learns of a death no sooner (PLEG's relist period)."""

PROBE_PERIOD = 10.0
PROBE_TIMEOUT = 1.0
PROBE_FAILURES = 3
"""Kubernetes' defaults of a probe: periodSeconds, timeoutSeconds, failureThreshold. The kubelet also renews its node's
lease and looks at memory and disk every 10 s."""

TERMINATION_GRACE = 30.0
"""terminationGracePeriodSeconds' default: SIGTERM, and SIGKILL that much later where the process is still there."""

MEMORY_EVICTION = 100.0 * 2**20
"""Bytes of available memory below which the kubelet evicts (default evictionHard memory.available)."""

DISK_EVICTION = 0.10
"""Free share of the disk below which it reclaims, then evicts (default evictionHard nodefs.available)."""

PRESSURE_TRANSITION = 300.0
"""Seconds that a pressure must be over before the condition is lifted (evictionPressureTransitionPeriod)."""

LEASE_GRACE = 40.0
"""Seconds without a renewal after which a node is NotReady (nodeMonitorGracePeriod before Kubernetes 1.32)."""

NODE_MONITOR = 5.0
"""Seconds between two looks of the node controller (nodeMonitorPeriod)."""

TAINT_EVICTION = 300.0
"""Seconds that a pod tolerates the taints not-ready and unreachable (DefaultTolerationSeconds)."""

HEALTH_SECONDS = 0.004
"""Seconds that /health takes on an idle host (assumed)."""
