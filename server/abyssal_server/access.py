"""Who calls, and what they may: the one place that looks at credentials, for unary calls and streams alike."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from abyssal.errors import ConfigError
from abyssal_server.errors import Unauthenticated

SHORTEST_SECRET = 32
_HASHED = "sha256:"
_BEARER = "bearer "
_ADMIN_METHODS = "/abyssal.inference.v1.ModelAdmin/"

Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Caller:
    """Who calls; calls of one ``id`` share one turn in the queue."""

    id: str


CALLER: ContextVar[Caller] = ContextVar("caller")
"""The caller of the call at hand; the interceptor sets it before anything else."""


class Gate(Protocol):
    """Decides who may call what."""

    def admit(self, method: str, metadata: Metadata, peer: str) -> Caller:
        """Return who calls ``/package.Service/Method``; raises Unauthenticated or Forbidden."""


class OpenGate:
    """Lets everybody classify and, with the admin token, change models.

    Args:
        admin_token: SHA-256 of the token (32 bytes), None when nobody may change models.
    """

    def __init__(self, admin_token: bytes | None = None) -> None:
        self._admin_token = admin_token

    def admit(self, method: str, metadata: Metadata, peer: str) -> Caller:
        """Return the caller: without keys every connection counts as one.

        Raises:
            Unauthenticated: an admin method without the admin token.
        """
        if method.startswith(_ADMIN_METHODS):
            found = hashlib.sha256(bearer_token(metadata).encode()).digest()
            if self._admin_token is None or not hmac.compare_digest(found, self._admin_token):
                message = "ModelAdmin needs the admin token; send `authorization: Bearer TOKEN`"
                raise Unauthenticated(message)
            return Caller("admin")
        return Caller(peer)


def bearer_token(metadata: Metadata) -> str:
    """Return the token of an ``authorization: Bearer`` entry, or an empty string."""
    for key, value in metadata:
        if key == "authorization" and isinstance(value, str) and value[: len(_BEARER)].lower() == _BEARER:
            return value[len(_BEARER) :].strip()
    return ""


def read_admin_token(secret: str, file: Path | None) -> bytes | None:
    """Return the SHA-256 of the admin token, None when there is none.

    Args:
        secret: the token, or ``sha256:`` and 64 hex digits; may be empty.
        file: a file with the same in its first line; wins over ``secret``.

    Raises:
        ConfigError: the file cannot be read, or the token is too short to be a secret.
    """
    if file is not None:
        try:
            secret = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            message = f"{file}: the admin token cannot be read ({error}); expected a text file with one line"
            raise ConfigError(message) from error
        if not secret:
            message = f"{file}: is empty; expected the admin token"
            raise ConfigError(message)
    if not secret:
        return None
    if secret.startswith(_HASHED):
        try:
            digest = bytes.fromhex(secret.removeprefix(_HASHED))
        except ValueError:
            digest = b""
        if len(digest) != hashlib.sha256().digest_size:
            message = f"the admin token begins with {_HASHED} but 64 hex digits do not follow"
            raise ConfigError(message)
        return digest
    if len(secret) < SHORTEST_SECRET:
        message = f"the admin token has {len(secret)} characters, expected {SHORTEST_SECRET} or more; "
        message += "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        raise ConfigError(message)
    return hashlib.sha256(secret.encode()).digest()
