"""Keys, tokens and certificates for tests of access."""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from abyssal_server.access import Role, new_key
from abyssal_server.access.keys import write_keys

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def key_file(path: Path) -> Mapping[str, str]:
    """Write a key file with one key a role; returns the keys by role."""
    made = {role.word: new_key(f"a-{role.word}", role) for role in Role}
    write_keys(path, [stored for _, stored in made.values()])
    return {role: key for role, (key, _) in made.items()}


def public_pem(key: PrivateKey) -> bytes:
    """Return the public half."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: PrivateKey) -> bytes:
    """Return the private half."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signed(key: PrivateKey | str, algorithm: str, **claims: object) -> str:
    """Return a token; a claim that is None is left out."""
    usual = {"sub": "ada", "aud": "abyssal", "exp": int(time.time()) + 600, "role": "infer", **claims}
    secret = key if isinstance(key, str) else private_pem(key).decode()
    return jwt.encode({name: value for name, value in usual.items() if value is not None}, secret, algorithm)


@dataclass(frozen=True)
class Certificates:
    """A certificate authority that lives in a folder."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def made(cls, folder: Path, name: str) -> Certificates:
        """Return a new authority; its certificate is in ``ca``."""
        key = ec.generate_private_key(ec.SECP256R1())
        authority = cls(folder, name, key, _certificate(name, key.public_key(), name, key, authority=True))
        authority.ca.write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def ca(self) -> Path:
        """Its certificate."""
        return self.folder / f"{self.name}-ca.pem"

    def issue(self, name: str, stem: str) -> tuple[Path, Path]:
        """Write a certificate for loopback and its key; returns both paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = _certificate(name, key.public_key(), self.name, self.key, authority=False)
        paths = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        paths[0].write_bytes(issued.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(private_pem(key))
        return paths


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, issuer: str, issuer_key: PrivateKey, *, authority: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder(names[1], names[0], key, x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
