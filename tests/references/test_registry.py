"""Fetching from a real HTTP server that supports ranges, breaks off and lies."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from abyssal.errors import DataError, UsageError
from abyssal.files import read_json
from abyssal.references.registry import LOCK_NAME, Source, download, fetch, find_source, read_sources

BODY = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(BODY).hexdigest()


@dataclass
class Server:
    """What the server does, and what it was asked."""

    url: str = ""
    body: bytes = BODY
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    requested: list[str | None] = field(default_factory=list)

    def source(self, sha256: str = "") -> Source:
        return Source("made", "1", "18S", "pr2", f"{self.url}/made.fasta.gz", sha256, "CC0", "doi:none")


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requested.append(asked)
            if self.path != "/made.fasta.gz":
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
            if start >= len(state.body):
                self.send_error(416)
                return
            rest = state.body[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            sent = rest[: state.break_after.pop(0)] if state.break_after else rest
            self.wfile.write(sent)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{running.server_address[1]}"
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield state
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_download_is_verified_and_locked(server: Server, tmp_path: Path) -> None:
    target = fetch(server.source(DIGEST), tmp_path)
    assert target.read_bytes() == BODY
    assert read_json(tmp_path / LOCK_NAME)["made 1"]["sha256"] == DIGEST
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.fasta.gz", LOCK_NAME]
    fetch(server.source(DIGEST), tmp_path)
    assert len(server.requested) == 1


def test_a_broken_connection_is_resumed_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.break_after = [100_000, 200_000]
    assert fetch(server.source(DIGEST), tmp_path).read_bytes() == BODY
    assert server.requested == [None, "bytes=100000-", "bytes=300000-"]


def test_an_earlier_attempt_is_continued_by_the_next_command(server: Server, tmp_path: Path) -> None:
    server.break_after = [50_000, 0, 0, 0]
    with pytest.raises(DataError, match=r"broke off 4 times.*50000 bytes"):
        fetch(server.source(DIGEST), tmp_path)
    assert not (tmp_path / "made.fasta.gz").exists()
    assert fetch(server.source(DIGEST), tmp_path).read_bytes() == BODY
    assert server.requested[-1] == "bytes=50000-"


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.break_after = [100_000]
    assert fetch(server.source(DIGEST), tmp_path).read_bytes() == BODY


def test_a_complete_part_is_taken(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "made.fasta.gz.part"
    part.write_bytes(BODY)
    download(server.source().url, part)
    assert part.read_bytes() == BODY


def test_a_wrong_hash_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"sha256 is {DIGEST}, expected {'0' * 64}"):
        fetch(server.source("0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_catches_a_file_that_changed_at_its_source(server: Server, tmp_path: Path) -> None:
    target = fetch(server.source(), tmp_path)
    target.unlink()
    server.body = BODY[:-1] + b"!"
    with pytest.raises(DataError, match="changed at its source"):
        fetch(server.source(), tmp_path)
    assert not target.exists()


def test_a_damaged_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    target = fetch(server.source(DIGEST), tmp_path)
    target.write_bytes(b"damaged")
    assert fetch(server.source(DIGEST), tmp_path).read_bytes() == BODY


def test_a_missing_page_is_an_error_with_its_address(server: Server, tmp_path: Path) -> None:
    source = replace(server.source(), url=f"{server.url}/absent.gz")
    with pytest.raises(DataError, match=r"absent\.gz: the server answers 404"):
        fetch(source, tmp_path)


def test_air_gapped_copies_are_verified_too(server: Server, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "made.fasta.gz").write_bytes(BODY)
    target = fetch(server.source(DIGEST), tmp_path / "here", offline=shelf)
    assert target.read_bytes() == BODY
    assert server.requested == []
    (shelf / "made.fasta.gz").write_bytes(b"other")
    with pytest.raises(DataError, match="sha256"):
        fetch(server.source(DIGEST), tmp_path / "there", offline=shelf)
    assert not (tmp_path / "there" / "made.fasta.gz").exists()
    with pytest.raises(UsageError, match=r"holds no made\.fasta\.gz"):
        fetch(server.source(DIGEST), tmp_path / "there", offline=tmp_path)


def test_a_source_without_an_address_asks_for_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--from FOLDER"):
        fetch(find_source("unite"), tmp_path)
    with pytest.raises(UsageError, match="no source 'pr3'"):
        find_source("pr3")


def test_shipped_sources_are_complete() -> None:
    sources = read_sources()
    assert {"pr2", "silva-ssu-nr99", "midori-co1", "mitofish", "unite", "bold"} <= set(sources)
    for source in sources.values():
        assert source.licence
        assert source.citation.startswith("doi:")
        assert source.url.startswith("https://") or not source.url
        assert len(source.sha256) in (0, 64)
    assert sources["midori-co1"].filename == "MIDORI2_UNIQ_NUC_GB259_CO1_RAW.fasta.gz"
    assert sources["mitofish"].filename == "complete_partial_mitogenomes.zip"


def shelf_with(folder: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return folder


ZIPPED = Source("made", "1", "12S", "mitofish", "https://example.org/made.zip", "", "CC0", "doi:none")


def test_zipped_sources_are_unpacked(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    one = fetch(ZIPPED, tmp_path / "one", offline=shelf_with(shelf, {"inner/made.fa": ">a\nACGT\n"}))
    assert one.read_text() == ">a\nACGT\n"
    assert one == fetch(ZIPPED, tmp_path / "one", offline=shelf)
    two = fetch(ZIPPED, tmp_path / "two", offline=shelf_with(shelf, {"a.fa": "x", "b.fa": "y"}))
    assert sorted(path.name for path in two.iterdir()) == ["a.fa", "b.fa"]


@pytest.mark.parametrize("name", ["../evil.fa", "/evil.fa", "a/../../evil.fa", "..\\evil.fa"])
def test_archives_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with pytest.raises(DataError, match="would leave the archive's folder"):
        fetch(ZIPPED, tmp_path / "here" / "deep", offline=shelf_with(shelf, {"good.fa": "x", name: "bad"}))
    assert not list(tmp_path.rglob("evil.fa"))
    assert not list(tmp_path.rglob("good.fa"))


def test_a_damaged_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "made.zip").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match="not a whole zip archive"):
        fetch(ZIPPED, tmp_path / "here", offline=tmp_path)
