"""The controller's watch over the proxy: a health check every 10 s; three without an answer, and it is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.inference.messages import serve
from twin.mechanics.serving import PROXY_CHECK_FAILURES, PROXY_CHECK_PERIOD, PROXY_CHECK_TIMEOUT

if TYPE_CHECKING:
    from twin.inference.router import Router


class ProxyWatch:
    """A proxy that does not hang answers at once, so only checks of one that hangs are events."""

    def __init__(self, head: Router) -> None:
        self._head = head
        self._failures = 0
        """In a row."""
        self._checking = False

    def look(self) -> None:
        """The proxy may have begun to hang: the check that it will miss is up to a period away."""
        if self._checking or not self._head.proxy.hangs:
            return
        self._failures = 0
        world = self._head.world
        wait = PROXY_CHECK_PERIOD * world.streams["serve/health"].uniform("proxy", int(world.now))
        self._expect_answer(wait + PROXY_CHECK_TIMEOUT)

    def _expect_answer(self, seconds: float) -> None:
        self._checking = True
        clock = self._head.world.clock
        clock.at(clock.now + seconds, lambda _: self._timed_out())

    def _timed_out(self) -> None:
        self._checking = False
        head = self._head
        if not (head.controller.acts and head.proxy.running and head.proxy.hangs):
            return
        self._failures += 1
        head.log(serve.PROXY_TIMED_OUT, head.node_id)
        if self._failures < PROXY_CHECK_FAILURES:
            self._expect_answer(PROXY_CHECK_TIMEOUT)
            return
        head.log(serve.PROXY_CHECKS_FAILED, head.node_id, self._failures)
        head.proxy.replace()
        self.look()  # the next one may hang as well
