"""JSON web tokens (RFC 7519) with a role, signed by whoever runs the sign-on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abyssal.errors import ConfigError
from abyssal_server.access.files import WatchedFiles, read_secret_file
from abyssal_server.access.roles import Caller, Role
from abyssal_server.access.secrets import SHORTEST_SECRET
from abyssal_server.errors import Unauthenticated

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

_LEEWAY_SECONDS = 30
_PEM = "-----BEGIN"


@dataclass(frozen=True)
class _Verifier:
    """A key and the only algorithm that it is used with: a token never chooses how it is checked."""

    key: PublicKeyTypes | bytes
    algorithm: str


class TokenVerifier:
    """Checks signature, validity, audience and issuer, and reads the role.

    Args:
        key_file: PEM public key (RSA, P-256, Ed25519) or, for HS256, a shared secret of 32 characters or more.
        audience: what ``aud`` must name.
        issuer: what ``iss`` must be; empty accepts any.

    Raises:
        ConfigError: the key cannot be used.
    """

    def __init__(self, key_file: Path, *, audience: str, issuer: str = "") -> None:
        self._verifier = WatchedFiles([key_file], lambda: _verifier(key_file))
        self._audience = audience
        self._issuer = issuer

    def caller(self, token: str) -> Caller:
        """Return who a token speaks for: ``sub``, with the highest role of ``role`` and ``roles``.

        Raises:
            Unauthenticated: it is not valid; says why, without saying more than the holder can see in it.
        """
        import jwt

        verifier = self._verifier.value
        try:
            claims = jwt.decode(
                token, verifier.key, algorithms=[verifier.algorithm], audience=self._audience,  # type: ignore[arg-type]
                issuer=self._issuer or None, leeway=_LEEWAY_SECONDS, options={"require": ["exp", "sub", "aud"]},
            )  # fmt: skip
        except jwt.InvalidTokenError as error:
            message = f"the JSON web token is not valid ({error})"
            raise Unauthenticated(message) from error
        roles = _roles(claims)
        if not roles:
            message = "the JSON web token names no role; expected role or roles with read, infer or admin"
            raise Unauthenticated(message)
        return Caller(f"jwt:{str(claims['sub'])[:64]}", max(roles))


def looks_like_token(credential: str) -> bool:
    """Return whether a credential has the three parts of a signed token."""
    return credential.count(".") == 2


def _roles(claims: dict[str, Any]) -> list[Role]:
    several = claims.get("roles")
    named = [claims.get("role"), *(several if isinstance(several, list) else ())]
    return [role for role in (Role.named(name) for name in named if isinstance(name, str)) if role is not None]


def _verifier(path: Path) -> _Verifier:
    text = read_secret_file(path, "the key that checks JSON web tokens")
    if not text.startswith(_PEM):
        if len(text) < SHORTEST_SECRET:
            message = f"{path}: a shared secret needs {SHORTEST_SECRET} characters or more, found {len(text)}"
            raise ConfigError(message)
        return _Verifier(text.encode(), "HS256")
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(text.encode())
    except ValueError as error:
        message = f"{path}: is no PEM public key ({error}); give the public key, never the private one"
        raise ConfigError(message) from error
    if isinstance(key, rsa.RSAPublicKey):
        return _Verifier(key, "RS256")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return _Verifier(key, "ES256")
    if isinstance(key, ed25519.Ed25519PublicKey):
        return _Verifier(key, "EdDSA")
    message = f"{path}: this kind of key is not used; expected RSA, P-256 or Ed25519"
    raise ConfigError(message)
