"""Opening a bundle: whatever was altered is refused, in one line that names the file."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abyssal.bundle.manifest import FORMAT_VERSION, MAX_MANIFEST_BYTES
from abyssal.bundle.read import open_bundle
from abyssal.errors import BundleError, UsageError
from abyssal.files import to_json


def refusal(bundle: Path) -> str:
    """Return the one line with which a bundle is refused."""
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(bundle))
    return message.removeprefix(f"{bundle}: ")


def reseal(bundle: Path, change: Callable[[dict[str, Any]], object] | None = None) -> None:
    """Rewrite the manifest as a forger would: sizes, hashes and checksum all fit again."""
    payload = json.loads((bundle / "manifest.json").read_text())
    for path in payload["files"]:
        if (bundle / path).is_file():
            content = (bundle / path).read_bytes()
            payload["files"][path] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    if change is not None:
        change(payload)
    payload.pop("checksum", None)
    payload["checksum"] = hashlib.sha256(to_json(payload).encode()).hexdigest()
    (bundle / "manifest.json").write_text(to_json(payload))


def entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def test_the_digest_is_the_hash_of_the_manifest(bundle: Path) -> None:
    assert open_bundle(bundle).digest == hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()


def test_every_flipped_byte_is_found(bundle: Path) -> None:
    """All bytes of all files, one bit each; the bit changes from byte to byte."""
    for path in sorted(file for file in bundle.rglob("*") if file.is_file()):
        original = path.read_bytes()
        name = path.relative_to(bundle).as_posix()
        for position in range(len(original)):
            flipped = bytearray(original)
            flipped[position] ^= 1 << (position % 8)
            path.write_bytes(flipped)
            assert refusal(bundle).startswith(f"{name}:"), position
        path.write_bytes(original)
    open_bundle(bundle)


def test_every_cut_and_every_added_byte_is_found(bundle: Path) -> None:
    for path in sorted(file for file in bundle.rglob("*") if file.is_file()):
        original = path.read_bytes()
        for content in (original[:-1], original[: len(original) // 2], b"", original + b"\n", original + original):
            path.write_bytes(content)
            assert refusal(bundle).startswith(f"{path.relative_to(bundle).as_posix()}:")
        path.write_bytes(original)


def test_every_missing_file_is_named(bundle: Path, tmp_path: Path) -> None:
    for path in sorted(file for file in bundle.rglob("*") if file.is_file()):
        path.rename(tmp_path / "away")
        assert refusal(bundle).startswith(f"{path.relative_to(bundle).as_posix()}:")
        (tmp_path / "away").rename(path)


@pytest.mark.parametrize(
    "extra", ["extra.json", "encoder/extra.json", "manifest.json.sig", "run.sh", ".DS_Store", "line\nend.tsv", "é"]
)
def test_extra_files_are_named_in_one_line(bundle: Path, extra: str) -> None:
    (bundle / extra).write_text("{}")
    assert (
        refusal(bundle) == f"{ascii(extra)[1:-1]}: is not listed in the manifest; remove it or fetch the bundle again"
    )


def test_a_name_that_is_not_unicode_is_refused_in_printable_letters(bundle: Path) -> None:
    (Path(os.fsdecode(os.fsencode(bundle) + b"/bad\xff.json"))).write_text("{}")
    assert refusal(bundle).isascii()


@pytest.mark.parametrize("folder", ["extra", "encoder/deeper", "__pycache__"])
def test_extra_folders_are_refused_even_when_empty(bundle: Path, folder: str) -> None:
    (bundle / folder).mkdir()
    assert refusal(bundle).startswith(f"{folder}: is a directory")


def test_a_folder_in_place_of_a_file_is_refused(bundle: Path) -> None:
    (bundle / "metrics.json").unlink()
    (bundle / "metrics.json").mkdir()
    assert refusal(bundle).startswith("metrics.json: is a directory")


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", ["metrics.json", "manifest.json", "encoder/config.json"])
def test_links_are_refused_even_to_the_right_content(bundle: Path, tmp_path: Path, name: str, *, inside: bool) -> None:
    target = (bundle if inside else tmp_path) / "copy.json"
    (bundle / name).rename(target)
    (bundle / name).symlink_to(target)
    assert "symbolic link" in refusal(bundle)


def test_a_linked_folder_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "encoder").rename(tmp_path / "elsewhere")
    (bundle / "encoder").symlink_to(tmp_path / "elsewhere")
    assert refusal(bundle).startswith("encoder: is a symbolic link")


def test_a_pipe_does_not_hang_the_reader(bundle: Path) -> None:
    for name in ("metrics.json", "manifest.json", "pipe"):
        if (bundle / name).exists():
            (bundle / name).rename(bundle.parent / "kept")
        os.mkfifo(bundle / name)
        assert refusal(bundle).startswith(f"{name}: is ")
        (bundle / name).unlink()
        if (bundle.parent / "kept").exists():
            (bundle.parent / "kept").rename(bundle / name)


def test_a_socket_is_refused(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bundle / "metrics.json").unlink()
    monkeypatch.chdir(bundle)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("metrics.json")
        assert refusal(bundle).startswith("metrics.json: is a special file")


@pytest.mark.parametrize(
    "path",
    ["../outside.json", "/etc/hostname.txt", "a/../b.json", "encoder/../x.json", "./x.json", "encoder//x.json", "x",
     "encoder/deep/x.json", "x.pkl", "x.pt", "x.py", "model.joblib", "x.zip", "x.json\n", "x.json/", "\u202ex.json",
     "..json", "-x.json", "encoder/.json", "C:\\x.json", "a" * 200 + ".json", "", "x.so.json.py"],
)  # fmt: skip
def test_paths_that_leave_the_directory_or_could_run_are_refused(bundle: Path, tmp_path: Path, path: str) -> None:
    content = b"{}"
    (tmp_path / "outside.json").write_bytes(content)
    reseal(bundle, lambda payload: payload["files"].update({path: entry(content)}))
    assert refusal(bundle).startswith("manifest.json: files")


def test_names_that_differ_only_in_case_are_refused(bundle: Path) -> None:
    for name in ("Extra.json", "extra.json"):
        (bundle / name).write_text("{}")
    reseal(bundle, lambda payload: payload["files"].update({"Extra.json": entry(b"{}"), "extra.json": entry(b"{}")}))
    assert refusal(bundle) == "manifest.json: files Extra.json and extra.json differ only in case"


def test_the_manifest_cannot_list_itself(bundle: Path) -> None:
    reseal(bundle, lambda payload: payload["files"].update({"Manifest.json": entry(b"{}")}))
    assert refusal(bundle) == "manifest.json: files: manifest.json cannot list itself"


def test_a_forged_file_of_another_kind_is_refused(bundle: Path) -> None:
    (bundle / "metrics.json").write_bytes(b"\x80\x04\x95pickled\0")
    reseal(bundle)
    assert refusal(bundle) == "metrics.json: holds binary bytes, but its suffix promises text"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda p: p.update(format_version=FORMAT_VERSION + 1), "is newer than"),
        (lambda p: p.update(format_version=0), "is older than"),
        (lambda p: p.update(format_version=True), "not a whole number"),
        (lambda p: p.update(format_version="1"), "not a whole number"),
        (lambda p: p.update(format="zip"), "not an Abyssal bundle"),
        (lambda p: p.pop("format"), "not an Abyssal bundle"),
        (lambda p: p.update(note="x"), "note: Extra inputs"),
        (lambda p: p["marker"].update(note="x"), "marker.note: Extra inputs"),
        (lambda p: p["files"]["metrics.json"].update(mode=493), "Extra inputs"),
        (lambda p: p.pop("ranks"), "ranks: Field required"),
        (lambda p: p.update(ranks=["a"] * 33), "ranks"),
        (lambda p: p.update(ranks=["a;b"]), "ranks"),
        (lambda p: p.update(version="previous"), "name of a label"),
        (lambda p: p["files"]["metrics.json"].update(size=-1), "size"),
        (lambda p: p["files"]["metrics.json"].update(size=2**63), "size"),
        (lambda p: p["files"]["metrics.json"].update(size="26"), "size"),
        (lambda p: p["files"]["metrics.json"].update(sha256="A" * 64), "sha256"),
        (lambda p: p["files"].pop("golden.tsv"), "golden.tsv is required"),
        (lambda p: p.update(code_version="x" * 300), "code_version"),
        (lambda p: p.update(facts={"note": "two\nlines"}), "facts"),
        (lambda p: p.update(files={f"f{i}.json": entry(b"{}") for i in range(65)}), "files"),
        (lambda p: p.update(marker=None), "marker"),
    ],
)
def test_a_resealed_manifest_that_breaks_a_rule_is_refused(
    bundle: Path, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    reseal(bundle, change)
    message = refusal(bundle)
    assert message.startswith("manifest.json: ")
    assert problem in message


def test_a_newer_format_says_what_to_do(bundle: Path) -> None:
    """Also when the newer format has keys that this version has never heard of, or is written differently."""
    reseal(bundle, lambda payload: payload.update(format_version=FORMAT_VERSION + 1, novelty={"deep": [1, 2]}))
    assert "update Abyssal to open this bundle" in refusal(bundle)
    (bundle / "manifest.json").write_text('{"format":"abyssal-bundle","format_version":99}')
    assert "update Abyssal to open this bundle" in refusal(bundle)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "not the JSON"),
        (b"[]", "expected a JSON object"),
        (b"null", "expected a JSON object"),
        (b"\xff\xfe{}", "not the JSON"),
        (b'{"a": 1, "a": 2}', "duplicate key 'a'"),
        (b'{"a": {"b\\n": 1, "b\\n": 2}}', "duplicate key"),
        (b'{"a": NaN}', "NaN is not a whole number"),
        (b'{"a": 1.5}', "1.5 is not a whole number"),
        (b"[" * 100_000, "not the JSON"),
        (b'{"a":' * 100_000, "not the JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not the JSON"),
        (b'{"format": "abyssal-bundle", "format_version": 1, "x": "\\ud800"}', "not Unicode"),
        (b"{" + b" " * MAX_MANIFEST_BYTES + b"}", "larger than"),
    ],
    ids=range(13),
)
def test_manifests_that_are_no_manifests(bundle: Path, raw: bytes, problem: str) -> None:
    (bundle / "manifest.json").write_bytes(raw)
    message = refusal(bundle)
    assert message.startswith("manifest.json: ")
    assert problem in message


def test_another_spelling_of_the_same_content_is_refused(bundle: Path) -> None:
    payload = json.loads((bundle / "manifest.json").read_text())
    for text in (json.dumps(payload), to_json(payload) + "\n", to_json(payload).replace("\n", "\r\n"), "\ufeff"):
        (bundle / "manifest.json").write_text(text, newline="")
        assert refusal(bundle).startswith("manifest.json: ")


def test_a_path_that_is_no_directory_is_the_users_mistake(tmp_path: Path, bundle: Path) -> None:
    for place in (tmp_path / "nothing", bundle / "metrics.json"):
        with pytest.raises(UsageError, match="no such directory"):
            open_bundle(place)
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").startswith("manifest.json: is not there")


def test_a_bundle_may_be_reached_through_a_link(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle)
    assert open_bundle(tmp_path / "current").digest == open_bundle(bundle).digest


PROBE = """
import os, resource, sys
from pathlib import Path
from abyssal.bundle.read import open_bundle
from abyssal.errors import BundleError
bundle = Path(sys.argv[1])
opened = []
sys.addaudithook(lambda event, args: opened.append(args[0]) if event in ("open", "os.scandir") else None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_bundle(bundle)
except BundleError as error:
    print(error, file=sys.stderr)
growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
seen = list(opened)
inside = {entry for _, folders, files in os.walk(bundle) for entry in [*folders, *files]}
outside = [p for p in seen if isinstance(p, str | Path) and str(p) not in inside and str(p) != str(bundle)]
print(growth, outside)
"""


def test_opening_reads_nothing_outside_and_needs_little_memory(bundle: Path) -> None:
    """Also when a file is far larger than the memory allowed and the manifest points elsewhere."""
    with (bundle / "report.html").open("ab") as report:
        for _ in range(100):
            report.write(b"<!-- padding -->" * 65536)
    reseal(bundle)
    assert_small_and_inside(bundle, refused=False)
    (bundle / "metrics.json").unlink()
    (bundle / "metrics.json").symlink_to("/etc/passwd")
    reseal(bundle, lambda payload: payload["files"].update({"../../../../etc/passwd.txt": entry(b"")}))
    assert_small_and_inside(bundle, refused=True)


def assert_small_and_inside(bundle: Path, *, refused: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(bundle)], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    growth, _, outside = done.stdout.strip().partition(" ")
    assert int(growth) <= 64 * 1024, "KiB"
    assert outside == "[]"
    assert bool(done.stderr) is refused


def test_a_copied_bundle_keeps_its_digest(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "copy")
    assert open_bundle(tmp_path / "copy").digest == open_bundle(bundle).digest


def test_any_two_swapped_files_are_found(bundle: Path, tmp_path: Path) -> None:
    files = sorted(file for file in bundle.rglob("*") if file.is_file())
    for first, second in itertools.combinations(files, 2):
        for source, target in [(first, tmp_path / "x"), (second, first), (tmp_path / "x", second)]:
            source.rename(target)
        assert refusal(bundle).split(":")[0] in {path.relative_to(bundle).as_posix() for path in (first, second)}
        for source, target in [(first, tmp_path / "x"), (second, first), (tmp_path / "x", second)]:
            source.rename(target)
    open_bundle(bundle)


def archive(kind: str) -> bytes:
    """A zip or tar whose member would land outside."""
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as packed:
            packed.writestr("../../escape.json", "{}")
    else:
        with tarfile.open(fileobj=out, mode="w:gz" if kind == "tar.gz" else "w") as packed_tar:
            member = tarfile.TarInfo("../../escape.json")
            member.size = 2
            packed_tar.addfile(member, io.BytesIO(b"{}"))
    return out.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize(
    "name",
    ["metrics.json", "report.html", "golden.tsv", "MODEL_CARD.md", "classifier.safetensors", "reference.fasta.gz"],
)
def test_an_archive_under_any_name_is_refused_and_never_unpacked(bundle: Path, name: str, kind: str) -> None:
    (bundle / name).write_bytes(archive(kind))
    assert refusal(bundle).startswith(f"{name}: ")
    reseal(bundle)
    assert refusal(bundle).startswith(f"{name}: ")
    assert not (bundle.parents[1] / "escape.json").exists()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_in_place_of_a_bundle_is_no_bundle(tmp_path: Path, kind: str) -> None:
    (tmp_path / "bundle").write_bytes(archive(kind))
    with pytest.raises(UsageError, match="expected a bundle"):
        open_bundle(tmp_path / "bundle")
