"""The references and published splits that the benchmark draws on, and whether they are there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.config.models import ReferenceConfig
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.build import BuildSettings, build_reference
from abyssal.references.formats import open_reference
from abyssal.references.lineage import LineageBook
from abyssal.references.markers import ResolvedMarker, resolve_marker
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.sequences.alphabet import normalise

DATA_VARIABLE = "ABYSSAL_SHARED_DATA"
DEFAULT_FOLDER = Path("..") / "shared" / "data"
TAX_CREDIT = "tax-credit"
_PR2 = "18s-reference/pr2_4.7.2_x_silva93_18S"


@dataclass(frozen=True)
class Source:
    """Files of one reference below the data folder.

    Attributes:
        fasta: FASTA or table; ``table.tsv#column`` picks a column of sequences.
        marker: name in the shipped table of markers.
        note: where it comes from, for the table of results.
        lineages: table of lineages, or None.
        trim: cut to the amplicon in silico.
    """

    fasta: str
    marker: str
    note: str
    lineages: str | None = None
    trim: bool = True


SOURCES = {
    "18s-v4": Source(f"{_PR2}.V4_TAReuk.fasta.gz", "18S-V4-TAReuk", "PR2 4.7.2 names on SILVA 93, V4", trim=False),
    "18s-v9": Source(f"{_PR2}.V9_1389F1510R.fasta.gz", "18S-V9-1389F-1510R", "the same, V9", trim=False),
    "coi-annelida": Source("coi-reference/annelida_coi.tsv.gz", "COI-Leray", "Annelida barcodes"),
    "coi-fish": Source("coi-reference/fish_mitogenome_coi_12s.tsv.gz#coi_658", "COI-Leray", "fish mitogenomes"),
    "12s-fish": Source("12s-reference/12S.fasta.gz", "12S-MiFish-U", "fish amplicons"),
    "16s-v4": Source("16s-reference/gg_13_8_97_species_named.fasta.gz", "16S-V4", "Greengenes 13_8 named to species"),
}


def data_folder(configured: str | None) -> Path:
    """Return the folder of the benchmark's data: as configured, as the environment says, or beside the checkout."""
    return Path(configured or os.environ.get(DATA_VARIABLE) or DEFAULT_FOLDER)


def source_of(dataset: str) -> Source:
    """Return the files of a dataset; ``tax-credit-<split>`` is the reference of a published split."""
    if not dataset.startswith(TAX_CREDIT):
        return SOURCES[dataset]
    folder = f"{TAX_CREDIT}/{dataset.removeprefix(TAX_CREDIT + '-')}"
    table = f"{folder}/reference_taxonomy.tsv.gz"
    return Source(f"{folder}/reference.fasta.gz", "16S-V4", "Greengenes 13_8, V4", table, trim=False)


def missing(folder: Path, dataset: str) -> str | None:
    """Return why a dataset cannot be used, or None when its files are there."""
    source = source_of(dataset)
    for name in (source.fasta.split("#")[0], source.lineages):
        if name is not None and not (folder / name).is_file():
            return f"no {name} in the data folder"
    return None


def tax_credit_datasets(folder: Path) -> list[str]:
    """Return the published splits that are there, cross-validation first."""
    found = sorted(path.name for path in (folder / TAX_CREDIT).glob("*-REF-*") if path.is_dir())
    return [f"{TAX_CREDIT}-{name}" for name in sorted(found, key=lambda name: ("-L" in name, name))]


def marker_of(dataset: str) -> ResolvedMarker:
    """Return the dataset's marker."""
    return resolve_marker(source_of(dataset).marker)


def build_dataset(folder: Path, dataset: str, scale: float) -> AmpliconReference:
    """Build the reference of a dataset; a ``scale`` below 1 keeps that share of its families, chosen by their names."""
    source = source_of(dataset)
    config = ReferenceConfig(
        fasta=str(folder / source.fasta), lineages=str(folder / source.lineages) if source.lineages else None
    )
    raw = open_reference(Path(config.fasta), Path(config.lineages) if config.lineages else None)
    reference, _ = build_reference(raw, marker_of(dataset), BuildSettings(trim=source.trim))
    keep = [place for place, pairs in enumerate(reference.members) if in_scale(pairs[0][1], scale)]
    return reference if len(keep) == len(reference) else reference.subset(keep)


def in_scale(lineage: Lineage, scale: float) -> bool:
    """Whether a lineage's family (third lowest rank) is among the share that is used."""
    if scale >= 1.0:
        return True
    name = ";".join(part or "" for part in lineage[: max(len(lineage) - 2, 1)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64 < scale


def tax_credit_queries(folder: Path, dataset: str, ranks: Sequence[str], scale: float) -> list[HeldOutQuery]:
    """Return the queries of a published split in the order of their ids, names cleaned as a reference's are.

    The expected lineage ends where the split's own table ends it; what lies below is None.
    """
    place = folder / source_of(dataset).fasta
    raw = open_reference(
        place.with_name("query.fasta.gz"), place.with_name("query_taxonomy.tsv.gz"), format_name="qiime2"
    )
    book = LineageBook(raw.ranks)
    found = []
    for record in raw.records:
        names = book.lineages[book.add(record.names, record.line)]
        lineage = names + (None,) * (len(ranks) - len(names))
        if in_scale(lineage, scale):
            found.append(HeldOutQuery(record.accession, normalise(record.sequence), lineage))
    return sorted(found, key=lambda query: query.id)
