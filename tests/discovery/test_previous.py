"""The earlier run whose ids are kept: what cannot be one is named, in one message, before anything is written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.study import MARKER, small_study

from abyssal.discovery.previous import previous_members, read_previous
from abyssal.discovery.records import StoredTaxon
from abyssal.errors import ConfigError, DataError
from abyssal.files import sha256_file

HEADER = "asv\tputative_taxon\trole\tdistance\n"
ASVS = frozenset({"aa", "bb"})


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results of an earlier run of two markers, beside the directory in which a study runs."""
    for marker in ("18S", "COI"):
        folder = tmp_path / "earlier" / marker / "cluster"
        folder.mkdir(parents=True)
        (folder / "members.tsv").write_text(HEADER + "aa\tPTaa\texemplar\t0.000000\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "earlier"


def test_every_marker_has_its_own_earlier_run(earlier: Path) -> None:
    found = previous_members(f"{earlier}/{{marker}}/cluster", "cruise", ("18S", "COI", "12S"))
    assert found == {marker: earlier / marker / "cluster" / "members.tsv" for marker in ("18S", "COI")}
    assert previous_members("earlier/18S/cluster", "cruise", ("18S",)) == {
        "18S": Path("earlier/18S/cluster/members.tsv")
    }
    assert previous_members(None, "cruise", ("18S",)) == {}


@pytest.mark.parametrize(
    ("folder", "markers", "message"),
    [
        (
            "nowhere",
            ("18S",),
            r"cluster\.previous: nowhere/members\.tsv: no such file; expected the cluster/ directory",
        ),
        ("nowhere/{marker}", ("18S", "COI"), r"nowhere/18S/members\.tsv: no such file"),
        ("earlier/18S/cluster", ("18S", "COI"), r"is one directory for 2 markers; write \{marker\} for their names"),
        ("results/cruise/18S/cluster", ("18S",), r"is what this study's run will write; copy the directory elsewhere"),
        (
            "./results/cruise/{marker}/cluster/",
            ("18S",),
            r"results/cruise/18S/cluster is what this study's run will write",
        ),
    ],
)
def test_a_directory_that_cannot_be_the_earlier_run(
    earlier: Path, folder: str, markers: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        previous_members(folder, "cruise", markers)


def test_taxa_of_an_earlier_run(tmp_path: Path) -> None:
    source = tmp_path / "members.tsv"
    source.write_text(HEADER + "".join(f"{asv}\tPT{asv[0]}\tmember\t0.1\n" for asv in ("aa", "ab", "bb")))
    assert read_previous(source, ASVS) == [StoredTaxon("PTa", frozenset({"aa", "ab"})), StoredTaxon("PTb", {"bb"})]
    source.write_text(HEADER)
    assert read_previous(source, ASVS) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"row 1: expected the columns asv, putative_taxon, role, distance, found \[\]"),
        (b"id\ttaxon\n", r"row 1: expected the columns asv"),
        (HEADER.encode() + b"aa\tPTaa\texempl", r"row 2: expected 4 cells, found 'aa\\tPTaa\\texempl'"),
        (HEADER.encode() + b"aa\t\tmember\t0.1\n", r"row 2: expected 4 cells"),
        (HEADER.encode() + b"aa\tDiatom sp. 1\tmember\t0.1\n", r"row 2: id 'Diatom sp\. 1'; expected letters, digits"),
        (HEADER.encode() + b"aa\tPTa|PTb\tmember\t0.1\n", r"row 2: id 'PTa\|PTb'; expected letters, digits"),
        (HEADER.encode() + b"aa\tPTa\tmember\t0.1\n" * 2, r"row 3: ASV aa is there twice"),
        (b"\x1f\x8b\xff\xfe", r"members\.tsv: not a text file \(invalid start byte at byte 1\); copy it again"),
        (HEADER.encode() + b"cc\tPTc\tmember\t0.1\n", r"none of its 1 ASVs is in this study; cluster\.previous must"),
    ],
)
def test_a_broken_or_foreign_table_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    source = tmp_path / "members.tsv"
    source.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_previous(source, ASVS)


