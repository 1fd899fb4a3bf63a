"""A request on its way through the cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Request:
    """One completion request. Times in simulated seconds, lengths in tokens."""

    id: int
    arrived: float
    prompt: int
    output: int
    """Tokens after which the model stops."""

    computed: int = 0
    """Tokens whose keys and values are in the cache."""
    generated: int = 0
    blocks: int = 0
    """KV blocks held."""
    preemptions: int = 0

    replica: str = ""
    dispatched: float = 0.0
    """When the router handed it to a replica."""
    first_token: float | None = None
    ended: float | None = None
    status: int = 0
    """HTTP status at the end; 499 where the client went away."""

    @property
    def length(self) -> int:
        """Prompt and generated tokens."""
        return self.prompt + self.generated

    @property
    def remaining(self) -> int:
        """Tokens still to generate."""
        return self.output - self.generated
