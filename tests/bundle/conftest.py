"""A small model of real files, and a real (if simple) classifier that reads them."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.bundle.s3_server import BUCKET, S3Server, s3_server

from abyssal.bundle.golden import select_golden_queries
from abyssal.bundle.manifest import Marker
from abyssal.bundle.registry import Registry, open_registry
from abyssal.bundle.write import BundleIdentity, BundleInputs, write_bundle
from abyssal.encoder.kmers import kmer_profiles
from abyssal.taxonomy.classifications import Classifications, ReadError, ReadErrorCode, Source

_prefixes = itertools.count()

RANKS = ("domain", "genus")
LINEAGES = [("Eukaryota", "Alpha"), ("Eukaryota", "Beta"), ("Eukaryota", "Gamma")]


class NearestProfile:
    """Names a sequence after the reference amplicon with the most similar 3-mer profile."""

    def __init__(self, directory: Path) -> None:
        arrays = load_file(directory / "classifier.safetensors")
        self._vectors = arrays["vectors"]
        self._scale = float(json.loads((directory / "calibration.json").read_text())["scale"])

    def classify(self, sequences: Sequence[str], /) -> Classifications:
        errors = [_error(sequence) for sequence in sequences]
        scored = [sequence if error is None else "" for sequence, error in zip(sequences, errors, strict=True)]
        similarity = kmer_profiles(scored, k=3) @ self._vectors.T
        best, score = similarity.argmax(axis=1), similarity.max(axis=1) * self._scale
        n = len(sequences)
        labels = [(None, None) if error else LINEAGES[b] for b, error in zip(best, errors, strict=True)]
        accepted = np.where(score > 0.9, 1, np.where(score > 0.5, 0, -1))
        return Classifications(
            RANKS, labels, np.stack([score, score * score], axis=1).astype(np.float32), accepted.astype(np.int16),
            np.full(n, -1, np.int16), [()] * n, [""] * n, [""] * n, np.full(n, np.nan, np.float32),
            np.full(n, np.nan, np.float32), np.full(n, Source.MODEL, np.int8), errors, "nearest-profile",
        )  # fmt: skip


def _error(sequence: str) -> ReadError | None:
    if not sequence:
        return ReadError(ReadErrorCode.EMPTY, "empty")
    if len(sequence) < 10:
        return ReadError(ReadErrorCode.TOO_SHORT, "too short")
    return None if set(sequence) <= set("ACGT") else ReadError(ReadErrorCode.INVALID_LETTER, "not DNA")


def reference_pairs() -> list[tuple[str, str]]:
    random = np.random.default_rng(7)
    return [(f"reference{i}", "".join(random.choice(list("ACGT"), size=60))) for i in range(len(LINEAGES))]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The inference half of a bundle: real files of every kind, a few kB."""
    directory = tmp_path / "model"
    (directory / "encoder").mkdir(parents=True)
    (directory / "encoder/config.json").write_text('{"model_type": "test"}\n')
    save_file({"weight": np.eye(4, dtype=np.float32)}, directory / "encoder/model.safetensors")
    pairs = reference_pairs()
    save_file({"vectors": kmer_profiles([s for _, s in pairs], k=3)}, directory / "classifier.safetensors")
    (directory / "calibration.json").write_text('{"scale": 1.0}\n')
    (directory / "preprocessing.json").write_text('{"min_length": 10}\n')
    rows = ["amplicon\taccession\tdomain\tgenus"]
    rows += [f"{name}\tX{i}\t{d}\t{g}" for i, ((name, _), (d, g)) in enumerate(zip(pairs, LINEAGES, strict=True))]
    (directory / "taxonomy.tsv").write_text("\n".join(rows) + "\n")
    fasta = "".join(f">{name}\n{sequence}\n" for name, sequence in pairs)
    (directory / "reference.fasta.gz").write_bytes(gzip.compress(fasta.encode(), mtime=0))
    return directory


def identity(version: str = "1", **changes: object) -> BundleIdentity:
    values: dict[str, object] = {
        "name": "demo", "version": version, "ranks": RANKS, "encoder_digest": "0" * 64, "config": {"alpha": 0.05},
        "code_version": "0.1.0", "data_digests": {"reference.fasta.gz": "2" * 64},
        "tool_versions": {"vsearch": "2.22.1"},
        "marker": Marker(name="18S-V4", forward_primer="CCAGCASCYGCGGTAATTCC", reverse_primer="ACTTTCGTTCTTGATYRA"),
    }  # fmt: skip
    return BundleIdentity(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def make_bundle(model: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a bundle of the small model; every call needs another place or removes the last."""

    def make(
        target: Path | None = None, *, version: str = "1", recall: float = 0.5, replace: bool = False, **changes: object
    ) -> Path:
        place = target or tmp_path / "bundle"
        metrics, report = tmp_path / "metrics.json", tmp_path / "report.html"
        metrics.write_text(json.dumps({"genus": {"recall": recall}}) + "\n")
        report.write_text("<!doctype html><title>report</title>\n")
        queries = select_golden_queries(reference_pairs(), [("novel1", "ACGGT" * 12)], seed=1)
        write_bundle(
            place,
            inputs=BundleInputs(model, metrics, report),
            identity=identity(version, **changes),
            golden=queries,
            load=NearestProfile,
            replace=replace,
        )
        return place

    return make


@pytest.fixture
def bundle(make_bundle: Callable[..., Path]) -> Path:
    return make_bundle()


@pytest.fixture
def load_model() -> Callable[[Path], NearestProfile]:
    """What makes a classifier from the directory of a small model or bundle."""
    return NearestProfile


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One real S3-compatible server for the session; every test takes its own prefix."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.s3)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "directory":
        return open_registry(str(tmp_path / "registry"))
    server: S3Server = request.getfixturevalue("s3")
    return open_registry(f"s3://{BUCKET}/test/{next(_prefixes)}", environment=server.environment)


@pytest.fixture
def versions(make_bundle: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    """A bundle of a given version, written once a test."""

    def of(version: str) -> Path:
        place = tmp_path / f"written-{version}"
        return place if place.exists() else make_bundle(place, version=version)

    return of
