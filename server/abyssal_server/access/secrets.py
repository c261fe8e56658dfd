"""The admin token: one secret for changes of models where nobody keeps a key file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from abyssal.errors import ConfigError
from abyssal_server.access.files import read_secret_file

SHORTEST_SECRET = 32
_HASHED = "sha256:"


def read_admin_token(secret: str, file: Path | None) -> bytes | None:
    """Return the SHA-256 of the admin token, None when there is none.

    Args:
        secret: the token, or ``sha256:`` and 64 hex digits; may be empty.
        file: a file with the same in its first line; wins over ``secret``.

    Raises:
        ConfigError: the file cannot be read, or the token is too short to be a secret.
    """
    if file is not None:
        secret = read_secret_file(file, "the admin token")
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
