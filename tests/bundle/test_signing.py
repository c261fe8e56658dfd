"""Detached signatures: who vouches for a bundle, and the switch that refuses what nobody vouches for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.s3_server import BUCKET

from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import open_location, open_registry
from abyssal.bundle.signing import sign_bundle, signature_path, verify_signature
from abyssal.errors import BundleError, UsageError

pytest.importorskip("model_signing", reason="install abyssal[sign]")
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make_keys(folder: Path, name: str, password: bytes | None = None) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path, "ours")


def test_a_signature_lies_beside_the_bundle_and_changes_no_digest(bundle: Path, keys: tuple[Path, Path]) -> None:
    opened = open_bundle(bundle)
    signature = sign_bundle(opened, keys[0])
    assert signature == bundle.parent / f"{opened.digest}.sig"
    verify_signature(open_bundle(bundle), keys[1])
    assert open_bundle(bundle).digest == opened.digest


def test_an_unsigned_bundle_and_a_foreign_key_are_refused(
    bundle: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    opened = open_bundle(bundle)
    with pytest.raises(BundleError, match="is not signed"):
        verify_signature(opened, keys[1])
    sign_bundle(opened, make_keys(tmp_path, "theirs")[0])
    with pytest.raises(BundleError, match="does not vouch"):
        verify_signature(opened, keys[1])


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff\x00", b'{"verificationMaterial": 1}', b"null"])
def test_a_damaged_signature_is_refused(bundle: Path, keys: tuple[Path, Path], raw: bytes) -> None:
    opened = open_bundle(bundle)
    signature_path(opened).write_bytes(raw)
    with pytest.raises(BundleError, match="does not vouch"):
        verify_signature(opened, keys[1])


def test_every_flipped_letter_of_a_signature_is_found(bundle: Path, keys: tuple[Path, Path]) -> None:
    """All but those that change nothing that is signed, such as the media type."""
    opened = open_bundle(bundle)
    signature = sign_bundle(opened, keys[0])
    content = signature.read_bytes()
    start = content.index(b'"payload"') + len(b'"payload":"')
    for position in range(start, start + 400, 7):
        letter = b"A" if content[position : position + 1] != b"A" else b"B"
        signature.write_bytes(content[:position] + letter + content[position + 1 :])
        with pytest.raises(BundleError, match="does not vouch"):
            verify_signature(opened, keys[1])


def test_a_signature_of_another_bundle_does_not_count(
    make_bundle: Callable[..., Path], keys: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = open_bundle(make_bundle(tmp_path / "a")), open_bundle(make_bundle(tmp_path / "b", recall=0.9))
    sign_bundle(first, keys[0]).rename(signature_path(second))
    with pytest.raises(BundleError, match="does not vouch"):
        verify_signature(second, keys[1])


@pytest.mark.parametrize("place", ["directory", pytest.param("s3", marks=pytest.mark.s3)])
def test_signatures_travel_through_a_registry(
    bundle: Path, keys: tuple[Path, Path], tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    environment = request.getfixturevalue("s3").environment if place == "s3" else {}
    location = f"s3://{BUCKET}/signed" if place == "s3" else str(tmp_path / "registry")
    registry = open_registry(location, environment=environment)
    sign_bundle(open_bundle(bundle), keys[0])
    registry.publish(bundle)
    verify_signature(registry.fetch("demo", "1", tmp_path / "fetched/bundle"), keys[1])
    trusted = {**environment, "ABYSSAL_TRUSTED_KEY": str(keys[1])}
    assert open_location(f"{location}/demo@1", cache=tmp_path / "cache", environment=trusted).version == "1"


def test_the_production_switch_refuses_unsigned_bundles(bundle: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    trusted = {"ABYSSAL_TRUSTED_KEY": str(keys[1])}
    with pytest.raises(BundleError, match="is not signed"):
        open_location(str(bundle), cache=tmp_path, environment=trusted)
    sign_bundle(open_bundle(bundle), keys[0])
    assert open_location(str(bundle), cache=tmp_path, environment=trusted).version == "1"
    with pytest.raises(UsageError, match="no such file"):
        open_location(str(bundle), cache=tmp_path, environment={"ABYSSAL_TRUSTED_KEY": "/none.pub"})


def test_the_command_signs_and_verifies(
    run: Callable, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = make_keys(tmp_path, "locked", password=b"secret")
    assert run("bundle", "sign", bundle, "--key", private).code == 2
    monkeypatch.setenv("ABYSSAL_KEY_PASSWORD", "wrong")
    assert run("bundle", "sign", bundle, "--key", private).code == 2
    monkeypatch.setenv("ABYSSAL_KEY_PASSWORD", "secret")
    assert run("bundle", "sign", bundle, "--key", private).code == 0
    done = run("bundle", "verify", "--files-only", bundle, "--public-key", public)
    assert done.code == 0
    assert "signed with the key" in done.out
