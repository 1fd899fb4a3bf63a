"""A step that does not end: a worker that never comes back, or a collective that one GPU never joins.

vLLM's executor waits: it complains once a minute and gives its workers up after its time-out. Until then the server
answers health checks and scrapes, and nothing moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.inference.messages import vllm
from twin.mechanics.vllm import EXECUTE_TIMEOUT, SILENCE

if TYPE_CHECKING:
    from twin.inference.replica import Replica


class Hang:
    """Whether a replica's steps end, and since when its executor waits for one that does not."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._waiting_since: float | None = None

    def look(self) -> None:
        """Something changed: freeze the engine, or let it go on."""
        replica = self._replica
        engine = replica.engine
        if engine is None:
            return
        severed = replica.settings.tensor_parallel_size > 1 and min(gpu.link_share for gpu in replica.gpus) <= 0.0
        spinning = bool(replica.value("collective_hang")) or severed
        if not (spinning or replica.value("hang") or replica.value("frozen")):
            engine.thaw()
            self.forget()
        elif not engine.frozen:
            engine.freeze(spinning)
            if engine.busy:
                self.await_step()

    def forget(self) -> None:
        """The step has ended, or the process."""
        self._waiting_since = None

    def await_step(self) -> None:
        """The executor begins to wait, unless it does already."""
        if self._waiting_since is not None:
            return
        clock = self._replica.world.clock
        self._waiting_since = since = clock.now
        for n in range(1, int(EXECUTE_TIMEOUT // SILENCE)):
            clock.at(since + n * SILENCE, lambda _: self._complain(since))
        clock.at(since + EXECUTE_TIMEOUT, lambda _: self._time_out(since))

    def _complain(self, since: float) -> None:
        if self._waiting_since == since:
            self._replica.log(vllm.NO_BLOCK, int(SILENCE))

    def _time_out(self, since: float) -> None:
        replica = self._replica
        if self._waiting_since == since and not replica.value("frozen"):  # a frozen container counts no time
            replica.log(vllm.EXECUTE_TIMED_OUT)
            replica.die("execute timeout")
