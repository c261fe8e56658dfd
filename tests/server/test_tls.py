"""TLS and mutual TLS on the real server, with certificates that are renewed under way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.credentials import Certificates, key_file
from support.serving import PacedClassifier, paced_model, running_server

from abyssal.client import Access, Client, ServiceUnavailable
from abyssal.errors import ConfigError, UsageError
from abyssal_server.settings import ServerSettings

pytestmark = pytest.mark.timeout(90)
READS = ["ACGTACGTAC", "CCGTACGTAC"]


@pytest.fixture
def authority(tmp_path: Path) -> Certificates:
    return Certificates.made(tmp_path, "first")


def answers(target: str, access: Access) -> int:
    """Classify over a new connection; returns the number of answers."""
    with Client(target, access=access, attempts=1, timeout=5) as client:
        client.current_model()
        return len(client.classify(READS))


def test_calls_are_encrypted_and_the_certificate_is_looked_at(authority: Certificates, tmp_path: Path) -> None:
    certificate, key = authority.issue("service", "service")
    other = Certificates.made(tmp_path, "other")
    with running_server(paced_model(PacedClassifier()), tls_cert=certificate, tls_key=key) as running:
        assert answers(running.target, Access(authorities=authority.ca)) == 2
        for wrong in (Access(authorities=other.ca), Access(), Access(tls=True)):
            with pytest.raises(ServiceUnavailable):
                answers(running.target, wrong)


def test_a_renewed_certificate_counts_without_a_restart(authority: Certificates, tmp_path: Path) -> None:
    certificate, key = authority.issue("service", "service")
    renewed = Certificates.made(tmp_path, "second")
    with running_server(paced_model(PacedClassifier()), tls_cert=certificate, tls_key=key) as running:
        with Client(running.target, access=Access(authorities=authority.ca)) as connected:
            stream = connected.classify_stream([READS] * 50)
            next(stream)
            renewed.issue("service", "service")
            assert answers(running.target, Access(authorities=renewed.ca)) == 2
            with pytest.raises(ServiceUnavailable):
                answers(running.target, Access(authorities=authority.ca))
            # Connections that exist go on as they began.
            assert sum(1 for _ in stream) == 49
        key.write_text("rubbish")
        assert answers(running.target, Access(authorities=renewed.ca)) == 2


def test_mutual_tls_asks_for_a_certificate_of_the_right_authority(authority: Certificates, tmp_path: Path) -> None:
    certificate, key = authority.issue("service", "service")
    callers = Certificates.made(tmp_path, "callers")
    own, own_key = callers.issue("ada", "ada")
    foreign, foreign_key = authority.issue("eve", "eve")
    settings = {"tls_cert": certificate, "tls_key": key, "tls_client_ca": callers.ca}
    with running_server(paced_model(PacedClassifier()), **settings) as running:
        good = Access(authorities=authority.ca, certificate=own, certificate_key=own_key)
        assert answers(running.target, good) == 2
        bad = Access(authorities=authority.ca, certificate=foreign, certificate_key=foreign_key)
        for wrong in (bad, Access(authorities=authority.ca)):
            with pytest.raises(ServiceUnavailable):
                answers(running.target, wrong)
        # Now callers of the first authority are accepted, those of the other no more.
        shutil.copy(authority.ca, callers.ca)
        os.utime(callers.ca, ns=(1, 1))
        assert answers(running.target, bad) == 2
        with pytest.raises(ServiceUnavailable):
            answers(running.target, good)


def test_the_command_brings_key_and_certificates(
    authority: Certificates, tmp_path: Path, run: Callable[..., Any]
) -> None:
    certificate, key = authority.issue("service", "service")
    own, own_key = authority.issue("ada", "ada")
    fasta, held = tmp_path / "reads.fasta", tmp_path / "key"
    fasta.write_text(">a\nACGTACGTAC\n")
    held.write_text(key_file(tmp_path / "keys.json")["infer"])
    settings = {"tls_cert": certificate, "tls_key": key, "tls_client_ca": authority.ca}
    with running_server(paced_model(PacedClassifier()), keys_file=tmp_path / "keys.json", **settings) as running:
        ask = ("classify", fasta, "--server", running.target, "-o", tmp_path / "out.tsv", "--ca", authority.ca)
        ask = (*ask, "--cert", own, "--cert-key", own_key)
        assert run(*ask, "--key-file", held).code == 0
        assert (tmp_path / "out.tsv").read_text().count("\n") == 2
        refused = run(*ask)
        assert refused.code == 2
        assert "--key-file" in refused.err


def test_files_that_do_not_belong_together_are_refused(authority: Certificates, tmp_path: Path) -> None:
    certificate, _ = authority.issue("one", "one")
    _, key = authority.issue("two", "two")
    with pytest.raises(ConfigError, match="belong together"):
        ServerSettings.model_validate({"model_path": "x", "tls_cert": certificate})
    with pytest.raises(ConfigError, match="tls_client_ca"):
        ServerSettings.model_validate({"model_path": "x", "tls_client_ca": certificate})
    with (
        pytest.raises(ConfigError, match="cannot be used"),
        running_server(paced_model(PacedClassifier()), tls_cert=certificate, tls_key=key),
    ):
        pass
    with pytest.raises(UsageError, match="belong together"):
        Client("127.0.0.1:1", access=Access(certificate=certificate))
    with pytest.raises(UsageError, match="cannot be read"):
        Client("127.0.0.1:1", access=Access(authorities=tmp_path / "none.pem"))


def test_a_password_is_not_asked_for_on_the_terminal(authority: Certificates, tmp_path: Path) -> None:
    certificate, _ = authority.issue("one", "one")
    locked = tmp_path / "locked.key"
    from cryptography.hazmat.primitives import serialization

    locked.write_bytes(
        authority.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with (
        pytest.raises(ConfigError, match="no password"),
        running_server(paced_model(PacedClassifier()), tls_cert=certificate, tls_key=locked),
    ):
        pass
