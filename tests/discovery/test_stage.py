"""The cluster stage on a small study with a known truth, with and without a reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abyssal.config.models import ClusterConfig
from abyssal.discovery.records import PutativeTaxon
from abyssal.discovery.stage_files import OUTPUTS, ClusterFiles, cluster_files
from abyssal.encoder.kmers import kmer_profiles
from abyssal.encoder.vectors import Vectors, write_vectors
from abyssal.errors import DataError
from abyssal.files import sha256_file, write_json
from abyssal.reads.table import CountTable, write_table
from abyssal.references.model import AmpliconReference, write_reference
from abyssal.sequences.alphabet import sequence_id
from abyssal.sequences.records import read_records, write_fasta

SETTINGS = ClusterConfig(method="average-linkage", distance=0.4, resamples=4)


def letters(random: np.random.Generator, length: int = 240) -> str:
    return "".join(random.choice(list("ACGT"), size=length))


def vary(random: np.random.Generator, sequence: str, count: int) -> str:
    changed = list(sequence)
    for place in random.choice(len(changed), size=count, replace=False):
        changed[place] = str(random.choice([base for base in "ACGT" if base != changed[place]]))
    return "".join(changed)


class Study:
    """Files of a study: 3 known ASVs, 2 families of 4 new ASVs, 1 satellite of a new one, 1 foreign sequence."""

    def __init__(self, folder: Path) -> None:
        random = np.random.default_rng(8)
        named = [letters(random) for _ in range(6)]
        self.known = [vary(random, sequence, 2) for sequence in named[:3]]
        self.ancestors = [vary(random, sequence, 22) for sequence in named[3:5]]
        self.families = [[vary(random, ancestor, 3) for _ in range(4)] for ancestor in self.ancestors]
        self.satellite = vary(random, self.families[0][0], 1)
        self.foreign = letters(random)
        self.folder = folder
        sequences = [*self.known, *self.families[0], *self.families[1], self.satellite, self.foreign]
        counts = [[900 - 10 * i, 40 + i, 0] for i in range(len(sequences))]
        counts[-2], counts[-1] = [3, 0, 0], [50, 0, 0]
        self.write(sequences, counts)
        self.write_reference(named)

    def write(self, sequences: list[str], counts: list[list[int]]) -> None:
        ids = [sequence_id(sequence) for sequence in sequences]
        order = sorted(range(len(ids)), key=lambda i: (-sum(counts[i]), ids[i]))
        write_fasta(self.folder / "asvs.fasta", [(ids[i], sequences[i]) for i in order])
        table = CountTable(tuple(ids), ("S1", "S2", "blank"), np.array(counts, dtype=np.int64))
        write_table(self.folder / "asv_table.tsv", table)
        self.write_vectors("asvs", kmer_profiles([sequences[i] for i in order]))

    def write_vectors(self, name: str, values: np.ndarray) -> None:
        fasta = self.folder / ("asvs.fasta" if name == "asvs" else "reference.fasta.gz")
        made = Vectors(values, "0" * 64, "kmers", sha256_file(fasta))
        write_vectors(self.folder / f"{name}.safetensors", made)

    def write_reference(self, named: list[str]) -> None:
        lineages = [(f"family{i // 3}", f"genus{i // 2}", f"species{i}") for i in range(len(named))]
        members = tuple(((f"acc{i}", lineage),) for i, lineage in enumerate(lineages))
        ids = tuple(f"ref{i}" for i in range(len(named)))
        reference = AmpliconReference(("family", "genus", "species"), ids, tuple(named), members)
        write_reference(reference, self.folder / "reference.fasta.gz", self.folder / "lineages.tsv")
        self.write_vectors("reference", kmer_profiles(named))
        write_json(self.folder / "gate.json", {"distance": 0.3, "quantile": 0.95, "k": 6})

    def files(self, *, reference: bool = True) -> ClusterFiles:
        base = (self.folder / "asvs.fasta", self.folder / "asv_table.tsv", self.folder / "asvs.safetensors")
        if not reference:
            return ClusterFiles(*base)
        names = ("reference.fasta.gz", "lineages.tsv", "reference.safetensors", "gate.json")
        return ClusterFiles(*base, *(self.folder / name for name in names))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def table(path: Path) -> list[dict[str, str]]:
    header, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_new_families_become_taxa_and_everything_else_does_not(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "cluster"
    cluster_files(study.files(), out, SETTINGS, seed=1)
    taxa = table(out / "putative_taxa.tsv")
    members = table(out / "members.tsv")
    found = {
        frozenset(row["asv"] for row in members if row["putative_taxon"] == taxon["putative_taxon"]) for taxon in taxa
    }
    first, second = (frozenset(map(sequence_id, family)) for family in study.families)
    assert found == {first | {sequence_id(study.satellite)}, second}
    assert {row["asv"] for row in members if row["role"] == "satellite"} == {sequence_id(study.satellite)}
    verdicts = {row["asv"]: row["verdict"] for row in table(out / "verdicts.tsv")}
    assert verdicts[sequence_id(study.foreign)] == "off_target"
    assert [verdicts[sequence_id(known)] for known in study.known] == ["explained"] * 3


def test_an_exemplar_is_at_no_distance_from_itself(study: Study, tmp_path: Path) -> None:
    """Vectors from disk are unit rows to the last digits of float32 only."""
    out = tmp_path / "cluster"
    vectors = kmer_profiles([record.sequence for record in read_records(tmp_path / "asvs.fasta")])
    study.write_vectors("asvs", np.float32(1 - 1e-6) * vectors)
    cluster_files(study.files(reference=False), out, SETTINGS.model_copy(update={"distance": 0.01}), seed=1)
    members = table(out / "members.tsv")
    assert {row["distance"] for row in members if row["role"] == "exemplar"} == {"0.000000"}
    alone = [row for row in table(out / "putative_taxa.tsv") if row["size"] == "1"]
    assert alone
    assert {row["cohesion"] for row in alone} == {"1.000000"}


def test_a_record_tells_what_the_study_knows(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "cluster"
    cluster_files(study.files(), out, SETTINGS, seed=1)
    record = table(out / "putative_taxa.tsv")[0]
    counts = {row["Feature ID"]: row for row in table(tmp_path / "asv_table.tsv")}
    mine = [
        counts[row["asv"]] for row in table(out / "members.tsv") if row["putative_taxon"] == record["putative_taxon"]
    ]
    assert int(record["size"]) == len(mine)
    for sample in ("S1", "S2", "blank"):
        assert int(record[f"sample:{sample}"]) == sum(int(row[sample]) for row in mine)
    assert int(record["reads"]) == sum(int(record[f"sample:{sample}"]) for sample in ("S1", "S2", "blank"))
    assert record["prevalence"] == "2"
    most_abundant = max(mine, key=lambda row: int(row["S1"]) + int(row["S2"]))
    assert record["putative_taxon"] == "PT" + most_abundant["Feature ID"][:10]
    assert record["nearest_lineage"] in {"family1; genus1; species3", "family1; genus2; species4"}
    assert 0.85 < float(record["nearest_identity"]) < 0.95
    assert record["novel_rank"] in {"", "family", "genus", "species"}
    assert 0.5 < float(record["cohesion"]) < 1.0
    assert float(record["separation"]) > float(record["radius"])
    assert float(record["stability"]) == 1.0
    assert f"in 2 of 3 samples; nearest named relative {record['nearest_lineage'][-8:]}" in record["sentence"]
    assert record["sentence"].endswith("; found again in subsamples (100 % overlap on average).")
    exemplars = {entry.id: entry for entry in read_records(out / "exemplars.fasta")}
    assert sequence_id(exemplars[record["putative_taxon"]].sequence) == record["exemplar"]
    consensus = {entry.id: entry.sequence for entry in read_records(out / "consensus.fasta")}
    assert consensus[record["putative_taxon"]] == record["consensus"]
    # Each member has three substitutions of its own: the majority is the ancestor that none of them is.
    assert record["consensus"] in study.ancestors


@pytest.mark.parametrize(("reads", "words"), [((1,), "1 read in 1 of 1 sample"), ((1, 1), "2 reads in 2 of 2 samples")])
def test_one_read_is_no_reads(reads: tuple[int, ...], words: str) -> None:
    taxon = PutativeTaxon(
        id="PT1", members=("a",), satellites=frozenset(), exemplar="a", sequence="ACGT", consensus="ACGT", radius=0.1,
        sample_reads=reads, nearest_id="", nearest_lineage="", nearest_identity=None, nearest_similarity=None,
        novel_rank="", cohesion=1.0, separation=None, stability=None, distances=(0.0,),
    )  # fmt: skip
    assert taxon.sentence == f"1 ASV with {words}."


def test_without_a_reference_all_asvs_are_grouped(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "cluster"
    cluster_files(study.files(reference=False), out, SETTINGS, seed=1)
    assert len(table(out / "members.tsv")) == 3 + 4 + 4 + 1 + 1
    for record in table(out / "putative_taxa.tsv"):
        assert (record["nearest_id"], record["nearest_lineage"], record["nearest_identity"]) == ("", "", "")
        assert "nearest" not in record["sentence"]
    assert {row["kind"] for row in table(out / "map.tsv")} == {"asv"}


def test_the_same_input_gives_the_same_bytes(study: Study, tmp_path: Path) -> None:
    for name in ("one", "two"):
        cluster_files(study.files(), tmp_path / name, SETTINGS, seed=1)
    for output in OUTPUTS:
        assert (tmp_path / "one" / output).read_bytes() == (tmp_path / "two" / output).read_bytes()


def test_ids_are_kept_from_an_earlier_run(study: Study, tmp_path: Path) -> None:
    cluster_files(study.files(), tmp_path / "one", SETTINGS, seed=1)
    renamed = (tmp_path / "one" / "members.tsv").read_text().replace("\tPT", "\tPTold")
    (tmp_path / "one" / "members.tsv").write_text(renamed)
    again = replace(study.files(), previous=tmp_path / "one" / "members.tsv")
    found = cluster_files(again, tmp_path / "two", SETTINGS, seed=1)
    assert {change.fate for change in found.changes} == {"kept"}
    assert all(taxon.id.startswith("PTold") for taxon in found.taxa)


def test_a_study_without_asvs_passes_through(study: Study, tmp_path: Path) -> None:
    study.write([], [])
    for reference in (True, False):
        found = cluster_files(study.files(reference=reference), tmp_path / "cluster", SETTINGS, seed=1)
        assert found.taxa == []
        assert table(tmp_path / "cluster" / "putative_taxa.tsv") == []


def drop_a_count(study: Study) -> None:
    path = study.folder / "asv_table.tsv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def drop_a_vector(study: Study) -> None:
    study.write_vectors("asvs", np.zeros((2, 4), dtype=np.float32))


def change_the_fasta(study: Study) -> None:
    path = study.folder / "asvs.fasta"
    path.write_text(path.read_text() + ">more\nACGT\n")


def cut_the_reference_vectors(study: Study) -> None:
    study.write_vectors("reference", np.zeros((1, 4096), dtype=np.float32))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_a_count, "do not hold the same ASVs"),
        (drop_a_vector, r"13, 13 and 2"),
        (change_the_fasta, r"made from another file than .*asvs\.fasta"),
        (cut_the_reference_vectors, "holds 1 vectors for 6 amplicons; rerun embed"),
    ],
)
def test_files_that_do_not_fit_are_named(
    study: Study, tmp_path: Path, damage: Callable[[Study], None], message: str
) -> None:
    damage(study)
    with pytest.raises(DataError, match=message):
        cluster_files(study.files(), tmp_path / "cluster", SETTINGS, seed=1)
