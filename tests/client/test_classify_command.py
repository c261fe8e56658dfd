"""``abyssal classify`` with a real bundle: without a service, through one, and over REST, row for row the same."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from support.serving import RunningServer, rows_of, running_server
from support.tiny_bundle import RANKS, reads_like_users_send

from abyssal.cli import main
from abyssal.client import Client
from abyssal.inference.v1 import classification_pb2_grpc
from abyssal.inference.v1.classification_pb2 import EmbedRequest
from abyssal.taxonomy.classifications import tsv_header

pytestmark = pytest.mark.timeout(180)
READS = reads_like_users_send(1500)
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def service(tiny_bundle: Path) -> Iterator[RunningServer]:
    """A service of the real bundle, loaded and tested as in production."""
    with running_server(tiny_bundle) as running:
        yield running


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reads as users send them."""
    target = tmp_path_factory.mktemp("reads") / "reads.fasta"
    target.write_text("".join(f">{name} some words\n{sequence}\n" for name, sequence in READS))
    return target


@pytest.fixture(scope="module")
def offline(tiny_bundle: Path, fasta: Path) -> bytes:
    """The table that the bundle gives without a service."""
    target = fasta.with_name("offline.tsv")
    assert main(["classify", str(fasta), "--bundle", str(tiny_bundle), "-o", str(target)]) == 0
    return target.read_bytes()


def uncached(table: bytes) -> bytes:
    """Return a table as it is when no answer came from the cache of the model's answers."""
    return table.replace(b"\tcache\t", b"\tmodel\t")


def test_table_holds_every_read_in_order(offline: bytes) -> None:
    header, *rows = offline.decode().splitlines()
    assert header == tsv_header(RANKS)
    assert [row.split("\t")[0] for row in rows] == [name for name, _ in READS]
    assert {row.split("\t")[header.split("\t").index("source")] for row in rows} == {"model", "rejected"}


def test_service_gives_the_same_bytes(
    run: Run, offline: bytes, service: RunningServer, fasta: Path, tmp_path: Path
) -> None:
    run("classify", fasta, "--server", service.target, "-o", tmp_path / "out.tsv")
    assert uncached((tmp_path / "out.tsv").read_bytes()) == offline


def test_packed_fastq_gives_the_same_rows(run: Run, offline: bytes, service: RunningServer, tmp_path: Path) -> None:
    text = "".join(f"@{name}\n{sequence}\n+\n{'I' * len(sequence)}\n" for name, sequence in READS)
    (tmp_path / "reads.fastq.gz").write_bytes(gzip.compress(text.encode()))
    run("classify", tmp_path / "reads.fastq.gz", "--server", service.target, "-o", tmp_path / "out.tsv.gz")
    assert uncached(gzip.decompress((tmp_path / "out.tsv.gz").read_bytes())) == offline


def test_answer_depends_on_the_read_alone(offline: bytes, service: RunningServer) -> None:
    rows = dict(zip([name for name, _ in READS], offline.decode().splitlines()[1:], strict=True))
    random = np.random.default_rng(4)
    with Client(service.target, chunk_reads=7) as client:
        for _ in range(3):
            chosen = [READS[i] for i in random.permutation(len(READS))[:100]]
            answers = client.classify([sequence for _, sequence in chosen])
            assert rows_of([name for name, _ in chosen], answers) == [rows[name] for name, _ in chosen]


def test_embed_gives_unit_vectors(service: RunningServer) -> None:
    with grpc.insecure_channel(service.target) as channel:
        stub = classification_pb2_grpc.ClassificationStub(channel)
        sequences = [sequence.encode() for _, sequence in READS[:30]]
        response = stub.Embed(EmbedRequest(sequences=sequences))
    vectors = np.array(response.vectors).reshape(30, response.dimension)
    good = np.ones(30, dtype=bool)
    good[[item.index for item in response.errors]] = False
    assert np.allclose(np.linalg.norm(vectors[good], axis=1), 1.0, atol=1e-3)
    assert not vectors[~good].any()


def test_empty_file_gives_the_header_only(run: Run, tiny_bundle: Path, service: RunningServer, tmp_path: Path) -> None:
    for name, content in (("empty.fasta", b""), ("empty.fastq.gz", gzip.compress(b""))):
        (tmp_path / name).write_bytes(content)
        for source in (("--bundle", tiny_bundle), ("--server", service.target)):
            result = run("classify", tmp_path / name, *source, "-o", tmp_path / "out.tsv")
            assert result.code == 0
            assert (tmp_path / "out.tsv").read_text() == tsv_header(RANKS) + "\n"


def test_readable_table(run: Run, tiny_bundle: Path, fasta: Path) -> None:
    result = run("classify", fasta, "--bundle", tiny_bundle, "--table")
    lines = result.out.splitlines()
    assert lines[0].split() == ["sequence", "rank", "taxon", "confidence", "remark"]
    assert lines[2].startswith("read0 ")
    assert lines[-1] == "... and 1460 more"


