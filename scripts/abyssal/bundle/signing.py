"""Detached signatures of bundles: ``<digest>.sig`` beside the directory, in the format of the OpenSSF's model-signing.

A digest says that nothing changed; a signature says who vouches for it. Signing is optional; with
``ABYSSAL_TRUSTED_KEY`` set to a public key (the production switch) every bundle that is opened by its location must
carry a valid signature.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from abyssal.bundle.read import Bundle
from abyssal.errors import BundleError, UsageError
from abyssal.files import atomic_path

TRUSTED_KEY_VARIABLE = "ABYSSAL_TRUSTED_KEY"
MAX_SIGNATURE_BYTES = 1 << 20


def signature_path(bundle: Bundle) -> Path:
    """Return where the signature of a bundle lies."""
    return bundle.directory.resolve().parent / f"{bundle.digest}.sig"


def sign_bundle(bundle: Bundle, private_key: Path, *, password: str | None = None) -> Path:
    """Sign an open bundle with an elliptic-curve key (PEM) and return the signature's path.

    Raises:
        UsageError: the key cannot be read or its password is wrong, or model-signing is not installed.
    """
    _require_file(private_key, "private key")
    signing = _library("signing")
    try:
        signer = signing.Config().use_elliptic_key_signer(
            private_key=private_key, password=password.encode() if password else None
        )
    except (ValueError, TypeError) as error:
        message = f"{private_key}: not a readable private key (PEM, elliptic curve), or its password is wrong"
        raise UsageError(message) from error
    target = signature_path(bundle)
    with atomic_path(target) as temporary:
        signer.sign(bundle.directory, temporary)
    return target


def verify_signature(bundle: Bundle, public_key: Path) -> None:
    """Check the signature beside a bundle against a public key (PEM).

    Raises:
        UsageError: the key cannot be read, or model-signing is not installed.
        BundleError: there is no signature, it was made with another key, or for other content.
    """
    _require_file(public_key, "public key")
    verifying = _library("verifying")
    try:
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except (ValueError, TypeError) as error:
        message = f"{public_key}: not a readable public key (PEM, elliptic curve)"
        raise UsageError(message) from error
    signature = signature_path(bundle)
    if signature.is_symlink() or not signature.is_file() or signature.stat().st_size > MAX_SIGNATURE_BYTES:
        message = f"{bundle.directory}: is not signed; expected {signature.name} beside it (abyssal bundle sign)"
        raise BundleError(message)
    from cryptography.exceptions import InvalidSignature

    try:
        verifier.verify(bundle.directory, signature)
    # What the library raises on a damaged signature depends on where the damage is.
    except (InvalidSignature, ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        message = f"{bundle.directory}: {signature.name} does not vouch for this bundle with the key {public_key}"
        raise BundleError(message) from error


def require_trust(bundle: Bundle, environment: Mapping[str, str]) -> Bundle:
    """Return the bundle; when a trusted key is set, only if its signature is valid.

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
