"""Logins of the web page: a random cookie whose SHA-256 is stored, and a token against forged requests."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from abyssal.stores.collections import SESSIONS
from abyssal.stores.documents import ID, DocumentStore, Span
from abyssal_server.access import Caller, Role

COOKIE = "abyssal_session"
CSRF_HEADER = "x-csrf-token"
_PURPOSE = b"csrf"


@dataclass(frozen=True)
class Session:
    """Who is logged in; ``cookie`` is what the browser holds."""

    cookie: str
    caller: Caller
    expires: float

    @property
    def csrf_token(self) -> str:
        """What a page of ours sends along and a page elsewhere cannot know."""
        return hmac.new(self.cookie.encode(), _PURPOSE, hashlib.sha256).hexdigest()

    def fits(self, token: str) -> bool:
        """Whether a request's token is the session's."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.csrf_token.encode())


class Sessions:
    """Sessions in a metadata store, so that they outlive the gateway and hold for all replicas."""

    def __init__(self, store: DocumentStore, hours: float) -> None:
        self._store = store
        self._seconds = 3600 * hours

    def begin(self, caller: Caller) -> Session:
        """Log a caller in."""
        now = time.time()
        self._store.delete(SESSIONS, {"expires": Span(below=now)})
        session = Session(secrets.token_urlsafe(32), caller, now + self._seconds)
        row = {ID: _name(session.cookie), "caller": caller.id, "role": caller.role.word, "expires": session.expires}
        self._store.put(SESSIONS, row)
        return session

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie, None when there is none any more."""
        row = self._store.get(SESSIONS, _name(cookie)) if cookie else None
        role = Role.named(row["role"]) if row else None
        if row is None or role is None or row["expires"] < time.time():
            return None
        return Session(cookie, Caller(row["caller"], role), row["expires"])

    def end(self, cookie: str) -> None:
        """Log out."""
        self._store.delete(SESSIONS, {ID: _name(cookie)})


def _name(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()
