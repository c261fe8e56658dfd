"""Datasets over HTTP: pieces that are resumed, archives, sheets that are checked at once, and hostile uploads."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from typing import Any

import httpx
import pytest
from support.gateways import ADMIN

pytestmark = pytest.mark.timeout(60)
READS = gzip.compress(b"@a\nACGT\n+\nIIII\n")
SHEET = b"sample\tr1\tmarker\nA\tA.fastq.gz\ttoy\nB\tsub/B.fastq.gz\ttoy\n"
OFFSET = {"Content-Type": "application/offset+octet-stream"}


def begin(client: httpx.Client, files: dict[str, bytes]) -> dict[str, Any]:
    rows = [{"name": name, "bytes": len(content)} for name, content in files.items()]
    answer = client.post("/datasets", json={"name": "cruise", "files": rows})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def send(client: httpx.Client, dataset: dict[str, Any], files: dict[str, bytes], step: int = 1 << 20) -> dict[str, Any]:
    for file in dataset["files"]:
        content = files[file["name"]]
        for start in range(0, len(content), step):
            answer = client.patch(
                f"/datasets/{dataset['id']}/files/{file['index']}", content=content[start : start + step],
                headers={**OFFSET, "Upload-Offset": str(start)},
            )  # fmt: skip
            assert answer.status_code == 204, answer.text
    answer = client.post(f"/datasets/{dataset['id']}/complete")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def upload(client: httpx.Client, files: dict[str, bytes], step: int = 1 << 20) -> dict[str, Any]:
    return send(client, begin(client, files), files, step)


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
            else:
                archive.addfile(member)
    return out.getvalue()


def test_files_arrive_in_pieces_and_are_checked(stored: httpx.Client) -> None:
    files = {"samples.tsv": SHEET, "A.fastq.gz": READS, "B.fastq.gz": READS}
    dataset = upload(stored, files, step=11)
    assert (dataset["state"], dataset["problems"], dataset["received"]) == ("ready", [], sum(map(len, files.values())))
    assert dataset["sheet"] == {"libraries": 2, "samples": 2, "controls": 0, "markers": ["toy"]}
    assert stored.get("/datasets").json()["items"][0] == dataset
    assert stored.post(f"/datasets/{dataset['id']}/complete").json() == dataset


def test_a_piece_goes_on_where_the_file_ends(stored: httpx.Client) -> None:
    dataset = begin(stored, {"samples.tsv": SHEET})
    path = f"/datasets/{dataset['id']}/files/0"
    assert stored.patch(path, content=SHEET[:10], headers={**OFFSET, "Upload-Offset": "0"}).status_code == 204
    for offset in ("0", "20"):
        wrong = stored.patch(path, content=SHEET[10:], headers={**OFFSET, "Upload-Offset": offset})
        assert (wrong.status_code, wrong.headers["Upload-Offset"]) == (409, "10")
    head = stored.head(path)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("10", str(len(SHEET)))
    assert stored.post(f"/datasets/{dataset['id']}/complete").status_code == 409
    beyond = stored.patch(path, content=SHEET, headers={**OFFSET, "Upload-Offset": "10"})
    assert beyond.status_code == 413


def test_a_bad_sheet_is_told_at_once_and_can_be_replaced(stored: httpx.Client) -> None:
    bad = b"sample\tr1\tmarker\tlatitude\nA\tA.fastq.gz\ttoy\t91\nB\tB_wrong.fastq.gz\ttoy\t3\n"
    files = {"samples.tsv": bad, "A.fastq.gz": READS, "B.fastq.gz": READS}
    dataset = begin(stored, files)
    path = f"/datasets/{dataset['id']}"
    stored.patch(f"{path}/files/0", content=bad, headers={**OFFSET, "Upload-Offset": "0"})
    problems = stored.get(path).json()["problems"]
    assert [(one["row"], one["column"]) for one in problems] == [(2, "latitude"), (3, "r1")]
    assert "did you mean B.fastq.gz?" in problems[1]["detail"]
    assert not any("file-" in one["detail"] or "/tmp" in one["detail"] for one in problems)
    files.pop("samples.tsv")
    mended = stored.post(f"{path}/files", json={"name": "samples.tsv", "bytes": len(SHEET)}).json()
    assert send(stored, mended, {**files, "samples.tsv": SHEET})["state"] == "ready"


@pytest.mark.parametrize("pack", ["zip", "tar"])
def test_archives_are_unpacked(stored: httpx.Client, pack: str) -> None:
    members = {"cruise/samples.tsv": SHEET, "cruise/A.fastq.gz": READS, "cruise/deep/B.fastq.gz": READS}
    content = zipped(members) if pack == "zip" else tarred(*members.items())
    dataset = upload(stored, {f"all.{'zip' if pack == 'zip' else 'tar.gz'}": content})
    assert (dataset["state"], dataset["problems"]) == ("ready", [])
    assert sorted(one["name"] for one in dataset["contents"]) == ["A.fastq.gz", "B.fastq.gz", "samples.tsv"]


def link(kind: bytes, name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.zip", zipped({"../../etc/x.tsv": SHEET}), "points outside"),
        ("a.zip", zipped({"/etc/x.tsv": SHEET}), "points outside"),
        ("a.zip", zipped({"a/x.tsv": SHEET, "b/x.tsv": SHEET}), "two members"),
        ("a.zip", zipped({"b.zip": zipped({"x.tsv": SHEET})}), "inside an archive"),
        ("a.zip", zipped({"run.sh": b"rm"}), "not read"),
        ("a.zip", zipped({"bomb.fastq": b"A" * (64 << 20)}), "times its size"),
        ("a.zip", b"PK\x03\x04" + b"x" * 100, "is damaged"),
        ("a.tar.gz", tarred(link(tarfile.SYMTYPE, "x.tsv", "/etc/passwd")), "link or a device"),
        ("a.tar.gz", tarred(link(tarfile.LNKTYPE, "x.tsv", "/etc/passwd")), "link or a device"),
        ("a.tar.gz", tarred(link(tarfile.CHRTYPE, "x.tsv", "")), "link or a device"),
        ("a.tar.gz", tarred(("../x.tsv", SHEET)), "points outside"),
        ("a.fastq.gz", gzip.compress(b"A" * (64 << 20)), "times its size"),
        ("a.fastq.gz", READS[:-6], "cut short"),
        ("a.fastq.gz", b"no gzip", "is damaged"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_with_a_reason(gateway: httpx.Client, name: str, content: bytes, words: str) -> None:
    dataset = upload(gateway, {name: content})
    assert dataset["state"] == "invalid"
    assert any(words in one["detail"] and one["file"] == name for one in dataset["problems"]), dataset["problems"]
    assert gateway.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["../x.tsv", "/etc/passwd", "a\\b.tsv", ".x.tsv", "x\n.tsv", "x\u0000.tsv", "con:x.tsv", "x.exe", "", " x.tsv",
     "e\u0301.tsv"],
)  # fmt: skip
def test_hostile_names_are_refused(gateway: httpx.Client, name: str) -> None:
    answer = gateway.post("/datasets", json={"name": "x", "files": [{"name": name, "bytes": 1}]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/files/0/name"


def test_a_cell_that_names_a_file_of_this_machine_finds_nothing(gateway: httpx.Client) -> None:
    for path in ("/etc/passwd", "../../../etc/hostname", "s3://bucket/key", "file-0000.tsv"):
        dataset = upload(gateway, {"s.tsv": f"sample\tr1\nA\t{path}\n".encode()})
        assert "no such file in the dataset" in dataset["problems"][0]["detail"]


def test_a_checksum_that_differs_is_a_problem(stored: httpx.Client) -> None:
    right = hashlib.sha256(SHEET).hexdigest()
    for digest, found in ((right, 0), ("0" * 64, 1)):
        file = {"name": "s.tsv", "bytes": len(SHEET), "sha256": digest}
        made = stored.post("/datasets", json={"name": "x", "files": [file]}).json()
        done = send(stored, made, {"s.tsv": SHEET})
        assert sum("SHA-256" in one["detail"] for one in done["problems"]) == found


def test_a_sheet_is_checked_without_being_kept(gateway: httpx.Client) -> None:
    answer = gateway.post(
        "/datasets/check-sheet", params={"file": ["A.fastq.gz"]}, content=SHEET, headers={"Content-Type": "text/plain"}
    )
    assert [(one["row"], one["column"]) for one in answer.json()["problems"]] == [(3, "r1")]
    assert gateway.get("/datasets").json()["items"] == []


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "sheet",
    [b"sample\t" * 100_000 + b"\n", b"sample\tr1\n" + b"A\tx\n" * 500_000,
     b"sample\tr1\n" + b"".join(b"A%d\ty%d.fastq\n" % (n, n) for n in range(5_000))],
    ids=["columns", "rows", "missing files"],
)  # fmt: skip
def test_endless_sheets_are_refused_soon(gateway: httpx.Client, sheet: bytes) -> None:
    text = {"Content-Type": "text/plain"}
    answer = gateway.post("/datasets/check-sheet", params={"file": ["a.fastq"]}, content=sheet, headers=text)
    assert 1 <= len(answer.json()["problems"]) <= 200


@pytest.mark.timeout(20)
def test_many_files_are_announced_at_once(gateway: httpx.Client) -> None:
    files = [{"name": f"{number}.fastq", "bytes": 1} for number in range(100_000)]
    assert gateway.post("/datasets", json={"name": "x", "files": files}).status_code == 413
    assert gateway.post("/datasets", json={"name": "x", "files": files[:5_000]}).status_code == 201
    answer = gateway.post("/datasets", json={"name": "x", "files": [*files[:10], files[3]]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/files/10/name")


def test_who_made_a_dataset_and_admins_delete_it(stored: httpx.Client) -> None:
    dataset = begin(stored, {"samples.tsv": SHEET})
    assert stored.delete(f"/datasets/{dataset['id']}", headers=ADMIN).status_code == 204
    assert stored.get(f"/datasets/{dataset['id']}").status_code == 404


def test_pages_go_on_where_they_stopped(stored: httpx.Client) -> None:
    made = [begin(stored, {"samples.tsv": SHEET})["id"] for _ in range(5)]
    found, after = [], None
    while True:
        page = stored.get("/datasets", params={"limit": 2, **({"after": after} if after else {})}).json()
        found += [one["id"] for one in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert found == made[::-1]
    assert stored.get("/datasets", params={"after": "nonsense"}).status_code == 422
