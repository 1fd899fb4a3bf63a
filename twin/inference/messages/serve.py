"""Ray Serve's and Ray's log statements (wording of Ray 2.60)."""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate

DEPLOYMENT = "Deployment(name='VLLMDeployment', app='llm')"
REPLICA = "Replica(id='{}', deployment='VLLMDeployment', app='llm')"


def _serve(id: str, level: Level, text: str, program: str = "controller") -> LogTemplate:
    return LogTemplate(f"serve.{id}", "serve", level, program, text)


# --- replicas ---------------------------------------------------------------------------------------------------

ACTOR_CRASHED = _serve("crashed", Level.WARNING, f"Actor for {REPLICA} crashed, marking it unhealthy immediately.")
CHECK_FAILED = _serve("check_failed", Level.WARNING, f"Health check for {REPLICA} failed: {{}}")
CHECK_TIMED_OUT = _serve(
    "check_timed_out",
    Level.WARNING,
    f"Didn't receive health check response for replica {REPLICA} after 30s, marking it unhealthy.",
)
CHECKS_FAILED = _serve(
    "checks_failed",
    Level.WARNING,
    f"Replica {REPLICA} failed the health check {{}} times in a row, marking it unhealthy.",
)
CHECK_PASSED = _serve("check_passed", Level.INFO, f"{REPLICA} passed the health check after {{}} consecutive failures.")
UNHEALTHY = _serve("unhealthy", Level.WARNING, f"Replica {REPLICA} failed health check, stopping it.")
ADDING = _serve("adding", Level.INFO, f"Adding 1 replica to {DEPLOYMENT}.")
STARTING = _serve("starting", Level.INFO, f"Starting {REPLICA}.")
START_FAILED = _serve("start_failed", Level.ERROR, f"Exception in {REPLICA}, the replica will be stopped.")
SLOW_START = _serve(
    "slow_start",
    Level.WARNING,
    "Deployment 'VLLMDeployment' in application 'llm' has {} replicas that have taken more than 30s to initialize. "
    "This may be caused by a slow __init__ or reconfigure method.",
)
REMOVING = _serve("removing", Level.INFO, f"Removing 1 replica from {DEPLOYMENT}.")
REMOVING = _serve("removing", Level.INFO, f"Removing 1 replica from {DEPLOYMENT}.")
STOPPING = _serve("stopping", Level.INFO, f"{REPLICA} is stopped.")
UPSCALING = _serve("upscaling", Level.INFO, f"Upscaling {DEPLOYMENT} from {{}} to {{}} replicas.")
STARTED = _serve("started", Level.INFO, f"{REPLICA} started successfully on node '{{}}' after {{:.1f}}s (PID: {{}}).")
MIGRATING = _serve("migrating", Level.INFO, f"Migrating {REPLICA} from draining node '{{}}'.")
GCS_SILENT = _serve("gcs_silent", Level.ERROR, "Exception updating cluster node info cache.")

# --- proxy and handle -------------------------------------------------------------------------------------------

PROXY_TIMED_OUT = _serve(
    "proxy_timed_out", Level.WARNING, "Didn't receive health check response for proxy on {} after 10.0s."
)
PROXY_CHECKS_FAILED = _serve(
    "proxy_checks_failed",
    Level.WARNING,
    "Proxy SERVE_PROXY_ACTOR-{} failed the health check {} times in a row, marking it unhealthy.",
)
PROXY_UNHEALTHY = _serve(
    "proxy_unhealthy",
    Level.INFO,
    "Proxy on node '{}' is unhealthy. Shutting down the unhealthy proxy and starting a new one.",
)
PROXY_STARTED = _serve("proxy_started", Level.INFO, "Proxy starting on node {} (HTTP port: 8000).", "proxy")
NO_REPLICA = _serve("no_replica", Level.INFO, f"No replicas are currently available for {DEPLOYMENT}.", "proxy")
BACKPRESSURE = _serve(
    "backpressure",
    Level.WARNING,
    "Request dropped due to backpressure (num_queued_requests={}, max_queued_requests={}).",
    "proxy",
)
NO_QUEUE_LENGTH = _serve(
    "no_queue_length",
    Level.WARNING,
    f"Failed to get queue length from {REPLICA} within {{}}s. If this happens repeatedly it's likely caused by high "
    "network latency in the cluster. You can configure the deadline using the "
    "`RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S` environment variable.",
    "proxy",
)
UNAVAILABLE = _serve("unavailable", Level.WARNING, f"{REPLICA} is temporarily unavailable.", "proxy")
ACTOR_DIED = _serve(
    "actor_died",
    Level.ERROR,
    "Request {} failed: ActorDiedError: The actor died unexpectedly before finishing this task.",
    "proxy",
)
ACTOR_UNAVAILABLE = _serve(
    "actor_unavailable",
    Level.ERROR,
    "Request {} failed: ActorUnavailableError: The actor is temporarily unavailable: The task may or may not have been "
    "executed on the actor.",
    "proxy",
)

DISCONNECTED = _serve("disconnected", Level.INFO, "Client for request {} disconnected, cancelling request.", "proxy")

CANCELLED = "CANCELLED"
"""What an access line says instead of a status where none was sent."""
ACCESS = LogTemplate("serve.access", "serve", Level.INFO, "replica", "POST {} {} {:.1f}ms")
"""A replica's access line; the component id before it names deployment, replica and request."""

# --- Ray core ---------------------------------------------------------------------------------------------------

NODE_DEAD = LogTemplate(
    "ray.node_dead",
    "ray",
    Level.WARNING,
    "worker.py:2121",
    "The node with node id: {} and address: {} and node name: {} has been marked dead because the detector has missed "
    "too many heartbeats from it.",
)
