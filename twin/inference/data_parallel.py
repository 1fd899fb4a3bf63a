"""Data parallelism inside one vLLM server: several engine cores behind one API server.

Each core has GPUs, a queue and a cache of its own; the server sends a request to the core with the lowest score,
4 x waiting + running (vllm/v1/engine/core_client.py). They live and die together. Towards the server and its metrics
they are one engine, whose counts are theirs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from twin.inference.engine import Engine
from twin.inference.request import Request

WAITING_WEIGHT = 4
"""How much more a waiting request counts than a running one (vLLM 0.33)."""


class DataParallel:
    """Several engines with the face of one."""

    def __init__(self, ranks: Sequence[Engine]) -> None:
        self.ranks = tuple(ranks)

    def submit(self, request: Request) -> None:
        """Hand a request to the core with the lowest score, the first of equals."""
        scores = [WAITING_WEIGHT * len(rank.waiting) + rank.running for rank in self.ranks]
        request.rank = scores.index(min(scores))
        self.ranks[request.rank].submit(request)

    def abort(self, request: Request) -> None:
        """The client of a request went away."""
        self.ranks[request.rank].abort(request)

    def mechanics_changed(self) -> None:
        """A GPU or the host became faster or slower."""
        for rank in self.ranks:
            rank.mechanics_changed()

    def freeze(self, spinning: bool = False) -> None:
        """No core's step ends."""
        for rank in self.ranks:
            rank.freeze(spinning)

    def thaw(self) -> None:
        """They go on."""
        for rank in self.ranks:
            rank.thaw()

    def settle(self) -> None:
        """Account for the steps that have ended by now."""
        for rank in self.ranks:
            rank.settle()

    def stop(self) -> list[Request]:
        """The process is gone; returns the requests that go with it."""
        return [request for rank in self.ranks for request in rank.stop()]

    @property
    def waiting(self) -> list[Request]:
        """Waiting requests, core after core."""
        return list(chain.from_iterable(rank.waiting for rank in self.ranks))

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return sum(rank.queued for rank in self.ranks)

    @property
    def queued_as_told(self) -> int:
        """Requests that wait, as the cores last told."""
        return sum(rank.queued_as_told for rank in self.ranks)

    @property
    def running(self) -> int:
        """Requests in the running batches."""
        return sum(rank.running for rank in self.ranks)

    @property
    def busy(self) -> bool:
        """Whether any request is in an engine."""
        return any(rank.busy for rank in self.ranks)

    @property
    def frozen(self) -> bool:
        """Whether their steps hang."""
        return self.ranks[0].frozen

    @property
    def progressed(self) -> float:
        """When tokens last came out (seconds)."""
        return max(rank.progressed for rank in self.ranks)

    @property
    def kv_usage(self) -> float:
        """Mean share of KV blocks in use."""
        return sum(rank.kv_usage for rank in self.ranks) / len(self.ranks)

    @property
    def steps(self) -> int:
        """Steps of all cores."""
        return sum(rank.steps for rank in self.ranks)

    @property
    def preemptions(self) -> int:
        """Preemptions of all cores."""
        return sum(rank.preemptions for rank in self.ranks)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of all cores."""
        return sum(rank.prompt_tokens for rank in self.ranks)

    @property
    def generation_tokens(self) -> int:
        """Generated tokens of all cores."""
        return sum(rank.generation_tokens for rank in self.ranks)
