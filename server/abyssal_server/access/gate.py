"""Lets callers in or not; the same object serves unary calls, streams and REST requests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING

from abyssal.errors import ConfigError
from abyssal_server.access.keys import PREFIX, KeyRing
from abyssal_server.access.roles import Caller, Role, role_for
from abyssal_server.access.secrets import read_admin_token
from abyssal_server.access.tokens import TokenVerifier, looks_like_token
from abyssal_server.errors import Unauthenticated

if TYPE_CHECKING:
    from abyssal_server.settings import AccessSettings

_BEARER = "bearer "

Metadata = Iterable[tuple[str, str | bytes]]

CALLER: ContextVar[Caller] = ContextVar("caller")
"""The caller of the call at hand; the interceptor sets it before anything else."""


class Gate:
    """Decides who calls and what they may.

    Without keys and tokens everybody may classify, each connection counts as one caller, and only the admin token
    opens more.

    Args:
        keys: API keys, None when there are none.
        tokens: checks JSON web tokens, None when none are accepted.
        admin_token: SHA-256 of the admin token (32 bytes), None when there is none.
    """

    def __init__(
        self, *, keys: KeyRing | None = None, tokens: TokenVerifier | None = None, admin_token: bytes | None = None
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._admin_token = admin_token

    @property
    def open(self) -> bool:
        """Whether classifying needs no credential."""
        return self._keys is None and self._tokens is None

    @property
    def has_admin(self) -> bool:
        """Whether any credential opens what is for admins."""
        by_key = self._keys is not None and self._keys.has_admin
        return by_key or self._tokens is not None or self._admin_token is not None

    def caller(self, credential: str, peer: str) -> Caller:
        """Return who has this credential.

        Args:
            credential: what followed ``Bearer``; may be empty.
            peer: names a caller without a credential where none is needed.

        Raises:
            Unauthenticated: a credential is needed and there is none, or nobody gave this one out.
        """
        found = self._known(credential) if credential else None
        if found is not None:
            return found
        if self.open:
            return Caller(peer, Role.INFER, known=False)
        message = "nobody gave this credential out; ask for a new one"
        if not credential:
            message = "this service needs a credential; send `authorization: Bearer KEY` (abyssal classify: --key-file)"
        raise Unauthenticated(message)

    def admit(self, method: str, metadata: Metadata, peer: str) -> Caller:
        """Return who calls ``/package.Service/Method``.

        Raises:
            Unauthenticated: nobody knows who calls.
            Forbidden: the caller may not.
        """
        caller = self.caller(bearer_token(metadata), peer)
        caller.require(role_for(method))
        return caller

    def _known(self, credential: str) -> Caller | None:
        if credential.startswith(PREFIX):
            return self._keys.caller(credential) if self._keys is not None else None
        if self._tokens is not None and looks_like_token(credential):
            return self._tokens.caller(credential)
        found = hashlib.sha256(credential.encode()).digest()
        if self._admin_token is not None and hmac.compare_digest(found, self._admin_token):
            return Caller("admin", Role.ADMIN)
        return None


def bearer_token(metadata: Metadata) -> str:
    """Return what follows ``Bearer`` in an ``authorization`` entry, or an empty string."""
    for key, value in metadata:
        if key.lower() == "authorization" and isinstance(value, str) and value[: len(_BEARER)].lower() == _BEARER:
            return value[len(_BEARER) :].strip()
    return ""


def gate_of(settings: AccessSettings) -> Gate:
    """Return the gate that settings ask for.

    Raises:
        ConfigError: a file of theirs cannot be used; or ``admin`` is set and no credential opens it.
    """
    tokens = None
    if settings.jwt_key_file is not None:
        tokens = TokenVerifier(settings.jwt_key_file, audience=settings.jwt_audience, issuer=settings.jwt_issuer)
    gate = Gate(
        keys=None if settings.keys_file is None else KeyRing(settings.keys_file),
        tokens=tokens,
        admin_token=read_admin_token(settings.admin_token.get_secret_value(), settings.admin_token_file),
    )
    if settings.admin and not gate.has_admin:
        message = "ModelAdmin is asked for without a credential; give --admin-token-file FILE, ABYSSAL_ADMIN_TOKEN, "
        message += "ABYSSAL_ADMIN_TOKEN_FILE, a key with the role admin (abyssal keys add) or ABYSSAL_JWT_KEY_FILE"
        raise ConfigError(message)
    return gate
