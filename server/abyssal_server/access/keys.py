"""API keys: made once, shown once, stored as SHA-256.

A key is ``abyssal_ID_SECRET``: the id (16 hex digits) finds the row, the secret has 256 random bits, so a fast hash is
as good as a slow one: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abyssal.errors import ConfigError, UsageError
from abyssal.files import write_json
from abyssal_server.access.files import WatchedFiles, read_secret_file
from abyssal_server.access.roles import Caller, Role

PREFIX = "abyssal_"
FORMAT = "abyssal-keys"
FORMAT_VERSION = 1
_KEY = re.compile(r"abyssal_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class ApiKey:
    """What is stored of a key.

    Attributes:
        id: 16 hex digits; part of the key.
        name: who has it; several keys may have one name, for a change without a pause.
        role: what its holder may do.
        sha256: of the whole key, as 64 hex digits.
    """

    id: str
    name: str
    role: Role
    sha256: str


def new_key(name: str, role: Role) -> tuple[str, ApiKey]:
    """Return a new key and what to store of it.

    Raises:
        UsageError: the name is not one of 1 to 64 letters, digits and ``_.@-``.
    """
    if not _NAME.fullmatch(name):
        message = f"{name!r} is no name for a key; expected 1 to 64 letters, digits, '_', '.', '@' or '-'"
        raise UsageError(message)
    number = secrets.token_hex(8)
    key = f"{PREFIX}{number}_{secrets.token_urlsafe(32)}"
    return key, ApiKey(number, name, role, _digest(key))


def read_keys(path: Path) -> list[ApiKey]:
    """Return the stored keys.

    Raises:
        ConfigError: the file is no key file; says where.
    """
    text = read_secret_file(path, "the API keys (made by `abyssal keys add`)")
    try:
        content = json.loads(text)
    except ValueError as error:
        message = f"{path}: is no key file ({error}); make one with `abyssal keys add`"
        raise ConfigError(message) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        message = f'{path}: is no key file; expected {{"format": "{FORMAT}", ...}} as `abyssal keys add` writes it'
        raise ConfigError(message)
    if content.get("format_version") != FORMAT_VERSION or not isinstance(content.get("keys"), list):
        message = f"{path}: has format_version {content.get('format_version')}; expected {FORMAT_VERSION} and keys"
        raise ConfigError(message)
    return [_stored(path, number, row) for number, row in enumerate(content["keys"])]


def write_keys(path: Path, keys: Iterable[ApiKey]) -> None:
    """Write a key file that only its owner may read."""
    rows = [{"id": key.id, "name": key.name, "role": key.role.word, "sha256": key.sha256} for key in keys]
    write_json(path, {"format": FORMAT, "format_version": FORMAT_VERSION, "keys": rows})
    path.chmod(0o600)


class KeyRing:
    """The keys of a file; a changed file counts from the next call on.

    Args:
        path: the key file.

    Raises:
        ConfigError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._keys = WatchedFiles([path], lambda: {key.id: key for key in read_keys(path)})

    @property
    def has_admin(self) -> bool:
        """Whether somebody may change models."""
        return any(key.role is Role.ADMIN for key in self._keys.value.values())

    def caller(self, credential: str) -> Caller | None:
        """Return who has this key, None when nobody has; takes equally long for a wrong id and a wrong secret."""
        found = _KEY.fullmatch(credential)
        stored = self._keys.value.get(found[1]) if found else None
        fits = hmac.compare_digest(_digest(credential), stored.sha256 if stored else _NOBODY)
        return Caller(f"key:{stored.name}", stored.role) if stored and fits else None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _stored(path: Path, number: int, row: Any) -> ApiKey:
    fields = row if isinstance(row, dict) else {}
    role = Role.named(str(fields.get("role")))
    texts = {name: str(fields.get(name, "")) for name in ("id", "name", "sha256")}
    fits = re.fullmatch(r"[0-9a-f]{16}", texts["id"]) and _NAME.fullmatch(texts["name"])
    if role is None or not fits or not _DIGEST.fullmatch(texts["sha256"]):
        message = f"{path}: entry {number} of keys is no key; expected id (16 hex digits), name, sha256 (64 hex "
        message += f"digits) and role ({', '.join(role.word for role in Role)})"
        raise ConfigError(message)
    return ApiKey(texts["id"], texts["name"], role, texts["sha256"])
