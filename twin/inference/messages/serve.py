"""Ray Serve's log statements (wording of Ray 2.60)."""

from __future__ import annotations

from twin.telemetry.records import Level, LogTemplate


def _serve(id: str, level: Level, text: str) -> LogTemplate:
    return LogTemplate(f"serve.{id}", "serve", level, "controller", text)


ACTOR_CRASHED = _serve(
    "crashed",
    Level.WARNING,
    "Actor for Replica(id='{}', deployment='VLLMDeployment', app='llm') crashed, marking it unhealthy immediately.",
)
ADDING = _serve("adding", Level.INFO, "Adding 1 replica to Deployment(name='VLLMDeployment', app='llm').")
STOPPING = _serve("stopping", Level.INFO, "Replica(id='{}', deployment='VLLMDeployment', app='llm') is stopped.")
UPSCALING = _serve(
    "upscaling", Level.INFO, "Upscaling Deployment(name='VLLMDeployment', app='llm') from {} to {} replicas."
)
STARTED = _serve(
    "started", Level.INFO, "Replica(id='{}', deployment='VLLMDeployment', app='llm') started successfully."
)
MIGRATING = _serve(
    "migrating",
    Level.INFO,
    "Migrating Replica(id='{}', deployment='VLLMDeployment', app='llm') from draining node '{}'.",
)
NO_REPLICA = LogTemplate(
    "serve.no_replica",
    "serve",
    Level.WARNING,
    "proxy",
    "No replicas are currently available for deployment VLLMDeployment; {} requests wait.",
)
