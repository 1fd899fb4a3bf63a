"""A request on its way through the cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.inference.kv_cache import Hold
    from twin.inference.output_check import OutputCheck

Prefix = tuple[tuple[int | str, int], ...]
"""What a request shares with others, from its start: (with whom, tokens up to there), longer and longer. It may reach
over the prompt into an answer that others go on from; they find it once the request has left the engine. Who shares is
the name of a group, or the id of a request whose own tokens they are."""


@dataclass(slots=True, eq=False)
class Request:
    """One completion request. Times in simulated seconds, lengths in tokens."""

    id: int
    arrived: float
    prompt: int
    output: int
    """Tokens after which the model stops."""
    prefix: Prefix = ()
    client: int = 0
    """Who asks, as nginx tells clients apart: by their address."""

    # In the engine. While a request decodes, the engine counts for it; these are true once it has left.
    computed: int = 0
    """Tokens whose keys and values are in the cache."""
    generated: int = 0
    holds: list[Hold] = field(default_factory=list)
    """KV blocks that others can find, by the segment of the prefix cache that they are in."""
    loose: int = 0
    """KV blocks that nobody else can find: the last one, not yet full, and copies."""
    preemptions: int = 0
    cached: int = 0
    """Prompt tokens that the prefix cache had when it was first scheduled."""
    order: int = 0
    """Place in the engine's running order."""
    joined: int = 0
    """The engine's step count when it began to decode, or went on to."""
    aborted: bool = False
    corrupted: bool = False
    """Ground truth: a token of the answer is wrong."""

    replica: str = ""
    rank: int = 0
    """Engine core of the replica, where it has several."""
    dispatched: float = 0.0
    """When the router handed it to a replica."""
    queued: float = 0.0
    """When it entered the engine's waiting queue."""
    scheduled: float | None = None
    """When it was first scheduled."""
    first_token: float | None = None
    last_token: float | None = None
    """The newest token of a request that does not decode just now."""
    ended: float | None = None
    status: int = 0
    """HTTP status at the end; 499 where the client went away."""
    caller: OutputCheck | None = None
    """Who asked the replica itself, past the router."""
    on_end: Callable[[Request], None] | None = None
    """Whom the gateway tells when the answer is complete, or there will be none."""

    @property
    def length(self) -> int:
        """Prompt and generated tokens."""
        return self.prompt + self.generated

    @property
    def remaining(self) -> int:
        """Tokens still to generate."""
        return self.output - self.generated
