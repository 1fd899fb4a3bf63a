"""Tokens: what is inside a fernet token, and which have been revoked."""

from __future__ import annotations

from dataclasses import dataclass, field

from twin.mechanics import keystone as facts


@dataclass(frozen=True, slots=True)
class Token:
    """The contents of a fernet token. Times are those of keystone's clock."""

    id: str
    user: str
    project: str
    issued_at: float
    expires_at: float
    stale_key: bool
    """Whether a process made it whose key repository is not that of the others."""


@dataclass
class TokenTable:
    """Tokens by id. Keystone stores none: this stands for what each token says of itself."""

    tokens: dict[str, Token] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    """The revocation events in the database, by the token that they concern."""

    def add(self, token: Token, now: float) -> None:
        """Remember a token; forget those that have expired."""
        if len(self.tokens) >= facts.TOKENS_KEPT:
            self.tokens = {known: t for known, t in self.tokens.items() if t.expires_at > now}
            self.revoked &= self.tokens.keys()
        self.tokens[token.id] = token
