"""An output check: asks every replica the same question now and then, and knows the answer.

With greedy decoding an answer is always the same, so a different one says that the replica computes wrongly. Nothing
else shows silent data corruption: latency, logs and GPU counters are those of a healthy replica.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from twin.components import Component
from twin.inference.request import Request
from twin.mechanics.layers import Layer
from twin.process import State
from twin.telemetry.records import Level, LogTemplate, counter

if TYPE_CHECKING:
    from twin.inference.replica import Replica
    from twin.world import World

PROMPT, ANSWER = 64, 48
"""Tokens of the question and of its answer (assumed)."""
FIRST_ID = 1 << 60
"""Numbers of its requests: apart from those of clients."""

MISMATCH = LogTemplate(
    "output_check.mismatch",
    "klog",
    Level.WARNING,
    "check.go:71",
    '"Answer differs from the reference" target="{}" tokens={}',
)
FAILED = LogTemplate("output_check.failed", "klog", Level.WARNING, "check.go:58", '"No answer" target="{}" status={}')


class OutputCheck(Component):
    """Sends the question to each running replica itself, past the router."""

    kind = "output-check"
    layers = frozenset({Layer.PROCESS})
    metrics = (
        counter("output_check_requests_total", "requests", None),
        counter("output_check_failures_total", "requests", None),
        counter("output_check_mismatches_total", "requests", "serving"),
    )

    def __init__(self, world: World, name: str, place: Component, replicas: Sequence[Replica], period: float) -> None:
        super().__init__(world, name, place)
        self._replicas = replicas
        self._period = period
        self._sent = self._failures = self._mismatches = 0
        self.depends_on += replicas

    def start(self) -> None:
        """Begin to ask."""
        self.world.clock.process(self._ask())

    def _ask(self) -> Generator[Any, Any, None]:
        while True:
            yield self.world.clock.timeout(self._period)
            for replica in self._replicas:
                if replica.state is State.RUNNING:
                    self._send(replica)

    def _send(self, replica: Replica) -> None:
        self._sent += 1
        request = Request(FIRST_ID + self._sent, self.world.now, PROMPT, ANSWER, caller=self)
        self.world.network.deliver(self, replica, lambda: replica.submit(request))

    def on_first_token(self, request: Request) -> None:
        """The answer begins."""

    def on_finished(self, request: Request) -> None:
        """The answer is complete: compare it."""
        if request.corrupted:
            self._mismatches += 1
            self.log(MISMATCH, 1, request.replica, request.output)

    def on_lost(self, request: Request) -> None:
        """The replica died with the question."""
        self._failures += 1
        self.log(FAILED, 1, request.replica, 500)

    def sample(self) -> Sequence[float]:
        return (self._sent, self._failures, self._mismatches)