@pytest.mark.parametrize("way", ["bundle", "server"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"@a\nACGTTTGA\n+\nIIIIIIII\n" * 400)[:-30], "cut short|Premature|damaged"),
        (b"@a\nACGT\n+\nII\n", "line 4"),
        (b"no sequences here\n", "FASTA"),
    ],
)
def test_broken_file_is_exit_1_and_leaves_nothing(
    run: Run, tiny_bundle: Path, service: RunningServer, tmp_path: Path, content: bytes, message: str, way: str
) -> None:
    (tmp_path / "reads").write_bytes(content)
    source = ("--bundle", tiny_bundle) if way == "bundle" else ("--server", service.target)
    result = run("classify", tmp_path / "reads", *source, "-o", tmp_path / "out.tsv")
    assert result.code == 1
    assert re.search(message, result.err), result.err
    assert {path.name for path in tmp_path.iterdir()} == {"reads"}


def test_users_mistakes_are_exit_2(
    run: Run, service: RunningServer, tiny_bundle: Path, fasta: Path, tmp_path: Path
) -> None:
    for arguments in (
        (tmp_path / "missing.fasta", "--bundle", tiny_bundle, "-o", tmp_path / "out.tsv"),
        (fasta, "--bundle", tmp_path / "missing", "-o", tmp_path / "out.tsv"),
        (fasta, "--bundle", tiny_bundle),
        (fasta, "--bundle", tiny_bundle, "--server", "x:1", "-o", tmp_path / "out.tsv"),
        (fasta.parent, "--bundle", tiny_bundle, "-o", tmp_path / "out.tsv"),
        (fasta, "--bundle", tiny_bundle, "-o", fasta / "out.tsv"),
        (fasta, "--server", service.target, "--engine", "auto", "-o", tmp_path / "out.tsv"),
        (fasta, "--server", service.target, "--marker", "nothing of the kind", "-o", tmp_path / "out.tsv"),
        *((fasta, "--server", target, "-o", tmp_path / "out.tsv") for target in ("", "host", "x:99999", "http://x:1")),
    ):
        result = run("classify", *arguments)
        assert (result.code, list(tmp_path.iterdir())) == (2, []), result.err
        assert "Traceback" not in result.err


def test_the_reads_are_not_overwritten(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    reads = tmp_path / "reads.fasta"
    reads.write_text(">a\nACGT\n")
    (tmp_path / "link").symlink_to(reads)
    result = run("classify", reads, "--bundle", tiny_bundle, "-o", tmp_path / "link")
    assert (result.code, reads.read_text()) == (2, ">a\nACGT\n")
    assert "is the file to classify" in result.err


def test_flipped_byte_in_the_bundle_is_exit_1(run: Run, tiny_bundle: Path, fasta: Path, tmp_path: Path) -> None:
    altered = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, altered)
    card = altered / "MODEL_CARD.md"
    card.write_bytes(card.read_bytes()[:-1] + b"!")
    for command in (
        ("classify", fasta, "--bundle", altered, "-o", tmp_path / "out.tsv"),
        ("serve", "--bundle", altered, "--port", 0),
    ):
        result = run(*command)
        assert result.code == 1
        assert "MODEL_CARD.md" in result.err
        assert result.err.count("ERROR") == 1


def _start(*arguments: object, port_file: Path) -> tuple[subprocess.Popen[bytes], str]:
    command = [
        sys.executable,
        "-c",
        "import sys; from abyssal.cli import main; sys.exit(main())",
        *map(str, arguments),
        "--port",
        "0",
        "--port-file",
        str(port_file),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    end = time.monotonic() + 120
    while not port_file.exists():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < end
        time.sleep(0.05)
    return process, port_file.read_text().strip()


def _results(client: httpx.Client, job: str) -> bytes:
    """Wait for a classification of many sequences and return its table."""
    end = time.monotonic() + 120
    while (state := client.get(job).json()["state"]) not in {"succeeded", "failed", "cancelled"}:
        assert time.monotonic() < end, state
        time.sleep(0.2)
    assert state == "succeeded"
    return client.get(f"{job}/results").content


def test_processes_serve_and_end_on_sigterm(
    tiny_bundle: Path, fasta: Path, offline: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABYSSAL_DATA", str(tmp_path / "data"))
    server, target = _start("serve", "--bundle", tiny_bundle, port_file=tmp_path / "server")
    gateway, address = _start("gateway", "--server", target, port_file=tmp_path / "gateway")
    try:
        headers = {"Accept": "text/tab-separated-values"}
        with httpx.Client(base_url=f"http://{address}", timeout=60) as client:
            some = b"".join(fasta.read_bytes().splitlines(keepends=True)[:40])
            few = client.post("/inference/classify", content=some, headers=headers)
            job = client.post("/inference/classify", content=fasta.read_bytes(), headers=headers)
            table = _results(client, job.headers["Location"])
            assert client.get("/readyz").status_code == 200
        assert few.content.splitlines() == uncached(table).splitlines()[:21]
        assert uncached(table) == offline
    finally:
        for process in (gateway, server):
            process.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    assert gateway.wait(30) in {0, -signal.SIGTERM}
    for process in (gateway, server):
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
        process.stderr.close()
