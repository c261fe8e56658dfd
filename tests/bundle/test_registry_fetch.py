"""Fetching from every registry: interrupted, resumed, damaged, twice at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from abyssal.bundle.read import Bundle, open_bundle
from abyssal.bundle.registry import Registry, open_registry
from abyssal.bundle.registry.fetch import locked_directory
from abyssal.errors import UsageError


class _Dying(RuntimeError):
    """Stands for the death of a process in the middle of something."""


def dying_reads(registry: Registry, monkeypatch: pytest.MonkeyPatch, *, after_files: int) -> list[tuple[str, int]]:
    """Let a registry deliver some files, then half a file, then die; returns what was asked for."""
    asked: list[tuple[str, int]] = []
    original = registry.read_blocks

    def read(bundle: tuple[str, str, str], path: str, offset: int) -> Iterator[bytes]:
        asked.append((path, offset))
        content = b"".join(original(bundle, path, offset))
        if len(asked) > after_files:
            yield content[: len(content) // 2]
            raise _Dying
        yield content

    monkeypatch.setattr(registry, "read_blocks", read)
    return asked


def test_an_interrupted_fetch_shows_nothing_and_goes_on_where_it_stopped(
    registry: Registry, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(bundle)
    target = tmp_path / "place/fetched"
    with monkeypatch.context() as patch:
        first = dying_reads(registry, patch, after_files=4)
        with pytest.raises(_Dying):
            registry.fetch("demo", "1", target)
    assert not target.exists()
    with monkeypatch.context() as patch:
        second = dying_reads(registry, patch, after_files=1000)
        assert registry.fetch("demo", "1", target).digest == open_bundle(bundle).digest
    assert {path for path, _ in first[:4]}.isdisjoint({path for path, _ in second})
    assert second[0][0] == first[4][0]
    assert second[0][1] == open_bundle(bundle).manifest.files[first[4][0]].size // 2
    assert [path.name for path in target.parent.iterdir()] == ["fetched"]


def test_a_damaged_half_is_fetched_again(
    registry: Registry, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.publish(bundle)
    target = tmp_path / "place/fetched"
    with monkeypatch.context() as patch:
        dying_reads(registry, patch, after_files=2)
        with pytest.raises(_Dying):
            registry.fetch("demo", "1", target)
    for file in target.parent.rglob("*"):
        if file.is_file():
            file.write_bytes(b"x" * file.stat().st_size)
    assert registry.fetch("demo", "1", target).digest == open_bundle(bundle).digest


def test_fetching_again_is_a_check_of_what_is_there(
    registry: Registry, versions: Callable[[str], Path], tmp_path: Path
) -> None:
    registry.publish(versions("1"))
    registry.publish(versions("2"))
    target = tmp_path / "fetched"
    first = registry.fetch("demo", "1", target)
    assert registry.fetch("demo", "1", target) == first
    with pytest.raises(UsageError, match="holds another bundle"):
        registry.fetch("demo", "2", target)
    (target / "metrics.json").write_text("{}")
    with pytest.raises(UsageError, match="no whole bundle"):
        registry.fetch("demo", "1", target)


def test_two_fetches_to_one_place_take_turns(registry: Registry, bundle: Path, tmp_path: Path) -> None:
    registry.publish(bundle)
    found: list[Bundle] = []
    threads = [
        threading.Thread(target=lambda: found.append(registry.fetch("demo", "1", tmp_path / "place/fetched")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {bundle.digest for bundle in found} == {open_bundle(tmp_path / "place/fetched").digest}
    assert len(found) == 4
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["fetched"]


def test_the_lock_of_a_place_survives_its_removal(tmp_path: Path) -> None:
    place = tmp_path / "place"

    def take(thread: int) -> None:
        for _ in range(50):
            with locked_directory(place):
                place.rename(tmp_path / f"done-{thread}")
            shutil.rmtree(tmp_path / f"done-{thread}")

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(take, thread) for thread in range(8)]:
            future.result()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_lock_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "place").write_text("")
    with pytest.raises(FileExistsError), locked_directory(tmp_path / "place"):
        pass


def test_a_file_in_the_way_is_told_before_anything_is_fetched(registry: Registry, bundle: Path, tmp_path: Path) -> None:
    registry.publish(bundle)
    target = tmp_path / "place/fetched"
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(UsageError, match="fetched: is a file"):
        registry.fetch("demo", "1", target)
    assert [path.name for path in target.parent.iterdir()] == ["fetched"]


@pytest.mark.parametrize("verb", ["publish", "fetch"])
def test_a_full_disk_is_one_line_and_leaves_nothing_to_see(bundle: Path, tmp_path: Path, verb: str) -> None:
    """A limit on the size of files fails as a full disk does: in the middle of a write."""
    registry = tmp_path / "registry"
    open_registry(str(registry if verb == "fetch" else tmp_path / "other")).publish(bundle)
    what = [str(bundle)] if verb == "publish" else ["demo@1", "-o", str(tmp_path / "fetched")]
    command = [sys.executable, "-m", "abyssal.cli", "bundle", verb, *what, "--registry", str(registry)]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 1 && exec "$@"', "bash", *command], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ERROR: ")
    assert "(File too large)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "fetched").exists()
    assert open_registry(str(registry)).versions("demo") == (["1"] if verb == "fetch" else [])
