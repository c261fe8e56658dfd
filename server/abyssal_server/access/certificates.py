"""The service's own certificate, and which callers' certificates it accepts; renewed files need no restart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from abyssal.errors import ConfigError
from abyssal_server.access.files import WatchedFiles


@dataclass(frozen=True)
class Identity:
    """Where the certificates are.

    Attributes:
        certificate: PEM chain of the service.
        key: PEM private key of the service.
        client_authorities: PEM certificates that sign those of callers; None asks callers for none.
    """

    certificate: Path
    key: Path
    client_authorities: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [self.certificate, self.key, *([self.client_authorities] if self.client_authorities else [])]

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Return the files' content.

        Raises:
            ConfigError: one cannot be read, is no PEM, or certificate and key do not belong together.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # gRPC reports a bad pair only as a failed handshake; OpenSSL says so now.
            context.load_cert_chain(self.certificate, self.key, password="")
            authorities = None if self.client_authorities is None else self.client_authorities.read_bytes()
            if authorities is not None:
                context.load_verify_locations(cadata=authorities.decode("ascii"))
            pair = (self.key.read_bytes(), self.certificate.read_bytes())
        except (OSError, ValueError) as error:
            message = f"TLS files {', '.join(map(str, self.files))} cannot be used ({error}); expected PEM files, the "
            message += "key belonging to the first certificate and having no password"
            raise ConfigError(message) from error
        return grpc.ssl_server_certificate_configuration([pair], authorities)


def server_credentials(identity: Identity) -> grpc.ServerCredentials:
    """Return credentials that follow the files: each handshake looks whether they have changed.

    Raises:
        ConfigError: the files cannot be used; later on the last usable ones stay in force.
    """
    watched = WatchedFiles(identity.files, identity.read)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        content, is_new = watched.refreshed()
        return content if is_new else None

    return grpc.dynamic_ssl_server_credentials(
        watched.value,
        changed,  # type: ignore[arg-type]  # None means "as before", which the stubs do not know
        require_client_authentication=identity.client_authorities is not None,
    )
