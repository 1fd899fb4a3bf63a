"""Benign noise: what an operator sees on a good day and must not take for a fault.

Bad requests, health checkers, robots and deployments. (Users who cancel are in `clients`.) A deployment is noted in the
truth as benign, so that an evaluation can count who raised an alarm over it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from twin.actions.action import Action, Ticket
from twin.actions.renewal import interrupt_and_renew
from twin.inference.gateway import PATH
from twin.mechanics.hazards import pick
from twin.process import State
from twin.scenario.background import Rollout
from twin.truth import Benign

if TYPE_CHECKING:
    from twin.inference.gateway import Gateway
    from twin.inference.replica import Replica
    from twin.inference.router import Router
    from twin.world import World

SDK = "openai-python/1.30.1"

BAD_REQUESTS = ((0.6, PATH, 400, 178), (0.3, "/v1/chat/completion", 404, 153), (0.1, PATH, 413, 183))
"""(share, path, status, bytes) of requests that are refused unread: bad JSON or parameters, a wrong path, a body over
client_max_body_size. The shares are assumed."""

CHECKER = ("10.42.2.5", "GET /health", "Blackbox-Exporter/0.25.0")

PAGES = ("GET /robots.txt", "GET /favicon.ico", "GET /.env", "GET /wp-login.php", "GET /.git/config", "GET /admin")
ROBOTS = (
    "Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)",
    "curl/8.5.0",
    "python-requests/2.32",
)
"""What scanners of the internet ask every public address for, and what they call themselves."""

UP_LIMIT = 900.0
"""A deployment gives up on a replica that is not up after this long (assumed; Kubernetes' progressDeadlineSeconds is
600)."""


class Noise:
    """Sends what the scenario's `noise` asks for."""

    def __init__(self, world: World, gateway: Gateway, router: Router) -> None:
        self.world = world
        self.gateway = gateway
        self.router = router
        self.spec = world.spec.benign
        self._draws = world.streams["noise"]

    def start(self) -> None:
        """Begin."""
        if self.spec.health_checks:
            self._expect_check(1)
        if self.spec.crawlers:
            self._expect_robot(0, 0.0)
        for rollout in self.spec.rollouts:
            self.world.clock.process(self._roll_out(rollout))

    def beside(self, number: int) -> None:
        """A bad request beside call `number`, now and then."""
        if self.spec.malformed and self._draws.uniform("malformed", number) < self.spec.malformed:
            shares = [share for share, *_ in BAD_REQUESTS]
            _, path, status, size = BAD_REQUESTS[pick(shares, self._draws.uniform("mistake", number))]
            address = f"10.42.1.{self._draws.integer(10, 49, 'client', number)}"
            self.gateway.visit(address, path, status, size, SDK)

    def _expect_check(self, number: int) -> None:
        self.world.clock.at(number * self.spec.health_checks, lambda _: self._check(number))

    def _check(self, number: int) -> None:
        client, page, agent = CHECKER
        self.gateway.visit(client, page, 200, 2, agent)
        self._expect_check(number + 1)

    def _expect_robot(self, number: int, since: float) -> None:
        time = since + self._draws.exponential(1.0 / self.spec.crawlers, "robot", number)
        self.world.clock.at(time, lambda _: self._robot(number, time))

    def _robot(self, number: int, time: float) -> None:
        draws = self._draws
        client = f"203.0.113.{draws.integer(1, 254, 'address', number)}"
        page, agent = draws.choice(PAGES, "page", number), draws.choice(ROBOTS, "agent", number)
        self.gateway.visit(client, page, 404, 153, agent)
        self._expect_robot(number + 1, time)

    # --- deployments ------------------------------------------------------------------------------------------

    def _roll_out(self, rollout: Rollout) -> Generator[Any, Any, None]:
        """Replace the replicas one by one, each after its requests have ended."""
        clock = self.world.clock
        yield clock.timeout(rollout.at)
        replicas = [r for r in self.router.replicas if r.state is not State.ABSENT]
        event = Benign("rollout", tuple(r.name for r in replicas), self.world.now)
        self.world.truth.benign.append(event)
        for replica in replicas:
            while self._occupied(replica):
                yield clock.timeout(1.0)
            ticket = Ticket(Action("recreate", replica.name), self.world.now)
            self.world.in_flight[replica.name] = ticket  # seen as busy, as any operation on it is
            yield from interrupt_and_renew(replica, ticket)
            ticket.finished = self.world.now
            if self.world.in_flight.get(replica.name) is ticket:
                del self.world.in_flight[replica.name]
            deadline = self.world.now + UP_LIMIT
            while replica.state is not State.RUNNING and self.world.now < deadline:
                yield clock.timeout(1.0)
            yield clock.timeout(rollout.pause)
        event.ended = self.world.now

    def _occupied(self, replica: Replica) -> bool:
        return any(c.name in self.world.in_flight for c in (replica, *replica.places()))
