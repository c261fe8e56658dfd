"""What only a registry in an S3-compatible store can meet: its settings, half uploads, altered objects."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.s3_server import BUCKET, S3Server

from abyssal.bundle.read import open_bundle
from abyssal.bundle.registry import open_registry
from abyssal.errors import BundleError, StoreError, UsageError


class _Dying(RuntimeError):
    """Stands for the death of a process in the middle of something."""


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY"),
        ({"S3_ENDPOINT": "localhost:1", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"}, "expected http"),
    ],
)
def test_a_missing_setting_of_the_store_is_named(environment: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        open_registry("s3://bucket/prefix", environment=environment)


def test_a_machine_without_the_s3_client_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "abyssal.stores.objects.s3", raising=False)
    monkeypatch.setitem(sys.modules, "minio", None)
    with pytest.raises(UsageError, match="install minio"):
        open_registry("s3://bucket/prefix", environment={})


@pytest.mark.s3
def test_an_interrupted_s3_upload_is_invisible_and_goes_on(
    s3: S3Server, bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    location = f"s3://{BUCKET}/interrupted"
    registry = open_registry(location, environment=s3.environment)
    client = registry._objects._client  # type: ignore[attr-defined]
    original, puts = client.fput_object, []

    def dying_put(**arguments: str) -> None:
        if len(puts) == 3:
            raise _Dying
        puts.append(arguments["object_name"])
        original(**arguments)

    with monkeypatch.context() as patch:
        patch.setattr(client, "fput_object", dying_put)
        with pytest.raises(_Dying):
            registry.publish(bundle)
    assert registry.names() == []
    with monkeypatch.context() as patch:
        repeated: list[str] = []
        patch.setattr(client, "fput_object", lambda **a: (repeated.append(a["object_name"]), original(**a)))
        assert registry.publish(bundle).created
    assert not set(puts) & set(repeated)
    assert registry.fetch("demo", "1", tmp_path / "fetched").digest == open_bundle(bundle).digest


@pytest.mark.s3
def test_the_losers_files_are_removed_from_s3(
    s3: S3Server, bundle: Path, make_bundle: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_registry(f"s3://{BUCKET}/losers", environment=s3.environment)
    other = make_bundle(tmp_path / "other", recall=0.9)
    real = registry.manifest_bytes
    with monkeypatch.context() as patch:
        seen: list[bytes | None] = []

        def slow_look(name: str, version: str) -> bytes | None:
            """The other publisher commits right after this one looked."""
            seen.append(None if not seen else real(name, version))
            if len(seen) == 1:
                open_registry(registry.location, environment=s3.environment).publish(bundle)
            return seen[-1]

        patch.setattr(registry, "manifest_bytes", slow_look)
        with pytest.raises(BundleError, match="never overwritten"):
            registry.publish(other)
    objects = s3.client().list_objects(bucket_name=BUCKET, prefix="losers/demo/1/", recursive=True)
    names = {str(item.object_name).removeprefix("losers/demo/1/").split("/")[0] for item in objects}
    assert names == {"manifest.json", open_bundle(bundle).digest}


@pytest.mark.s3
def test_altered_files_in_s3_are_found(s3: S3Server, bundle: Path, tmp_path: Path) -> None:
    registry = open_registry(f"s3://{BUCKET}/altered", environment=s3.environment)
    digest = registry.publish(bundle).digest
    content = (bundle / "metrics.json").read_bytes().replace(b"0.5", b"0.9")
    (tmp_path / "new.json").write_bytes(content)
    s3.client().fput_object(
        bucket_name=BUCKET, object_name=f"altered/demo/1/{digest}/metrics.json", file_path=str(tmp_path / "new.json")
    )
    with pytest.raises(BundleError, match=r"metrics\.json: what arrived"):
        registry.fetch("demo", "1", tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


@pytest.mark.s3
def test_wrong_credentials_are_one_line(s3: S3Server, bundle: Path) -> None:
    registry = open_registry(f"s3://{BUCKET}/x", environment={**s3.environment, "S3_SECRET_KEY": "wrong"})
    with pytest.raises(StoreError, match=r"\((SignatureDoesNotMatch|AccessDenied)\)") as caught:
        registry.names()
    assert "\n" not in str(caught.value)
    assert "wrong" not in str(caught.value)
