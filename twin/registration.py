"""Registration with Gymnasium, done by `import twin`.

Gymnasium 1.0 dropped entry points for environments; ``gymnasium.make("twin:healtwin/Cluster-v0")`` imports `twin`.
"""

from __future__ import annotations

from gymnasium.envs.registration import register as _register
from gymnasium.envs.registration import registry

ENVIRONMENT = "healtwin/Cluster-v0"
FAST = "healtwin/FastCluster-v0"


def register() -> None:
    """Register ``healtwin/Cluster-v0``, and ``healtwin/FastCluster-v0`` for ``gymnasium.make_vec``; once."""
    if ENVIRONMENT not in registry:
        _register(id=ENVIRONMENT, entry_point="twin.env:ClusterEnv")
        _register(id=FAST, vector_entry_point="twin.fast.vector:FastVectorEnv")
