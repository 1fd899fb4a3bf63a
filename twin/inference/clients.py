"""The users of the service: they ask, wait, lose patience, and ask again.

A *call* is what a user wants; an *attempt* is one request for it, and every attempt is a request of its own, with its
own id, as the service sees it. The SLO counts attempts, as a proxy in front of a service does: an answer that the
client no longer waits for is a failure, and so is each retry that fails; a call that succeeds at the second attempt
counts one failure and one success. `Clients` also counts calls, for reports and tests.

Draws are keyed by the number of the call, so that what one call meets changes no other call's luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twin.inference.request import Prefix, Request
from twin.inference.surge import Surge
from twin.inference.workload import Arrival, Asks, arrivals
from twin.scenario.workload import Retries

if TYPE_CHECKING:
    from twin.inference.gateway import Gateway
    from twin.inference.noise import Noise
    from twin.world import World

ATTEMPT, TURN = 1 << 48, 1 << 34
"""Strides of request numbers: who asks again, or goes on, takes no number from anybody else (see also `surge`)."""

MAX_TURNS = 1000
RESERVE = 10.0
"""Retries that a client with a budget may always send (gRPC's retry throttling: at most 10 tokens)."""

CANCEL_MEAN = 4.0
"""Seconds after which users who cancel do so, on average (assumed)."""

NO_RETRIES = Retries(max=0)
SIGNALS = ("success", "ttft", "e2e")


@dataclass(slots=True, eq=False)
class Call:
    """What one user wants. Times in simulated seconds, lengths in tokens."""

    number: int
    began: float
    prompt: int
    output: int
    prefix: Prefix = ()
    client: int = 0
    """Whose it is; each client has an address."""
    attempts: int = 0
    then: Callable[[Call, bool], None] | None = None
    """What the user does with the answer, or without one."""


class Clients:
    """Sends every call through the gateway."""

    def __init__(self, world: World, gateway: Gateway, noise: Noise) -> None:
        self.world = world
        self.gateway = gateway
        self.spec = world.spec.workload
        self.asks = Asks(self.spec, world.streams)
        self.calls = self.attempts = self.succeeded = self.given_up = self.cancelled = self.impatient = 0
        """Calls begun, requests sent for them, calls answered, given up and cancelled, requests that timed out."""
        self._retries = self.spec.retries or NO_RETRIES
        self._credit = RESERVE
        self._waiting: dict[int, Call] = {}
        """Calls with a request under way, by the request's id."""
        self._arrivals = arrivals(self.spec, world.streams)
        self._backoff, self._think = world.streams["clients/backoff"], world.streams["clients/think"]
        self._turns, self._thinning = world.streams["clients/turns"], world.streams["clients/thinning"]
        self._shift = world.streams["clients/shift"]
        self._noise, self._cancelled = noise, world.spec.benign.cancelled
        self._cancels = world.streams["noise/cancel"]
        self._number = 0
        self._surge = Surge(self)

    def start(self) -> None:
        """Let clients come from now on."""
        closed = self.spec.arrivals.concurrency if self.spec.arrivals else None
        if closed is not None:
            for user in range(closed.users):
                self._expect_user(closed.ramp * user / closed.users, user, 0)
        self.gateway.on_demand = self._surge.demand_changed
        self._expect_next()

    @property
    def waiting(self) -> int:
        """Requests under way that somebody waits for."""
        return len(self._waiting)

    # --- who comes --------------------------------------------------------------------------------------------

    def _expect_next(self) -> None:
        arrival = next(self._arrivals, None)
        if arrival is not None:
            number = self._number
            self._number += 1
            self.world.clock.at(arrival.time, lambda _: self._arrive(number, arrival))

    def _arrive(self, number: int, arrival: Arrival) -> None:
        factor = self.gateway.value("arrival_rate")
        if factor >= 1.0 or self._thinning.uniform(number) < factor:
            self.call(number, arrival, self._first_turn if self.spec.conversations else None)
        self._expect_next()

    def _expect_user(self, time: float, user: int, count: int) -> None:
        self.world.clock.at(time, lambda _: self._user_asks(user, count))

    def _user_asks(self, user: int, count: int) -> None:
        """A user of the closed loop asks for the `count`-th time, and once more after the answer."""
        closed = self.spec.arrivals.concurrency if self.spec.arrivals else None
        assert closed is not None
        mean = closed.think

        def next_time(call: Call, answered: bool) -> None:
            pause = self._think.exponential(mean, user, count) if mean else 0.0
            self._expect_user(self.world.now + pause, user, count + 1)

        number = user + count * closed.users
        self.call(number, replace(self.asks.of(self.world.now, number), client=user), next_time)

    def _first_turn(self, call: Call, answered: bool) -> None:
        self._next_turn(call.number, 1, call, answered)

    def _next_turn(self, conversation: int, turn: int, last: Call, answered: bool) -> None:
        """After an answer the user thinks, and goes on unless all is said or the context is full."""
        spec = self.spec.conversations
        assert spec is not None
        ends = self._turns.uniform(conversation, turn) >= 1.0 - 1.0 / spec.turns
        if not answered or ends or turn >= MAX_TURNS:
            return
        pause = self._think.exponential(spec.think, conversation, turn) if spec.think else 0.0
        time = self.world.now + pause
        message = self.asks.of(time, conversation, turn)
        said = last.prompt + last.output
        prompt = said + message.prompt
        if prompt + 1 > self.gateway.max_length:
            return
        shared = tuple(p for p in last.prefix if not str(p[0]).startswith("talk"))
        prefix = (*shared, (f"talk {conversation}", prompt + message.output))
        arrival = Arrival(time, prompt, message.output, prefix, last.client)
        number = conversation + turn * TURN
        self.world.clock.at(
            time, lambda _: self.call(number, arrival, lambda c, a: self._next_turn(conversation, turn + 1, c, a))
        )

    # --- calls ------------------------------------------------------------------------------------------------

    def call(self, number: int, ask: Arrival, then: Callable[[Call, bool], None] | None = None) -> None:
        """A user calls now."""
        self.calls += 1
        self._noise.beside(number)
        if self._retries.budget is not None:
            self._credit = min(RESERVE, self._credit + self._retries.budget)
        prompt, output = self._shifted(number, ask)
        prefix = ask.prefix
        output = min(output, max(1, self.gateway.max_length - prompt))
        if self.spec.conversations is not None and not any(str(p[0]).startswith("talk") for p in prefix):
            prefix = (*prefix, (f"talk {number}", prompt + output))
        self._attempt(Call(number, self.world.now, prompt, output, prefix, ask.client, then=then))

    def _shifted(self, number: int, ask: Arrival) -> tuple[int, int]:
        """Lengths as users ask for them just now."""
        gateway = self.gateway
        if not gateway.conditions or self._shift.uniform(number) >= gateway.value("shifted_share"):
            return ask.prompt, ask.output
        prompt, output = gateway.value("prompt_length"), gateway.value("output_length")
        return max(1, round(ask.prompt * prompt)), max(1, round(ask.output * output))

    def _attempt(self, call: Call) -> None:
        now = self.world.now
        request = Request(
            call.number + call.attempts * ATTEMPT,
            now,
            call.prompt,
            call.output,
            call.prefix,
            call.client,
            on_end=self._ended,
        )
        call.attempts += 1
        self.attempts += 1
        self._waiting[request.id] = call
        whole = min(self.spec.client_timeout or math.inf, self.gateway.value("client_timeout"))
        first = self.spec.first_token_timeout
        if whole < math.inf:
            self.world.clock.at(now + whole, lambda _: self._lose_patience(request))
        if self._cancelled and self._cancels.uniform(call.number) < self._cancelled:
            pause = self._cancels.exponential(CANCEL_MEAN, call.number, "pause")
            self.world.clock.at(now + pause, lambda _: self._cancel(request))
        if first is not None and first < whole:
            self.world.clock.at(now + first, lambda _: self._miss_first_token(request))
        self.gateway.submit(request)

    def _cancel(self, request: Request) -> None:
        """The user does not want the answer any more. That is nobody's failure, unless it was late by then."""
        call = self._waiting.pop(request.id, None)
        if call is None:
            return
        self.cancelled += 1
        for signal in SIGNALS:
            self.world.slo.met(signal, request.id, self.world.now)
        self.gateway.client_gone(request)
        if call.then is not None:
            call.then(call, False)

    def _miss_first_token(self, request: Request) -> None:
        if not self.gateway.streams(request):  # what the engine made may still be on its way
            self._lose_patience(request)

    def _lose_patience(self, request: Request) -> None:
        """The client hangs up. To its user, and so to the SLO, the request has failed."""
        call = self._waiting.pop(request.id, None)
        if call is None:
            return
        self.impatient += 1
        for signal in SIGNALS:
            self.world.slo.failed(signal, request.id)
        self.gateway.client_gone(request)
        self._failed(call)

    def _ended(self, request: Request) -> None:
        """The gateway is done with a request."""
        call = self._waiting.pop(request.id, None)
        if call is None:
            return
        if request.status == 200:
            self._finish(call, True)
        elif 400 <= request.status < 500 and request.status not in (408, 409, 429):
            self._finish(call, False)  # the client's own mistake: asking again would not help
        else:
            self._failed(call)

    def _failed(self, call: Call) -> None:
        """An attempt was in vain: try again after a pause, unless enough is enough."""
        retries = self._retries
        allowed = retries.max + self.gateway.value("client_retries")
        if call.attempts > allowed or (retries.budget is not None and self._credit < 1.0):
            self._finish(call, False)
            return
        self._credit -= 1.0
        pause = min(retries.max_backoff, retries.backoff * 2.0 ** (call.attempts - 1))
        pause *= 1.0 - retries.jitter * self._backoff.uniform(call.number, call.attempts)
        pause *= self.gateway.value("client_backoff")
        self.world.clock.at(self.world.now + pause, lambda _: self._attempt(call))

    def _finish(self, call: Call, answered: bool) -> None:
        if answered:
            self.succeeded += 1
        else:
            self.given_up += 1
        if call.then is not None:
            call.then(call, answered)
