"""Keystone's tokens: fernet tokens are issued with a password and validated by reading them."""

from __future__ import annotations

from typing import Any

from twin.mechanics import keystone as facts
from twin.mechanics import openstack as work
from twin.openstack.keystone import logs
from twin.openstack.keystone.exception import TokenNotFound, Unauthorized, ValidationError
from twin.openstack.keystone.tables import Token
from twin.openstack.oslo.context import Context, aside
from twin.openstack.oslo.flow import Flow
from twin.openstack.oslo.service import Service, Steps


class TokenFormatter(Flow):
    """keystone.token.token_formatters.TokenFormatter, with the key repository on disk.

    Under the condition `fernet_mismatch` a share of keystone's processes has read another repository than the rest (a
    rotation that did not reach every node): what the ones encrypt, the others cannot read.
    """

    source = "keystone.token.token_formatters"

    def create_token(self, context: Context) -> Token:
        """A new token, by some process."""
        trace = context.trace
        trace.draws += 1
        identity = self.world.streams["keystone/token"].hexadecimal(32, trace.key, trace.draws)
        now = self.world.now + self.service.clock_offset
        who = context.request
        return Token(identity, who.user, who.project, now, now + facts.TOKEN_LIFE, self._stale(context))

    def validate_token(self, context: Context, token: str) -> Token:
        """Read a token. Raises ValidationError."""
        known = self.site.identity.tokens.get(token)
        if known is None or known.stale_key != self._stale(context):
            raise ValidationError("Could not recognize Fernet token")
        return known

    def _stale(self, context: Context) -> bool:
        """Whether the process that has the request uses the other keys."""
        share = self.service.value("fernet_mismatch")
        if not share:
            return False
        return self.world.streams["keystone/process"].uniform(*aside(context, "process")) < share


class Manager(Flow):
    """keystone.token.provider.Manager."""

    source = "keystone.token.provider"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.driver = TokenFormatter(service)

    def issue_token(self, context: Context) -> Steps:
        """A token for who has shown a password."""
        yield from self.sql(context, work.API["token"].statements)
        token = self.driver.create_token(context)
        self.site.identity.add(token, self.world.now)
        return token

    def validate_token(self, context: Context, token_id: str) -> Steps:
        """A valid token. Raises TokenNotFound."""
        try:
            token = self.driver.validate_token(context, token_id)
        except ValidationError as error:
            raise TokenNotFound(str(error)) from error
        yield from self.sql(context, work.API["validate"].statements)
        if token.expires_at <= self.world.now + self.service.clock_offset or token_id in self.site.identity.revoked:
            raise TokenNotFound("Failed to validate token")
        return token

    def revoke_token(self, context: Context, token_id: str) -> Steps:
        """Write a revocation event."""
        yield from self.sql(context, 3, write=True)
        self.site.identity.revoked.add(token_id)


class AuthResource(Flow):
    """keystone.api.auth: the requests about tokens."""

    source = "keystone.api.auth"

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.token_provider = Manager(service)

    def post(self, context: Context) -> Steps:
        """Issue a token for a password; the body."""
        yield from self.think(context, work.API["token"].python)
        self.say(logs.KEYSTONE_PASSWORD, context)
        token = yield from self.token_provider.issue_token(context)
        return {"id": token.id, "expires_at": token.expires_at}

    def get(self, context: Context, own: str, subject: str) -> Steps:
        """Validate a token for a service that shows its own. Raises Unauthorized, TokenNotFound."""
        yield from self.think(context, work.API["validate"].python)
        if own:
            yield from self._process_request(context, own)
        token = yield from self.token_provider.validate_token(context, subject)
        return {"id": token.id, "expires_at": token.expires_at}

    def delete(self, context: Context, subject: str) -> Steps:
        """Revoke a token."""
        yield from self.think(context, work.API["validate"].python)
        yield from self.token_provider.revoke_token(context, subject)

    def _process_request(self, context: Context, own: str) -> Steps:
        """The middleware before each request (auth_context): who asks?"""
        try:
            yield from self.token_provider.validate_token(context, own)
        except TokenNotFound as error:
            self.exception(logs.TOKEN_NOT_ACCEPTED, context, error, "Invalid token")
            raise Unauthorized() from error


def issued_before(service: Service, user: str, until: float) -> Any:
    """A token that a service got before the beginning of time, valid until the given second."""
    identity = service.world.streams["keystone/token"].hexadecimal(32, service.name, "first")
    return Token(identity, user, "service", until - facts.TOKEN_LIFE, until, False)
