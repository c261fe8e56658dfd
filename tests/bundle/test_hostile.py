"""Bundles sealed as a bundle must be, whose files are none of ours: refused in one line that names the file."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.test_fuzz import seal

KEPT = Path(__file__).parent / "kept/format-1"
DEEP = b"[" * 100_000
LONG = b'{"a": ' + b"1" * 5000 + b"}"


def zip_file() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../outside.py", "x = 1")
    return packed.getvalue()


def tar_file() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside.py"))
    return packed.getvalue()


@pytest.fixture
def forged(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Replace a file of the kept bundle and seal it again."""

    def forge(path: str, content: bytes) -> Path:
        place = tmp_path / "forged"
        shutil.copytree(KEPT, place)
        (place / path).write_bytes(content)
        manifest = json.loads((place / "manifest.json").read_bytes())
        manifest["files"][path] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        (place / "manifest.json").write_bytes(seal(manifest))
        return place

    return forge


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("report.html", (KEPT / "report.html").read_bytes() + b" " * 300_000 + zip_file()),
        ("MODEL_CARD.md", tar_file()),
        ("reference.fasta.gz", gzip.compress(tar_file())),
        ("reference.fasta.gz", gzip.compress(zip_file())),
        ("reference.fasta.gz", b"\x1f\x8b\x08nonsense" * 9),
        ("exemplars.fasta", b">a\nAC\n" * 2000 + tar_file()),
    ],
    ids=["zip behind a page", "tar", "gzipped tar", "gzipped zip", "no gzip", "tar behind sequences"],
)
def test_archives_hide_behind_no_other_format(run: Callable, forged: Callable, path: str, content: bytes) -> None:
    result = run("bundle", "verify", "--files-only", forged(path, content))
    assert result.code == 1
    assert f"{path}: " in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("golden.tsv", b"\xff\xfe"),
        ("golden.tsv", (KEPT / "golden.tsv").read_bytes() + b"x" * 200_000),
        ("golden.tsv", (KEPT / "golden.tsv").read_bytes().splitlines(keepends=True)[0]),
        ("taxonomy.tsv", b"\xff\xfe" + (KEPT / "taxonomy.tsv").read_bytes() * 20),
        ("reference.fasta.gz", gzip.compress(b">a\n" + b"A" * 1_000_000)),
        ("reference.fasta.gz", (KEPT / "reference.fasta.gz").read_bytes()[:-9]),
        ("calibration.json", DEEP),
        ("calibration.json", LONG),
        ("preprocessing.json", DEEP),
        ("encoder/config.json", b"[]"),
        ("encoder/config.json", DEEP),
    ],
)
def test_a_sealed_model_of_wrong_files_is_refused(run: Callable, forged: Callable, path: str, content: bytes) -> None:
    result = run("bundle", "verify", forged(path, content))
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert len(result.err) < 1000


@pytest.mark.parametrize("key", ["dimension", "heads", "kmer_size"])
@pytest.mark.parametrize("value", [-1, 10**12])
def test_an_encoder_of_impossible_sizes_is_refused(run: Callable, forged: Callable, key: str, value: int) -> None:
    config = json.loads((KEPT / "encoder/config.json").read_bytes()) | {key: value}
    result = run("bundle", "verify", forged("encoder/config.json", json.dumps(config).encode()))
    assert result.code == 1
    assert result.err.startswith("ERROR: ")
    assert result.err.isascii()


def test_an_encoder_that_brings_code_is_refused(run: Callable, forged: Callable) -> None:
    config = {"model_type": "bert", "auto_map": {"AutoModel": "outside--x.Model"}, "trust_remote_code": True}
    result = run("bundle", "verify", forged("encoder/config.json", json.dumps(config).encode()))
    assert result.code == 2
    assert "brings Python code of its own" in result.err


@pytest.mark.parametrize("name", ["metrics.json", "config.json"])
@pytest.mark.parametrize("content", [b"{", DEEP, LONG], ids=["cut", "deep", "long"])
def test_two_bundles_are_not_compared_by_broken_files(
    run: Callable, forged: Callable, name: str, content: bytes
) -> None:
    result = run("bundle", "diff", KEPT, forged(name, content))
    assert result.code == 1
    assert f"{name}: not JSON" in result.err
