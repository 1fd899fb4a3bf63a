"""How long operator actions take, apart from what emerges (draining, start-up, loading weights). Seconds."""

from __future__ import annotations

DRAIN_LIMIT = 30.0
"""Kubernetes' default terminationGracePeriodSeconds: a gentle action waits this long for work in flight."""

DURATIONS: dict[str, float] = {
    "noop": 0.0,
    "restart": 1.0,  # SIGTERM to exec (assumed)
    "recreate": 5.0,  # delete, schedule, create sandbox and container from a cached image (assumed)
    "restore-power-limit": 1.0,  # `nvidia-smi -pl`: one call into the driver (assumed)
    # Persistence off, `nvidia-smi --gpu-reset`, an ECC scrub of "several seconds" (NVML, drain states), persistence on.
    "reset-gpu": 10.0,
    # One GPU node rebooted, or recycled, in about 3 minutes (NVSentinel 1.31, janitor configuration, on Akamai).
    "reboot": 180.0,
    # As a reboot, after the power has been off (BMC: off, wait, on) and with memory trained anew (2 minutes, assumed;
    # NVIDIA's GB200 guide waits 3 to 5 minutes for the capacitors of a rack's supplies and 2 for the controllers).
    "power-cycle": 300.0,
    # A standby machine that runs is renamed, joins, and pulls images (assumed). Hands at a rack would take 0.9 h.
    "replace": 240.0,
    "cordon": 1.0,  # one call to the API server (assumed), as the next
    "uncordon": 1.0,
    "drain": 1.0,  # the calls; evictions take what they take
    "migrate": 5.0,  # as recreate, on another node
    "scale-out": 5.0,
    "scale-in": 1.0,  # Serve's controller decides within its loop; then the replica drains
    "shed-load": 1.0,  # `nginx -s reload` starts new workers and leaves the old ones to finish (assumed)
    "route-around": 1.0,  # an update of the router's table by long poll (assumed)
    "limit-kv": 5.0,  # a redeploy: as recreate
    "rollback-config": 5.0,  # a redeploy of the last revision: as recreate
    "fail-over-head": 15.0,  # a new pod on another node: scheduled, image pulled where it has not run before (assumed)
    # OpenStack's own. Orders to its APIs take what the APIs and the hosts take, and `COMMAND` before that.
    "evacuate": 0.0,
    "live-migrate": 0.0,
    "cold-migrate": 0.0,
    "rebuild": 0.0,
    "hard-reboot": 0.0,
    "reset-state": 0.0,
    "force-detach": 0.0,
    "delete-stuck": 0.0,
    "heal-allocations": 0.0,
    "fail-over-database": 2.0,  # two commands on HAProxy's socket (assumed)
    "purge-queue": 4.0,  # `rabbitmqctl` starts an Erlang node of its own (assumed)
    "heal-broker": 30.0,  # five such commands, and the copy of a schema without messages (assumed)
    "free-disk": 30.0,  # somebody looks at what is large, and deletes it (assumed)
    # `kolla-ansible reconfigure --tags loadbalancer`: a playbook of some minutes (assumed); the reload itself is quick.
    "renew-certificate": 120.0,
}
"""What an operation itself takes."""

BOOT_PER_GPU = 60.0
"""Each GPU of a machine after its first prolongs a boot (assumed): eight make 10 minutes. NVSentinel allows 25 minutes
for the reboot of a cloud's bare metal."""

REPLACE_GPU = 3600.0
"""A technician swaps a card, with the machine off: about the 0.9 h that the repair of a GPU node took on Delta (DSN
2025)."""

REPAIR = 45.0 * 3600.0
"""Until a machine that was replaced is back as a spare: the median repair of a GPU fault on 400 servers (InfiniteHBD's
trace)."""

SHED_FOR = 120.0
"""Seconds after which a load limit is lifted unless it is ordered again (assumed)."""

EXCLUDED_FOR: dict[str, float] = {"gentle": 30.0, "immediate": 300.0}
"""Seconds after which a replica that was routed around gets requests again: Envoy's base_ejection_time and
max_ejection_time."""

SHED_SHARE: dict[str, float] = {"gentle": 0.8, "immediate": 0.5}
"""A load limit as a share of what has been shown to be served, the best minute of the last ten: mild, strong
(assumed)."""

COMMAND = 8.5
"""Until an `openstack` command sends its first request (`twin.mechanics.tenants.CLI_STARTUP`)."""

LOOK_AGAIN = 60.0
"""Seconds between two looks at what seems stuck, before a careful operator touches it (assumed)."""

_BOOTS = ("reboot", "power-cycle")


def seconds_of(category: str, gpus: int = 0) -> float:
    """Seconds of an operation, on a machine with that many GPUs where it boots one."""
    extra = BOOT_PER_GPU * max(0, gpus - 1) if category in _BOOTS else 0.0
    return DURATIONS[category] + extra
