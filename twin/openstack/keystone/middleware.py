"""keystonemiddleware: what stands before every other API and asks keystone about tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.mechanics import keystone as facts
from twin.openstack.infrastructure.memcached import TokenCache
from twin.openstack.keystone.token import issued_before
from twin.openstack.oslo import logs
from twin.openstack.oslo.context import Context
from twin.openstack.oslo.exceptions import HttpError, SSLError
from twin.openstack.oslo.service import Steps

if TYPE_CHECKING:
    from twin.openstack.oslo.wsgi import ApiService

UNAUTHORIZED, UNAVAILABLE = 401, 503
DISCOVERY_FAILED = (
    "Could not find versioned identity endpoints when attempting to authenticate. "
    "Please check that your auth_url is correct. {}"
)
INVALID_TOKEN = "keystonemiddleware.auth_token._exceptions.InvalidToken: Token authorization failed"
OWN_REFUSED = "Identity server rejected authorization necessary to fetch token data"


class AuthProtocol:
    """keystonemiddleware.auth_token.AuthProtocol of one service.

    A token is looked up in the cache, else validated by keystone, for which the service shows a token of its own. What
    keystone does not know is answered with 401; what keystone cannot say, with 503. Whether a token has expired is
    judged by the service's own clock. It logs nothing below WARNING (oslo.log's `default_log_levels`).
    """

    def __init__(self, service: ApiService) -> None:
        self.service = service
        self.world = service.world
        self.cache = TokenCache(service)
        self._own = ""
        self._own_until = 0.0

    def forget(self) -> None:
        """A new process; that of the beginning has got itself a token some time ago."""
        self.cache.forget()
        self._own = ""
        if self.world.now == 0:
            until = self.world.streams["keystone/own"].between(0.0, facts.TOKEN_LIFE, self.service.name)
            token = issued_before(self.service, self.service.kind, until)
            self.service.site.identity.tokens[token.id] = token
            self._own, self._own_until = token.id, until

    def process_request(self, context: Context) -> Steps:
        """0 where the request may pass, else the status to answer with."""
        token = context.token
        if not token:
            return 0
        known, lost = self.cache.knows(token)
        if lost:
            yield self.service.clock.timeout(lost)
        if not known:
            status = yield from self._fetch_token(context, token)
            if status:
                return status
            self.cache.add(token)
        return UNAUTHORIZED if self._expired(token) else 0

    def _expired(self, token: str) -> bool:
        """`will_expire_soon(stale_duration=0)` of what the token says, by the clock of the service's machine."""
        known = self.service.site.identity.tokens.get(token)
        return known is not None and known.expires_at <= self.world.now + self.service.clock_offset

    def _fetch_token(self, context: Context, token: str) -> Steps:
        """Ask keystone, and once more with a new token of its own where that one is refused."""
        for last in (False, True):
            try:
                own = yield from self._own_token(context)
                yield from self._ask(context, "validate", "GET", token=token, own=own)
            except SSLError as error:
                return self._give_up(context, DISCOVERY_FAILED.format(error))
            except HttpError as error:
                if _refused(error):
                    return self._give_up(context, str(error))
                if error.status == 404:
                    self._say(logs.TOKEN_UNAUTHORIZED, context, INVALID_TOKEN)
                    return UNAUTHORIZED
                if error.status == UNAUTHORIZED:
                    self._say(logs.KEYSTONE_ANSWERED, context, _body(error), _described(error))
                    self._own = ""
                    if not last:
                        continue
                    return self._give_up(context, OWN_REFUSED)
                reason = str(error).partition(" (HTTP")[0]
                self._say(logs.KEYSTONE_FAILED, context, error.status, reason, _described(error))
                self._say(logs.KEYSTONE_ANSWERED, context, _body(error), _described(error))
                return self._give_up(context, logs.FETCH_FAILED)
            return 0
        return 0

    def _own_token(self, context: Context) -> Steps:
        """The service's token; a new one where it has none or it is about to expire."""
        if not self._own or self._own_until - facts.STALE <= self.world.now + self.service.clock_offset:
            body = yield from self._ask(context, "token", "POST")
            self._own, self._own_until = body["id"], body["expires_at"]
        return self._own

    def _ask(self, context: Context, operation: str, method: str, **arguments: Any) -> Steps:
        """A request to keystone; again where nobody takes the connection (`http_request_max_retries`)."""
        for pause in (*facts.CONNECT_PAUSES, None):
            try:
                return (
                    yield from self.service.clients.request(
                        context, "keystone", operation, method, "/v3/auth/tokens", **arguments
                    )
                )
            except HttpError as error:
                if pause is None or not _refused(error):
                    raise
            yield self.service.clock.timeout(pause)
        return None

    def _give_up(self, context: Context, why: str) -> int:
        self._say(logs.AUTH_CRITICAL, context, why)
        return UNAVAILABLE

    def _say(self, statement: Any, context: Context, *fields: Any) -> None:
        self.service.say(statement, context, *fields)


def _refused(error: HttpError) -> bool:
    """Whether it was no answer at all: nobody listens."""
    return str(error).startswith("Unable to establish connection")


def _body(error: HttpError) -> str:
    """The JSON that keystone sends with an error."""
    message = str(error).replace(f" (HTTP {error.status})", "")
    title = error.kind.rpartition(".")[2]
    return f'{{"error":{{"code":{error.status},"message":"{message}","title":"{title}"}}}}'


def _described(error: HttpError) -> str:
    return f"{error.kind}: {error}"
