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
TIMEOUT = 60.0
"""Seconds after which it gives a question up (assumed)."""
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
        self._rounds = self._sent = self._failures = self._mismatches = 0
        self._asked: set[int] = set()
        """Questions without an answer so far."""
        self.depends_on += replicas

    def start(self) -> None:
        """Begin to ask."""
        self.world.clock.process(self._ask())

    def _ask(self) -> Generator[Any, Any, None]:
        while True:
            yield self.world.clock.timeout(self._period)
            self._rounds += 1
            for number, replica in enumerate(self._replicas):
                if replica.state is State.RUNNING:  # numbers do not depend on who runs: draws are keyed by them
                    self._send(replica, FIRST_ID + self._rounds * len(self._replicas) + number)

    def _send(self, replica: Replica, number: int) -> None:
        self._sent += 1
        request = Request(number, self.world.now, PROMPT, ANSWER, caller=self, replica=replica.name)
        self._asked.add(number)
        clock, network = self.world.clock, self.world.network
        network.deliver(self, replica, lambda: replica.submit(request), (number, "question"))
        clock.at(clock.now + TIMEOUT, lambda _: self._late(replica, request))

    def _late(self, replica: Replica, request: Request) -> None:
        if request.id in self._asked:
            self._fail(request, 0)
            self.world.network.deliver(self, replica, lambda: replica.abort(request), (request.id, "abort"))

    def _fail(self, request: Request, status: int) -> None:
        self._asked.discard(request.id)
        self._failures += 1
        self.log(FAILED, 1, request.replica, status)

    def on_first_token(self, request: Request) -> None:
        """The answer begins."""

    def on_finished(self, request: Request) -> None:
        """The answer is complete: compare it."""
        if request.id not in self._asked:
            return  # given up
        self._asked.discard(request.id)
        if request.corrupted:
            self._mismatches += 1
            self.log(MISMATCH, 1, request.replica, request.output)

    def on_lost(self, request: Request) -> None:
        """The replica died with the question."""
        if request.id in self._asked:
            self._fail(request, 500)

    def sample(self) -> Sequence[float]:
        return (self._sent, self._failures, self._mismatches)
