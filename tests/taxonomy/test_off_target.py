"""The off-target guard on real sequences: other markers and noise are rejected, new taxa of the marker are not."""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from abyssal.encoder.load import load_encoder
from abyssal.references.lineage import clean_lineage
from abyssal.references.model import AmpliconReference
from abyssal.sequences.records import read_records
from abyssal.taxonomy.decoys import OffTargetFloors
from abyssal.taxonomy.fit import off_target_floors
from abyssal.taxonomy.index import ReferenceIndex, build_index
from abyssal.taxonomy.neighbourhood import surroundings
from abyssal.taxonomy.retrieval import neighbours_of

RANKS = ("domain", "kingdom", "phylum", "class", "order", "family", "genus", "species")
EACH = 60

pytestmark = pytest.mark.shared_data


@dataclass(frozen=True)
class Guarded:
    """An index of every sixth 18S V4 amplicon with its floors."""

    index: ReferenceIndex
    floors: OffTargetFloors

    def rejected(self, sequences: list[str], banned: list[NDArray[np.int64]] | None = None) -> float:
        encoder = load_encoder("kmers")
        nowhere = np.zeros((0, len(RANKS), 2), dtype=np.float32)
        neighbours, _ = neighbours_of(
            self.index, sequences, encoder.embed(sequences), 10,
            local_of=lambda places: surroundings(nowhere, places), banned=banned,
        )  # fmt: skip
        best = np.fmax.reduce(neighbours.identity, axis=1)
        return float(self.floors.rejects(neighbours.kmer.max(axis=1), best).mean())


@pytest.fixture(scope="module")
def guarded(shared_data: Path) -> Guarded:
    found: dict[str, tuple[str | None, ...]] = {}
    for record in read_records(shared_data / "18s-reference" / "pr2_4.7.2_x_silva93_18S.V4_TAReuk.fasta.gz"):
        header = f"{record.id} {record.description}"
        names = tuple(field[2:] for field in header.split("tax=")[1].strip().split(","))
        found.setdefault(record.sequence.upper(), clean_lineage(RANKS, names))
    kept = sorted(found)[::6]
    ids = tuple(f"a{place}" for place in range(len(kept)))
    members = tuple(((name, found[sequence]),) for name, sequence in zip(ids, kept, strict=True))
    reference = AmpliconReference(RANKS, ids, tuple(kept), members)
    encoder = load_encoder("kmers")
    index = build_index(reference, encoder.embed(kept))
    return Guarded(index, off_target_floors(index, encoder, 10, np.random.default_rng(0)))


def test_other_markers_are_rejected(guarded: Guarded, shared_data: Path) -> None:
    whole = [
        record.sequence.upper()
        for record in read_records(shared_data / "16s-reference" / "gg_13_8_97_species_named.fasta.gz")
    ]
    fish = [record.sequence.upper() for record in read_records(shared_data / "12s-reference" / "12S.fasta.gz")]
    with gzip.open(shared_data / "coi-reference" / "annelida_coi.tsv.gz", "rt") as rows:
        worms = [row["sequence"].upper().replace("-", "") for row in csv.DictReader(rows, delimiter="\t")]
    v4 = [sequence[510:780] for sequence in whole if len(sequence) > 1300][:: len(whole) // EACH]
    assert guarded.rejected(v4) >= 0.95
    assert guarded.rejected(fish[:: len(fish) // EACH]) >= 0.9
    assert guarded.rejected([sequence[-313:] for sequence in worms[:: len(worms) // EACH]]) >= 0.9


def test_plastids_are_rejected(guarded: Guarded, shared_data: Path) -> None:
    """Chloroplasts of algae stand among the bacteria of a 16S reference; what is amplified with them is 16S V4."""
    source = shared_data / "16s-reference" / "gg_13_8_97_species_named.fasta.gz"
    plastids = [
        record.sequence.upper()
        for record in read_records(source)
        if "c__Chloroplast" in f"{record.id} {record.description}" and len(record.sequence) > 1300
    ]
    assert len(plastids) >= 15
    assert guarded.rejected([sequence[510:780] for sequence in plastids]) >= 0.9
    assert guarded.rejected([sequence[:400] for sequence in plastids]) >= 0.9


def test_noise_is_rejected(guarded: Guarded) -> None:
    rng = np.random.default_rng(2)
    real = list(guarded.index.reference.sequences[:: len(guarded.index) // EACH])
    assert guarded.rejected(["".join(rng.permutation(list(sequence))) for sequence in real]) >= 0.9
    assert guarded.rejected([sequence[::-1] for sequence in real]) >= 0.9


@pytest.mark.parametrize(("rank", "most"), [("class", 0.05), ("family", 0.02)])
def test_new_taxa_of_the_marker_are_kept(guarded: Guarded, rank: str, most: float) -> None:
    level = RANKS.index(rank)
    codes = guarded.index.taxa.pair_codes[:, level]
    places = np.flatnonzero(codes >= 0)[:: len(codes) // 300]
    banned = [np.flatnonzero(codes == codes[place]) for place in places]
    sequences = [guarded.index.reference.sequences[place] for place in places]
    assert guarded.rejected(sequences, banned) <= most
