"""Requests of those who use the cloud: a token, requests with it, and what came of them.

Every request is counted in `Requests` and judged for the `api` objective. A client sees an answer, never a service.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from simpy.events import Event

from twin.mechanics.tenants import TOKEN_LIFE, TOKEN_STALE
from twin.openstack.oslo.context import new_context
from twin.openstack.oslo.exceptions import REASONS
from twin.openstack.oslo.service import Steps
from twin.openstack.oslo.wsgi import Response
from twin.openstack.site import Site
from twin.streams import Key

if TYPE_CHECKING:
    from twin.world import World


@dataclass(slots=True)
class Requests:
    """What became of the clients' API requests (invariant: request conservation)."""

    sent: int = 0
    answered: int = 0  # below 500
    failed: int = 0  # 5xx from a service, or refused
    timed_out: int = 0  # 504

    @property
    def in_flight(self) -> int:
        return self.sent - self.answered - self.failed - self.timed_out


@dataclass(frozen=True, slots=True)
class ApiError:
    """What a client prints when a call did not do what it was asked for. `time` in seconds."""

    kind: Literal["api", "timeout", "state"]
    """An answer that is an error; none in time; or one that says that something is not as it must be."""
    service: str
    operation: str
    status: int
    """0 where the client stumbled over the answer itself."""
    message: str
    time: float


class RequestError(Exception):
    """A call of a client did not succeed."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(f"{error.service} {error.operation}: {error.message} (HTTP {error.status})")
        self.error = error


class Session:
    """One user's way into the cloud, as keystoneauth's session: it has a token and renews it in time.

    `key` names the client. Its requests for an operation are numbered, so that each has its own draws: how often it had
    to look until a server was there does not change how its deletion goes.
    """

    def __init__(self, site: Site, requests: Requests, user: str, project: str, *key: Key) -> None:
        self.site = site
        self.world: World = site.world
        self.requests = requests
        self.user = user
        self.project = project
        self.key = key
        self._asked: Counter[str] = Counter()
        self.traces: list[str] = []
        """The trace id of each of its requests so far."""
        self.errors = 0
        """Answers of 500 and more."""
        self._token = ""
        self._token_until = 0.0

    # --- requests ------------------------------------------------------------------------------------------------

    def send(self, service: str, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        """One request with a valid token; the `Response`. Raises RequestError where keystone gives none."""
        if self.world.now >= self._token_until - TOKEN_STALE:
            yield from self.authenticate()
        response: Response = yield self._request(service, operation, method, uri, arguments)
        if response.status == 401:  # revoked, or keystone has been rebuilt: once more with a new one
            yield from self.authenticate()
            response = yield self._request(service, operation, method, uri, arguments)
        return response

    def ask(self, service: str, operation: str, method: str, uri: str, **arguments: Any) -> Steps:
        """The body of an answer. Raises RequestError for a status of 400 or more."""
        response = yield from self.send(service, operation, method, uri, **arguments)
        if response.status >= 400:
            raise self.failure(service, operation, response)
        return response.body

    def authenticate(self) -> Steps:
        """Get a token from keystone. Raises RequestError."""
        self._token, self._token_until = "", 0.0
        response: Response = yield self._request("keystone", "token", "POST", "/v3/auth/tokens", {})
        if response.status >= 400:
            raise self.failure("keystone", "token", response)
        self._token = response.body["id"]
        self._token_until = self.world.now + TOKEN_LIFE

    def forget_token(self) -> None:
        """A new process of the client knows no token."""
        self._token_until = 0.0

    def failure(self, service: str, operation: str, response: Response) -> RequestError:
        """What an answer of 400 or more means for the client."""
        kind: Literal["api", "timeout"] = "timeout" if response.status == 504 else "api"
        message = response.message or REASONS.get(response.status, "Error")
        return RequestError(ApiError(kind, service, operation, response.status, message, self.world.now))

    # --- one request ---------------------------------------------------------------------------------------------

    def _request(self, service: str, operation: str, method: str, uri: str, arguments: dict[str, Any]) -> Event:
        """Send it, count it and judge it: `api` is met by an answer below 500."""
        world, slo, requests = self.world, self.world.slo, self.requests
        requests.sent += 1
        self._asked[operation] += 1
        key = (*self.key, operation, self._asked[operation])
        context = new_context(world, self.user, self.project, *key, token=self._token)
        self.traces.append(context.trace.id)
        slo.opened("api", key, world.now)
        answer = self.site.endpoint(service).serve(context, operation, method, uri, **arguments)

        def judge(event: Event) -> None:
            response: Response = event.value  # type: ignore[assignment]
            if response.status < 500:
                requests.answered += 1
                slo.met("api", key, world.now)
            else:
                self.errors += 1
                requests.timed_out += response.status == 504
                requests.failed += response.status != 504
                slo.failed("api", key)

        assert answer.callbacks is not None
        answer.callbacks.append(judge)
        return answer
