"""``abyssal bundle``: every verb as a user types it, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from abyssal.bundle.diff import diff_bundles
from abyssal.bundle.read import open_bundle


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "registry"


def test_inspect_says_what_a_bundle_is(run: Callable, bundle: Path) -> None:
    result = run("bundle", "inspect", bundle)
    assert result.code == 0
    for text in ("demo", open_bundle(bundle).digest, "18S-V4", "domain, genus", "vsearch", "classifier.safetensors"):
        assert text in result.out
    assert json.loads(run("bundle", "inspect", "--json", bundle).out)["format"] == "abyssal-bundle"


def test_verify_of_a_whole_bundle_succeeds(run: Callable, bundle: Path) -> None:
    result = run("bundle", "verify", "--files-only", bundle)
    assert result.code == 0
    assert "12 files as in the manifest" in result.out


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda b: (b / "taxonomy.tsv").write_bytes(b"\0" + (b / "taxonomy.tsv").read_bytes()[1:]), "taxonomy.tsv"),
        (lambda b: (b / "encoder/config.json").unlink(), "encoder/config.json"),
        (lambda b: (b / "extra.json").write_text("{}"), "extra.json"),
        (lambda b: (b / "manifest.json").write_text('{"format": "abyssal-bundle", "format_version": 2}'), "newer"),
    ],
    ids=["flipped byte", "missing file", "extra file", "newer format"],
)
@pytest.mark.parametrize("verb", ["verify", "inspect"])
def test_a_damaged_bundle_is_one_line_and_exit_code_1(
    run: Callable, bundle: Path, damage: Callable[[Path], object], name: str, verb: str
) -> None:
    damage(bundle)
    result = run("bundle", verb, bundle)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert result.err.startswith("ERROR: ")
    assert name in result.err


def test_a_path_that_is_not_there_is_exit_code_2(run: Callable, tmp_path: Path) -> None:
    result = run("bundle", "inspect", tmp_path / "nothing")
    assert result.code == 2
    assert result.err.count("\n") == 1


def test_no_registry_is_exit_code_2(run: Callable, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABYSSAL_REGISTRY", raising=False)
    result = run("bundle", "publish", bundle)
    assert result.code == 2
    assert "--registry" in result.err


def test_a_bundle_moves_through_a_registry(
    run: Callable, make_bundle: Callable[..., Path], tmp_path: Path, registry: Path
) -> None:
    for version in ("1", "2", "3"):
        bundle = make_bundle(tmp_path / version, version=version)
        published = run("bundle", "publish", bundle, "--registry", registry, "--activate")
        assert published.code == 0
        assert f"demo {version} ({open_bundle(bundle).digest}) published" in published.out
    assert "was published already" in run("bundle", "publish", bundle, "--registry", registry).out
    assert "current 2, previous 3" in run("bundle", "rollback", "demo", "--registry", registry).out
    assert "current 3, previous 2" in run("bundle", "activate", "demo", "3", "--registry", registry).out
    assert run("bundle", "prune", "demo", "--keep", "0", "--registry", registry).out == "deleted: 1\n"
    listed = run("bundle", "list", "--registry", registry).out.splitlines()
    assert "nothing is published there under the name elsewhere" in (
        run("bundle", "list", "elsewhere", "--registry", registry).err
    )
    assert run("bundle", "prune", "elsewhere", "--registry", registry).code == 0
    assert not (Path(registry) / "elsewhere").exists()
    assert [line.split("\t")[:4] for line in listed] == [
        ["demo", "2", "previous", "18S-V4"], ["demo", "3", "current", "18S-V4"]
    ]  # fmt: skip
    fetched = run("bundle", "fetch", "demo", "--registry", registry, "-o", tmp_path / "fetched")
    assert fetched.code == 0
    assert open_bundle(tmp_path / "fetched").version == "3"
    assert "equal" in run("bundle", "diff", tmp_path / "fetched", f"{registry}/demo@current").out


def test_one_broken_version_does_not_hide_the_others(
    run: Callable, make_bundle: Callable[..., Path], tmp_path: Path, registry: Path
) -> None:
    for version in ("1", "2"):
        run("bundle", "publish", make_bundle(tmp_path / version, version=version), "--registry", registry)
    (registry / "demo/1/manifest.json").write_text("{}")
    result = run("bundle", "list", "--registry", registry)
    assert result.code == 1
    assert result.out.startswith("demo\t2\t")
    assert "demo/1/manifest.json" in result.err


def test_diff_explains_what_changed(run: Callable, make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    before = make_bundle(tmp_path / "before")
    after = make_bundle(
        tmp_path / "after", version="2", recall=0.75, code_version="0.2.0", tool_versions={"vsearch": "2.28.1"},
        data_digests={"reference.fasta.gz": "3" * 64, "more": "4" * 64}, config={"alpha": 0.1},
    )  # fmt: skip
    result = run("bundle", "diff", before, after)
    assert result.code == 0
    assert "version: 1 -> 2" in result.out
    assert "genus.recall: 0.5 -> 0.75 (+0.25)" in result.out
    assert "tool_versions.vsearch: 2.22.1 -> 2.28.1" in result.out
    assert "more: (none) -> 4444444444444444..." in result.out
    changes = diff_bundles(open_bundle(before), open_bundle(after))
    assert [change.section for change in changes if change.section != "files"] == [
        "identity", "data", "data", "config", "code", "code", "metrics"
    ]  # fmt: skip
    assert {change.key for change in changes if change.section == "files"} == {
        "metrics.json",
        "MODEL_CARD.md",
        "config.json",
    }
    assert diff_bundles(open_bundle(before), open_bundle(before)) == []


def test_diff_names_the_config_keys(run: Callable, make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    before = make_bundle(tmp_path / "before", config={"train": {"alpha": 0.05, "neighbours": 60}})
    after = make_bundle(tmp_path / "after", config={"train": {"alpha": 0.1, "neighbours": 60}})
    assert "train.alpha: 0.05 -> 0.1" in run("bundle", "diff", before, after).out
