"""How long operator actions take, apart from what emerges (draining, start-up, loading weights). Seconds."""

DRAIN_LIMIT = 30.0
"""Kubernetes' default terminationGracePeriodSeconds: a gentle action waits this long for work in flight."""

DURATIONS: dict[str, float] = {
    "noop": 0.0,
    "restart": 1.0,  # SIGTERM to exec
    "recreate": 5.0,  # delete, schedule, create sandbox and container from a cached image
    "reset-gpu": 10.0,  # nvidia-smi --gpu-reset with persistence off and on
    "reboot": 180.0,  # a server's firmware and kernel; large GPU servers take longer
    "migrate": 5.0,  # as recreate, on another node
    "scale-out": 5.0,
}
"""Assumed where no source is at hand; MECHANICS gives 0.9 h for a repair with a person in it, which this is not."""
