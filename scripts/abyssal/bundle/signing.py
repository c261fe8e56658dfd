"""Detached signatures of bundles: ``<digest>.sig`` beside the directory, in the format of the OpenSSF's model-signing.

A digest says that nothing changed; a signature says who vouches for it: the holder of a key, or whom an authority gave
a certificate. Signing is optional; with ``ABYSSAL_TRUSTED_KEY`` set to a public key or to the authorities' certificates
(the production switch) every bundle that is opened by its location must carry a valid signature.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from abyssal.bundle.read import Bundle
from abyssal.errors import BundleError, UsageError
from abyssal.files import atomic_path

TRUSTED_KEY_VARIABLE = "ABYSSAL_TRUSTED_KEY"
MAX_SIGNATURE_BYTES = 1 << 20
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def signature_path(bundle: Bundle) -> Path:
    """Return where the signature of a bundle lies."""
    return bundle.directory.resolve().parent / f"{bundle.digest}.sig"


def sign_bundle(
    bundle: Bundle,
    private_key: Path,
    *,
    password: str | None = None,
    certificate: Path | None = None,
    chain: Sequence[Path] = (),
) -> Path:
    """Sign an open bundle with an elliptic-curve key (PEM) and return the signature's path.

    Args:
        bundle: an open bundle.
        private_key: PEM.
        password: of the key; a key with a password signs without a certificate only.
        certificate: PEM that an authority issued for the key; None signs with the bare key.
        chain: certificates between it and the authority.

    Raises:
        UsageError: a file cannot be read, they do not belong together, or model-signing is not installed.
    """
    files = [(private_key, "private key"), *((path, "certificate") for path in (certificate, *chain) if path)]
    for path, what in files:
        _require_file(path, what)
    if certificate is not None and password:
        message = f"{private_key}: a key with a password cannot sign with a certificate; give the key without one"
        raise UsageError(message)
    signer = _signer(private_key, password, certificate, list(chain))
    target = signature_path(bundle)
    with atomic_path(target) as temporary:
        signer.sign(bundle.directory, temporary)
    return target


def _signer(private_key: Path, password: str | None, certificate: Path | None, chain: list[Path]) -> Any:
    configuration = _library("signing").Config()
    try:
        if certificate is None:
            return configuration.use_elliptic_key_signer(
                private_key=private_key, password=password.encode() if password else None
            )
        # The library wants a chain that is not empty; the certificate itself adds nothing to it.
        return configuration.use_certificate_signer(
            private_key=private_key, signing_certificate=certificate, certificate_chain=chain or [certificate]
        )
    except (ValueError, TypeError) as error:
        of = "" if certificate is None else f", or {certificate} is not its certificate"
        message = f"{private_key}: not a readable private key (PEM, elliptic curve), or its password is wrong{of}"
        raise UsageError(message) from error


def verify_signature(bundle: Bundle, trusted: Path) -> None:
    """Check the signature beside a bundle.

    Args:
        bundle: an open bundle.
        trusted: PEM of the public key that must have signed, or of the authorities whose certificates count.

    Raises:
        UsageError: the file cannot be read, or model-signing is not installed.
        BundleError: there is no signature, nobody trusted made it, or it was made for other content.
    """
    _require_file(trusted, "public key or certificate")
    configuration = _library("verifying").Config()
    try:
        if _CERTIFICATE in trusted.read_bytes():
            verifier = configuration.use_certificate_verifier(certificate_chain=[trusted])
        else:
            verifier = configuration.use_elliptic_key_verifier(public_key=trusted)
    except (ValueError, TypeError) as error:
        message = f"{trusted}: not a readable public key (elliptic curve) or certificate (PEM)"
        raise UsageError(message) from error
    signature = signature_path(bundle)
    if signature.is_symlink() or not signature.is_file() or signature.stat().st_size > MAX_SIGNATURE_BYTES:
        message = f"{bundle.directory}: is not signed; expected {signature.name} beside it (abyssal bundle sign)"
        raise BundleError(message)
    from cryptography.exceptions import InvalidSignature
    from OpenSSL.crypto import Error, X509StoreContextError

    # What the library raises on a damaged signature depends on where the damage is.
    damages = (InvalidSignature, ValueError, LookupError, TypeError, AttributeError, OSError, Error)
    try:
        verifier.verify(bundle.directory, signature)
    except (*damages, X509StoreContextError) as error:
        message = f"{bundle.directory}: {signature.name} does not vouch for this bundle with {trusted}"
        raise BundleError(message) from error


def require_trust(bundle: Bundle, environment: Mapping[str, str]) -> Bundle:
    """Return the bundle; when a trusted key or certificate is set, only if its signature is valid.

    Raises:
        BundleError: the switch is on and the bundle has no valid signature.
    """
    key = environment.get(TRUSTED_KEY_VARIABLE)
    if key:
        verify_signature(bundle, Path(key))
    return bundle


def _require_file(path: Path, what: str) -> None:
    if not path.is_file():
        message = f"{path}: no such file; expected a {what} (PEM)"
        raise UsageError(message)


def _library(module: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import model_signing.signing
            import model_signing.verifying
    except ImportError as error:
        message = f"signatures need model-signing ({error.name} is missing); install abyssal[sign]"
        raise UsageError(message) from error
    return getattr(model_signing, module)
