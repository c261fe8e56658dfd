"""One contract for every registry: a directory, and a real S3-compatible server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.bundle.manifest import Manifest
from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import Labels, Registry, open_location, open_registry
from abyssal.bundle.registry.base import version_order
from abyssal.errors import BundleError, UsageError


def test_an_empty_registry_lists_nothing(registry: Registry) -> None:
    assert registry.names() == []
    assert registry.versions("demo") == []
    assert registry.labels("demo") == Labels()


def test_a_published_bundle_is_listed_and_fetched_byte_for_byte(
    registry: Registry, bundle: Path, tmp_path: Path
) -> None:
    done = registry.publish(bundle)
    assert (done.name, done.version, done.digest, done.created) == ("demo", "1", open_bundle(bundle).digest, True)
    assert (registry.names(), registry.versions("demo")) == (["demo"], ["1"])
    fetched = registry.fetch("demo", "1", tmp_path / "fetched")
    assert fetched.digest == done.digest
    for path in (*fetched.manifest.files, "manifest.json"):
        assert (bundle / path).read_bytes() == (tmp_path / "fetched" / path).read_bytes()
    manifest, digest = registry.manifest("demo", "1")
    assert isinstance(manifest, Manifest)
    assert digest == done.digest


def test_publishing_the_same_bytes_again_changes_nothing(registry: Registry, bundle: Path) -> None:
    assert registry.publish(bundle).created
    assert not registry.publish(bundle).created


def test_a_version_is_never_overwritten(
    registry: Registry, bundle: Path, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    registry.publish(bundle)
    other = make_bundle(tmp_path / "other", recall=0.9)
    with pytest.raises(BundleError, match="never overwritten"):
        registry.publish(other)
    assert registry.fetch("demo", "1", tmp_path / "fetched").digest == open_bundle(bundle).digest


def test_a_broken_bundle_is_not_published(registry: Registry, bundle: Path) -> None:
    (bundle / "metrics.json").write_text("{}")
    with pytest.raises(BundleError, match=r"metrics\.json"):
        registry.publish(bundle)
    assert registry.names() == []


def test_of_many_publishers_of_one_version_exactly_one_wins(
    registry: Registry, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundles = [make_bundle(tmp_path / f"b{i}", recall=i / 10) for i in range(6)]
    won: list[str] = []
    lost: list[str] = []
    gate = threading.Barrier(len(bundles))

    def publish(place: Path) -> None:
        gate.wait()
        try:
            won.append(registry.publish(place).digest)
        except BundleError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=publish, args=(place,)) for place in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert all("never overwritten" in message for message in lost)
    assert len(lost) == len(bundles) - 1
    assert registry.fetch("demo", "1", tmp_path / "fetched").digest == won[0]


def test_labels_move_together(registry: Registry, versions: Callable[[str], Path]) -> None:
    for version in ("1", "2", "3"):
        registry.publish(versions(version))
    assert registry.activate("demo", "1") == Labels(current="1")
    assert registry.activate("demo", "2") == Labels(current="2", previous="1")
    assert registry.activate("demo", "2") == Labels(current="2", previous="1")
    assert registry.activate("demo", "3") == Labels(current="3", previous="2")
    assert registry.rollback("demo") == Labels(current="2", previous="3")
    assert registry.labels("demo") == Labels(current="2", previous="3")
    assert registry.resolve("demo", "current") == "2"


def test_a_label_can_be_fetched(registry: Registry, versions: Callable[[str], Path], tmp_path: Path) -> None:
    registry.publish(versions("1"))
    with pytest.raises(UsageError, match="no version of demo is labelled current"):
        registry.fetch("demo", "current", tmp_path / "fetched")
    registry.activate("demo", "1")
    assert registry.fetch("demo", "current", tmp_path / "fetched").version == "1"


@pytest.mark.parametrize("version", ["2", "current", "../1", "", ".labels.json", "1/../1"])
def test_only_a_published_version_can_be_activated(registry: Registry, bundle: Path, version: str) -> None:
    registry.publish(bundle)
    with pytest.raises(UsageError):
        registry.activate("demo", version)
    assert registry.labels("demo") == Labels()


def test_there_is_no_way_back_from_the_first_version(registry: Registry, bundle: Path) -> None:
    registry.publish(bundle)
    registry.activate("demo", "1")
    with pytest.raises(UsageError, match="no way back"):
        registry.rollback("demo")


def test_labels_moved_by_many_at_once_end_as_one_of_them_said(
    registry: Registry, versions: Callable[[str], Path]
) -> None:
    for version in ("1", "2", "3"):
        registry.publish(versions(version))
    threads = [threading.Thread(target=registry.activate, args=("demo", v)) for v in ("1", "2", "3") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    labels = registry.labels("demo")
    assert {labels.current, labels.previous} < {"1", "2", "3"}
    assert labels.current != labels.previous


def test_pruning_spares_labelled_and_new_versions(
    registry: Registry, versions: Callable[[str], Path], tmp_path: Path
) -> None:
    for version in ("1", "2", "3", "10", "9"):
        registry.publish(versions(version))
    registry.activate("demo", "2")
    registry.activate("demo", "1")
    assert registry.versions("demo") == ["1", "2", "3", "9", "10"]
    assert registry.prune("demo", keep=1) == ["3", "9"]
    assert registry.versions("demo") == ["1", "2", "10"]
    assert registry.labels("demo") == Labels(current="1", previous="2", retired=("3", "9"))
    assert registry.fetch("demo", "10", tmp_path / "fetched").version == "10"
    assert registry.prune("demo", keep=1) == []


def test_a_pruned_version_is_gone_for_good(registry: Registry, versions: Callable[[str], Path], tmp_path: Path) -> None:
    registry.publish(versions("1"))
    registry.publish(versions("2"))
    assert registry.prune("demo", keep=1) == ["1"]
    with pytest.raises(UsageError, match="there is no demo 1"):
        registry.fetch("demo", "1", tmp_path / "fetched")
    with pytest.raises(UsageError, match="there is no demo 1"):
        registry.activate("demo", "1")
    with pytest.raises(BundleError, match="never used twice"):
        registry.publish(versions("1"))


def test_a_retired_version_that_still_lies_there_cannot_be_labelled(
    registry: Registry, versions: Callable[[str], Path]
) -> None:
    """A prune that died between retiring and deleting; the next one finishes its work."""
    registry.publish(versions("1"))
    registry.publish(versions("2"))
    assert registry.swap_labels("demo", None, Labels(retired=("1",)).to_bytes())
    with pytest.raises(UsageError, match="was pruned"):
        registry.activate("demo", "1")
    assert registry.versions("demo") == ["2"]
    assert registry.prune("demo", keep=5) == ["1"]
    assert registry.stored_versions("demo") == ["2"]


def test_labels_are_swapped_only_when_they_are_as_expected(registry: Registry, bundle: Path) -> None:
    registry.publish(bundle)
    first, second = Labels(current="1").to_bytes(), Labels(previous="1").to_bytes()
    assert registry.swap_labels("demo", None, first)
    assert not registry.swap_labels("demo", None, second)
    assert not registry.swap_labels("demo", second, second)
    assert registry.swap_labels("demo", first, second)
    assert registry.read_labels("demo") == second


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'{"format": "abyssal-labels", "format_version": 2, "current": null, "previous": null, '
            b'"retired": []}', b'{"format": "abyssal-labels", "format_version": 1, "current": "../../etc", '
            b'"previous": null, "retired": []}', b'{"format": "abyssal-labels", "format_version": 1, "current": "", '
            b'"previous": null, "retired": []}', b'{"format": "abyssal-labels", "format_version": 1, "current": null, '
            b'"previous": null, "retired": {"1": 0}}'],
)  # fmt: skip
def test_damaged_labels_are_named(registry: Registry, bundle: Path, raw: bytes) -> None:
    registry.publish(bundle)
    registry.swap_labels("demo", None, raw)
    with pytest.raises(BundleError, match=r"demo/\.labels\.json"):
        registry.activate("demo", "1")


def test_a_location_opens_a_directory_or_a_registrys_version(
    registry: Registry, versions: Callable[[str], Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = request.getfixturevalue("s3").environment if registry.location.startswith("s3:") else {}
    registry.publish(versions("1"))
    registry.publish(versions("2"))
    registry.activate("demo", "2")
    for location, version in [("demo", "2"), ("demo@current", "2"), ("demo@1", "1")]:
        opened = open_location(f"{registry.location}/{location}", cache=tmp_path / "cache", environment=environment)
        assert opened.version == version
    assert open_location(str(versions("1")), cache=tmp_path / "cache").version == "1"
    with pytest.raises(UsageError):
        open_location(f"{registry.location}/demo@7", cache=tmp_path / "cache", environment=environment)


def test_versions_are_ordered_by_their_numbers() -> None:
    assert sorted(["1.10", "1.9", "2", "1", "1.9-rc1", "10"], key=version_order) == [
        "1", "1.9", "1.9-rc1", "1.10", "2", "10"
    ]  # fmt: skip


def test_a_bundle_moved_by_hand_is_refused(bundle: Path, tmp_path: Path) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    registry.publish(bundle)
    (tmp_path / "registry/demo/1").rename(tmp_path / "registry/demo/2")
    with pytest.raises(BundleError, match="moved by hand"):
        registry.fetch("demo", "2", tmp_path / "fetched")


def test_what_an_interrupted_upload_left_is_invisible_and_cleaned(
    versions: Callable[[str], Path], tmp_path: Path
) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    registry.publish(versions("1"))
    leftover = tmp_path / "registry/demo/.incoming-abc"
    leftover.mkdir()
    (leftover / "manifest.json").write_text("{}")
    assert registry.versions("demo") == ["1"]
    registry.prune("demo", keep=5)
    assert not leftover.exists()


def test_a_labels_document_has_one_spelling() -> None:
    text = Labels(current="2", previous="1", retired=("b", "a")).to_bytes()
    assert json.loads(text)["retired"] == ["a", "b"]
    assert Labels.from_bytes(text, "x") == Labels(current="2", previous="1", retired=("a", "b"))
