"""Log statements of the kubelet and of the controllers beside the API server (klog, structured).

Texts and files as Kubernetes 1.31 prints them (line numbers differ between patch releases).
"""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate


def _klog(id: str, level: Level, origin: str, text: str) -> LogTemplate:
    return LogTemplate(f"kubelet.{id}", "klog", level, origin, text)


BACK_OFF = _klog(
    "backoff",
    Level.ERROR,
    "pod_workers.go:1301",
    '"Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"ray-worker\\" with CrashLoopBackOff: '
    '\\"back-off {}s restarting failed container=ray-worker pod={}\\"" pod="ray/{}"',
)
CONTAINER_DIED = _klog(
    "died",
    Level.INFO,
    "kubelet.go:2453",
    '"SyncLoop (PLEG): event for pod" pod="ray/{}" event={{"ID":"{}","Type":"ContainerDied","Data":"{}"}}',
)
PROBE_FAILED = _klog(
    "probe_failed",
    Level.INFO,
    "prober.go:107",
    '"Probe failed" probeType="{}" pod="ray/{}" podUID="{}" containerName="ray-worker" probeResult="failure" '
    'output="command timed out"',
)
UNHEALTHY = _klog("unhealthy", Level.INFO, "kubelet.go:2528", '"SyncLoop (probe)" probe="{}" status="{}" pod="ray/{}"')
WILL_RESTART = _klog(
    "will_restart",
    Level.INFO,
    "kuberuntime_manager.go:1107",
    '"Message for Container of pod" containerName="ray-worker" containerStatusID={{"Type":"containerd","ID":"{}"}} '
    'pod="ray/{}" containerMessage="Container ray-worker failed liveness probe, will be restarted"',
)
KILLING = _klog(
    "killing",
    Level.INFO,
    "kuberuntime_container.go:808",
    '"Killing container with a grace period" pod="ray/{}" podUID="{}" containerName="ray-worker" '
    'containerID="containerd://{}" gracePeriod={}',
)
RECLAIM = _klog(
    "reclaim", Level.INFO, "eviction_manager.go:381", '"Eviction manager: attempting to reclaim" resourceName="{}"'
)
DELETE_CONTAINERS = _klog(
    "delete_containers", Level.INFO, "container_gc.go:86", '"Attempting to delete unused containers"'
)
DELETE_IMAGES = _klog("delete_images", Level.INFO, "image_gc_manager.go:459", '"Attempting to delete unused images"')
RECLAIMED = _klog(
    "reclaimed",
    Level.INFO,
    "eviction_manager.go:388",
    '"Eviction manager: able to reduce resource pressure without evicting pods." resourceName="{}"',
)
MUST_EVICT = _klog(
    "must_evict",
    Level.INFO,
    "eviction_manager.go:392",
    '"Eviction manager: must evict pod(s) to reclaim" resourceName="{}"',
)
RANKED = _klog(
    "ranked", Level.INFO, "eviction_manager.go:410", '"Eviction manager: pods ranked for eviction" pods=["ray/{}"]'
)
EVICTED = _klog(
    "evicted", Level.INFO, "eviction_manager.go:627", '"Eviction manager: pod is evicted successfully" pod="ray/{}"'
)
NODE_STATUS = _klog(
    "node_status",
    Level.INFO,
    "controller_utils.go:155",
    '"Recording status change event message for node" logger="node-lifecycle-controller" status="{}" node="{}"',
)
TAINT_EVICTION = _klog(
    "taint_eviction",
    Level.INFO,
    "taint_eviction.go:111",
    '"Deleting pod" controller="taint-eviction-controller" pod="ray/{}"',
)
