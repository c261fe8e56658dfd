"""Logins of the web page: a random cookie whose SHA-256 is stored, and a token against forged requests.

The credential that somebody logged in with is kept encrypted with their cookie, so that each request is let in as the
credential would be: a key that is withdrawn, or a token that has expired, ends the login, and what is stored opens
nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from cryptography.fernet import Fernet

from abyssal.stores.collections import SESSIONS
from abyssal.stores.documents import ID, DocumentStore, Span
from abyssal_server.access import Caller, Gate
from abyssal_server.errors import Unauthenticated

COOKIE = "abyssal_session"
CSRF_HEADER = "x-csrf-token"


@dataclass(frozen=True)
class Session:
    """Who is logged in; ``cookie`` is what the browser holds."""

    cookie: str
    caller: Caller
    expires: float

    @property
    def csrf_token(self) -> str:
        """What a page of ours sends along and a page elsewhere cannot know."""
        return _derived(self.cookie, "csrf").hex()

    def fits(self, token: str) -> bool:
        """Whether a request's token is the session's."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.csrf_token.encode())


class Sessions:
    """Sessions in a metadata store, so that they outlive the gateway and hold for all replicas.

    Args:
        store: where they are.
        gate: says who has a credential.
        hours: how long a login lasts at most.
    """

    def __init__(self, store: DocumentStore, gate: Gate, hours: float) -> None:
        self._store = store
        self._gate = gate
        self._seconds = 3600 * hours

    def begin(self, credential: str, peer: str) -> Session:
        """Log in.

        Raises:
            Unauthenticated: nobody gave this credential out.
        """
        caller = self._gate.caller(credential or "-", peer)
        if not caller.known:
            message = "nobody gave this key out; ask for a new one"
            raise Unauthenticated(message)
        now = time.time()
        self._store.delete(SESSIONS, {"expires": Span(below=now)})
        session = Session(secrets.token_urlsafe(32), caller, now + self._seconds)
        kept = _cipher(session.cookie).encrypt(credential.encode()).decode()
        self._store.put(SESSIONS, {ID: _name(session.cookie), "credential": kept, "expires": session.expires})
        return session

    def find(self, cookie: str, peer: str) -> Session | None:
        """Return the session of a cookie, None when there is none any more or its credential opens nothing."""
        row = self._store.get(SESSIONS, _name(cookie)) if cookie else None
        if row is None or "credential" not in row or row["expires"] < time.time():
            return None
        try:
            caller = self._gate.caller(_cipher(cookie).decrypt(row["credential"]).decode(), peer)
        except Unauthenticated:
            return None
        return Session(cookie, caller, row["expires"]) if caller.known else None

    def end(self, cookie: str) -> None:
        """Log out."""
        self._store.delete(SESSIONS, {ID: _name(cookie)})


def _name(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()


def _derived(cookie: str, purpose: str) -> bytes:
    return hmac.new(cookie.encode("utf-8", "replace"), purpose.encode(), hashlib.sha256).digest()


def _cipher(cookie: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_derived(cookie, "credential")))
