"""Detached signatures: who vouches for a bundle, and the switch that refuses what nobody vouches for."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.s3_server import BUCKET

from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import open_location, open_registry
from abyssal.bundle.signing import sign_bundle, signature_path, verify_signature
from abyssal.errors import BundleError, UsageError

pytest.importorskip("model_signing", reason="install abyssal[sign]")
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
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
    done = run("bundle", "verify", "--files-only", bundle, "--trusted", public)
    assert done.code == 0
    assert "signed, as vouched for by" in done.out


def test_classifying_refuses_unsigned_bundles_when_the_switch_is_on(
    run: Callable, bundle: Path, keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reads.fasta").write_text(">a\nACGT\n")
    monkeypatch.setenv("ABYSSAL_TRUSTED_KEY", str(keys[1]))
    result = run("classify", tmp_path / "reads.fasta", "--bundle", bundle, "--table")
    assert result.code == 1
    assert "is not signed" in result.err


class Authority:
    """Issues certificates for the keys of those who sign."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / f"{name}.crt"
        self.issue(name, self._key, authority=True)

    def issue(self, name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool = False, signs: bool = True) -> Path:
        """Write the certificate of a key and return its path."""

        def called(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])

        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        usage = x509.KeyUsage(signs, False, not signs, False, False, authority, False, False, False)  # noqa: FBT003
        purpose = x509.oid.ExtendedKeyUsageOID.CODE_SIGNING if signs else x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
        built = (
            x509.CertificateBuilder().subject_name(called(name)).issuer_name(called(self._name))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(start).not_valid_after(start + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False).sign(self._key, hashes.SHA256())
        )  # fmt: skip
        path = self._folder / f"{name}.crt"
        path.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        return path


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def test_a_certificate_vouches_when_a_trusted_authority_issued_it(
    run: Callable, bundle: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "ours-ca"), Authority(tmp_path, "theirs-ca")
    certificate = ours.issue("signer", private_key(keys[0]))
    signed = run("bundle", "sign", bundle, "--key", keys[0], "--certificate", certificate)
    assert signed.code == 0, signed.err
    assert run("bundle", "verify", "--files-only", bundle, "--trusted", ours.certificate).code == 0
    trusted = {"ABYSSAL_TRUSTED_KEY": str(ours.certificate)}
    assert open_location(str(bundle), cache=tmp_path, environment=trusted).version == "1"
    for other in (theirs.certificate, keys[1]):
        with pytest.raises(BundleError, match="does not vouch"):
            verify_signature(open_bundle(bundle), other)


def test_a_certificate_that_may_not_sign_does_not_vouch(bundle: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours-ca")
    certificate = ours.issue("server", private_key(keys[0]), signs=False)
    sign_bundle(open_bundle(bundle), keys[0], certificate=certificate)
    with pytest.raises(BundleError, match="does not vouch"):
        verify_signature(open_bundle(bundle), ours.certificate)


def test_a_certificate_of_another_key_is_the_users_mistake(
    bundle: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = Authority(tmp_path, "ours-ca").issue("other", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(UsageError, match="is not its certificate"):
        sign_bundle(open_bundle(bundle), keys[0], certificate=other)
    with pytest.raises(UsageError, match="without one"):
        sign_bundle(open_bundle(bundle), keys[0], certificate=other, password="x")
    (tmp_path / "junk.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match="not a readable public key"):
        verify_signature(open_bundle(bundle), tmp_path / "junk.crt")
