"""The cluster stage on disk: what it reads and writes below ``results/<study>/<marker>/``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from abyssal.config.models import ClusterConfig
from abyssal.discovery.describe import EmbeddedReference, StudyAmplicons
from abyssal.discovery.layout import write_map
from abyssal.discovery.previous import read_previous
from abyssal.discovery.records import write_records
from abyssal.discovery.stage import Discovery, discover
from abyssal.encoder.vectors import read_vectors
from abyssal.errors import DataError
from abyssal.files import open_atomic, read_json, write_json
from abyssal.reads.table import read_table
from abyssal.references.model import read_reference
from abyssal.sequences.records import read_records

OUTPUTS = (
    "putative_taxa.tsv", "members.tsv", "exemplars.fasta", "consensus.fasta", "map.tsv", "verdicts.tsv",
    "changes.tsv", "selection.json",
)  # fmt: skip


@dataclass(frozen=True)
class ClusterFiles:
    """Inputs of the stage: four are None without a reference, the last is ``members.tsv`` of an earlier run, if any."""

    asvs: Path
    table: Path
    vectors: Path
    reference: Path | None = None
    lineages: Path | None = None
    reference_vectors: Path | None = None
    gate: Path | None = None
    previous: Path | None = None


def cluster_files(
    files: ClusterFiles,
    target: Path,
    settings: ClusterConfig,
    *,
    seed: int,
    length_window: tuple[int | None, int | None] = (None, None),
    log: Path | None = None,
) -> Discovery:
    """Run the stage from files to files; see ``OUTPUTS`` for what ``target`` then holds."""
    study = read_study(files.asvs, files.table, files.vectors)
    found = discover(
        study,
        read_named(files),
        settings,
        seed=seed,
        length_window=length_window,
        previous=[] if files.previous is None else read_previous(files.previous, frozenset(study.ids)),
        log=log,
    )
    write_records(
        found.taxa,
        read_samples(files.table),
        records=target / "putative_taxa.tsv",
        members=target / "members.tsv",
        exemplars=target / "exemplars.fasta",
        consensus=target / "consensus.fasta",
    )
    write_map(target / "map.tsv", found.points, found.coordinates)
    _write_verdicts(target / "verdicts.tsv", found)
    _write_changes(target / "changes.tsv", found)
    write_json(target / "selection.json", found.selection.values())
    return found


def read_samples(table: Path) -> tuple[str, ...]:
    """Return the sample names of an ASV table, in its order."""
    return read_table(table).columns


def read_study(asvs: Path, table: Path, vectors: Path) -> StudyAmplicons:
    """Read a study's ASVs, their counts and their vectors, in the order of the FASTA.

    Raises:
        DataError: the three files do not hold the same ASVs.
    """
    records = list(read_records(asvs))
    counted = read_table(table)
    rows = {name: row for row, name in enumerate(counted.features)}
    array = read_vectors(vectors, fasta=asvs).values
    missing = next((record.id for record in records if record.id not in rows), None)
    if missing is not None or not len(records) == len(rows) == len(array):
        message = (
            f"{asvs}, {table} and {vectors} do not hold the same ASVs ({len(records)}, {len(rows)} and {len(array)}"
            f"; first without counts: {missing or 'none'}); rerun preprocess and embed"
        )
        raise DataError(message)
    counts = counted.counts[[rows[record.id] for record in records]]
    ids, sequences = tuple(record.id for record in records), tuple(record.sequence for record in records)
    return StudyAmplicons(ids, sequences, array, counted.columns, counts)


def read_named(files: ClusterFiles) -> EmbeddedReference | None:
    """Read the reference, its vectors and its gate; None where there is no reference.

    Raises:
        DataError: the reference and its vectors do not belong together.
    """
    if files.reference is None or files.lineages is None or files.reference_vectors is None or files.gate is None:
        return None
    reference = read_reference(files.reference, files.lineages)
    vectors = read_vectors(files.reference_vectors, fasta=files.reference).values
    if len(vectors) != len(reference):
        message = f"{files.reference_vectors} holds {len(vectors)} vectors for {len(reference)} amplicons; rerun embed"
        raise DataError(message)
    gate = read_json(files.gate)
    return EmbeddedReference(reference, vectors, float(gate["distance"]), int(gate["k"]))


def _write_verdicts(target: Path, found: Discovery) -> None:
    with open_atomic(target) as out:
        out.write("asv\tsimilarity\tverdict\tparent\n")
        for verdict in found.verdicts:
            similarity = "" if verdict.similarity is None else f"{verdict.similarity:.6f}"
            out.write(f"{verdict.asv}\t{similarity}\t{verdict.verdict}\t{verdict.parent}\n")


def _write_changes(target: Path, found: Discovery) -> None:
    with open_atomic(target) as out:
        out.write("putative_taxon\tfate\tsuccessors\n")
        for change in found.changes:
            out.write(f"{change.taxon}\t{change.fate}\t{'|'.join(change.successors)}\n")
