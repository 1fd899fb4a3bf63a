"""The `gymnasium.envs` entry point: Gymnasium calls `register` when it is imported, under the namespace `healtwin`."""

from __future__ import annotations

from gymnasium.envs.registration import register as _register


def register() -> None:
    """Register ``healtwin/Cluster-v0``."""
    _register(id="Cluster-v0", entry_point="twin.env:ClusterEnv")
