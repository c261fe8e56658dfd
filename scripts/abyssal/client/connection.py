"""How a client reaches a service: plain or behind TLS, with or without a credential."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from abyssal.errors import UsageError

KEY_VARIABLE = "ABYSSAL_KEY"
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Access:
    """What a service asks its callers for.

    Attributes:
        key: API key, JSON web token or admin token; empty for none.
        tls: whether the service is behind TLS; any of the files below says so, too.
        authorities: PEM file of the certificates that sign the service's; None for those of the system.
        certificate: PEM file of the caller's own certificate, where the service asks for one.
        certificate_key: PEM file of its private key.
    """

    key: str = ""
    tls: bool = False
    authorities: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None

    @property
    def metadata(self) -> Metadata:
        """What every call carries."""
        return (("authorization", f"Bearer {self.key}"),) if self.key else ()

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """The channel's credentials, None for a service without TLS.

        Raises:
            UsageError: a file cannot be read, or one of a pair is missing.
        """
        if not (self.tls or self.authorities or self.certificate or self.certificate_key):
            return None
        if (self.certificate is None) != (self.certificate_key is None):
            message = "a caller's certificate and its private key belong together; give both or neither"
            raise UsageError(message)
        return grpc.ssl_channel_credentials(
            _content(self.authorities), _content(self.certificate_key), _content(self.certificate)
        )


def read_key(file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the credential in a file, else that of the variable ABYSSAL_KEY, else an empty string.

    Raises:
        UsageError: the file cannot be read or holds anything else than one line.
    """
    if file is None:
        return environment.get(KEY_VARIABLE, "").strip()
    key = (_content(file) or b"").decode("utf-8", "replace").strip()
    if not key or not key.isprintable() or " " in key:
        message = f"{file}: holds no credential; expected one line with an API key or a JSON web token"
        raise UsageError(message)
    return key


def _content(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        message = f"{file}: cannot be read ({error.strerror})"
        raise UsageError(message) from error
