"""Kubelet's log statements (klog, structured)."""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

BACK_OFF = LogTemplate(
    "kubelet.backoff",
    "klog",
    Level.ERROR,
    "pod_workers.go:1301",
    '"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"ray-worker\\" with CrashLoopBackOff: '
    '\\"back-off {}s restarting failed container=ray-worker pod={}\\"" pod="ray/{}"',
)
CONTAINER_DIED = LogTemplate(
    "kubelet.died",
    "klog",
    Level.INFO,
    "kubelet.go:2453",
    '"SyncLoop (PLEG): event for pod" pod="ray/{}" event={{"ID":"{}","Type":"ContainerDied","Data":"{}"}}',
)
