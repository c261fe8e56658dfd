"""Two runs, one digest: another directory, a fresh clone, other cores and shards make the same bundle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from support.study import MARKER, Study, small_study

from abyssal.files import sha256_file

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(3600)]

COMPARED = ("bundle", "cluster", "embed", "evaluate", "load", "preprocess", "taxonomy.tsv", "provenance.json")
PLACES = ("load/libraries.tsv",)
"""Files that name where the reads of this run lie; a bundle takes the digests from them, never the places."""


def digests(study: Study, names: Sequence[str] = COMPARED) -> dict[str, str]:
    """SHA-256 of every result that a second run must make again, byte by byte."""
    starts = [study.results / name for name in names]
    files = [path for start in starts for path in ([start] if start.is_file() else start.rglob("*")) if path.is_file()]
    found = {path.relative_to(study.results).as_posix(): path for path in files}
    return {
        name: sha256_file(path)
        for name, path in sorted(found.items())
        if name not in PLACES and path.name != ".snakemake_timestamp"
    }


def differing(first: Study, second: Study, names: Sequence[str] = COMPARED) -> list[str]:
    """The results of two runs that are not the same bytes, or that one of them lacks."""
    before, after = digests(first, names), digests(second, names)
    assert before
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@pytest.fixture
def clone(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh clone, whose library comes first."""
    changed = subprocess.run(
        ["git", "status", "--porcelain", "scripts", "workflow", "resources", "config"],
        cwd=repository, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    if changed:
        pytest.skip("there are uncommitted changes, which a clone does not have")
    place = tmp_path / "elsewhere" / "clone"
    subprocess.run(["git", "clone", "-q", str(repository), str(place)], check=True)
    monkeypatch.setenv("PYTHONPATH", str(place / "scripts"))
    return place


def in_place(repository: Path, directory: Path) -> Study:
    directory.mkdir(parents=True)
    return small_study(repository, directory)


def test_one_core_and_shards_in_another_directory_make_the_same_model(finished_study: Study, tmp_path: Path) -> None:
    """From the ASVs on; the slow tests make everything again."""
    shutil.copytree(finished_study.directory, tmp_path / "deeper" / "study", symlinks=True)
    again = Study(finished_study.repository, tmp_path / "deeper" / "study", finished_study.config)
    for name in ("embed", "cluster", "train"):
        shutil.rmtree(again.results / name)
    (again.results / "taxonomy.tsv").unlink()
    goal = (again.results / "taxonomy.tsv").relative_to(again.directory)
    again.snakemake("--cores", "1", "--set-scatter", "embed=3", "--show-failed-logs", str(goal))
    assert (again.directory / f"logs/small/{MARKER}/embed_shard/reference.3-of-3.log").is_file()
    assert differing(finished_study, again, ("embed", "cluster", "train", "taxonomy.tsv")) == []


@pytest.mark.slow
def test_a_fresh_clone_on_one_core_in_eight_shards_makes_the_same_bundle(
    finished_study: Study, clone: Path, tmp_path: Path
) -> None:
    again = in_place(clone, tmp_path / "deeper" / "study")
    again.snakemake("--cores", "1", "--set-scatter", "embed=8", "--show-failed-logs")
    assert "bundle/manifest.json" in digests(again)
    assert differing(finished_study, again) == []


@pytest.mark.slow
def test_the_demo_with_umap_and_hdbscan_makes_the_same_bundle_twice(repository: Path, tmp_path: Path) -> None:
    runs = []
    for number, cores in enumerate(("1", "2")):
        study = in_place(repository, tmp_path / f"run{number}" / "demo")
        config = yaml.safe_load((repository / "config" / "config.yaml").read_text())
        reference = config["markers"][MARKER]["reference"]
        reference |= {key: study.config["markers"][MARKER]["reference"][key] for key in ("fasta", "lineages")}
        config["markers"][MARKER].pop("truth", None)
        config |= {"samples": "samples.tsv", "encoder": study.config["encoder"]}
        config |= {"cluster": {"method": "umap-hdbscan"}}
        run = Study(repository, study.directory, config)
        run.write()
        write_all_samples(repository, run.directory)
        run.snakemake("--cores", cores, "--show-failed-logs")
        runs.append(run)
    assert "bundle/manifest.json" in digests(runs[0])
    assert differing(*runs) == []


def write_all_samples(repository: Path, directory: Path) -> None:
    """The demo's sheet with the paths of its reads made absolute."""
    header, *rows = [line.split("\t") for line in (repository / "config/samples.tsv").read_text().splitlines()]
    for row in rows:
        for column in ("r1", "r2"):
            row[header.index(column)] = str(repository / row[header.index(column)])
    (directory / "samples.tsv").write_text("\n".join("\t".join(row) for row in [header, *rows]) + "\n")