def test_a_study_without_asvs_has_any_earlier_run(tmp_path: Path) -> None:
    source = tmp_path / "members.tsv"
    source.write_text(HEADER + "aa\tPTa\tmember\t0.1\n")
    assert read_previous(source, frozenset()) == [StoredTaxon("PTa", frozenset({"aa"}))]


@pytest.mark.workflow
def test_the_workflow_stops_before_it_overwrites_the_earlier_run(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path)
    own = os.path.relpath(study.results / "cluster", study.directory)
    study.write(cluster={"previous": own})
    done = study.snakemake("-n", f"results/small/{MARKER}/cluster/members.tsv", check=False)
    assert done.returncode != 0
    assert f"cluster.previous: {own} is what this study's run will write" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.workflow
@pytest.mark.parametrize("marker", ["18S-before", MARKER])
def test_the_earlier_run_may_be_another_study_beside_this_one(repository: Path, tmp_path: Path, marker: str) -> None:
    folder = tmp_path / "results" / "older" / marker / "cluster"
    folder.mkdir(parents=True)
    (folder / "members.tsv").write_text(HEADER + "aa\tPTaa\texemplar\t0.000000\n")
    study = small_study(repository, tmp_path)
    study.write(cluster={"method": "average-linkage", "previous": f"results/older/{marker}/cluster"})
    done = study.snakemake("-n", f"results/small/{MARKER}/cluster/members.tsv", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"results/older/{marker}/cluster/members.tsv" in done.stdout
    assert "study=older" not in done.stdout


@pytest.mark.workflow
def test_provenance_has_the_digest_of_the_earlier_members(repository: Path, earlier: Path) -> None:
    study = small_study(repository, earlier.parent)
    study.write(cluster={"method": "average-linkage", "previous": "earlier/18S/cluster"})
    names = ("load/libraries.tsv", "load/reference.fasta.gz", "load/lineages.tsv", "preprocess/asvs.fasta",
             "preprocess/asv_table.tsv", "preprocess/ledger.tsv", "taxonomy.tsv", "bundle/manifest.json")  # fmt: skip
    for name in names:
        (study.results / name).parent.mkdir(parents=True, exist_ok=True)
        (study.results / name).write_text("library\n")
    study.snakemake("--allowed-rules", "provenance", "--", f"results/small/{MARKER}/provenance.json")
    inputs = json.loads((study.results / "provenance.json").read_text())["inputs"]
    assert inputs["members of the earlier putative taxa"] == sha256_file(earlier / "18S" / "cluster" / "members.tsv")


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.timeout(1800)
def test_a_study_that_grew_keeps_its_ids(repository: Path, tmp_path: Path) -> None:
    study = small_study(repository, tmp_path, samples=1)
    target = f"results/small/{MARKER}/cluster/changes.tsv"
    study.snakemake(target)
    shutil.copytree(study.results / "cluster", tmp_path / "before" / MARKER)
    members = tmp_path / "before" / MARKER / "members.tsv"
    members.write_text(members.read_text().replace("\tPT", "\tPTbefore-"))
    grown = small_study(repository, tmp_path, samples=4)
    grown.write(cluster={"method": "average-linkage", "previous": "before/{marker}"})
    done = grown.snakemake(target)
    assert "Set of input files has changed" in done.stdout + done.stderr
    before = read_previous(members, frozenset())
    after = {taxon.id for taxon in read_previous(grown.results / "cluster" / "members.tsv", frozenset())}
    rows = [row.split("\t") for row in (tmp_path / target).read_text().splitlines()[1:]]
    assert len(before) >= 5
    assert {row[0] for row in rows if row[1] != "new"} == {taxon.id for taxon in before}
    kept = {row[0] for row in rows if row[1] == "kept"}
    assert len(kept) >= 0.9 * len(before)
    assert kept < after, "and new ones beside them"
