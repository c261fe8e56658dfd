"""All export formats by name: what each writes, and whether it needs a study or does with a classification."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import UsageError
from abyssal.exports.classification import write_kraken_report, write_krona, write_sintax
from abyssal.exports.darwin_core import write_archive
from abyssal.exports.phyloseq import write_phyloseq
from abyssal.exports.source import ExportSource
from abyssal.exports.tables import (
    write_biom,
    write_count_table,
    write_sample_metadata,
    write_sequences,
    write_taxonomy,
)


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
        path: file or folder it writes, below the exports' folder.
        write: takes that path and the source.
        summary: what reads it, for ``--help`` and the README.
        needs_study: whether it needs counts, samples and sequences.
        folder: whether it writes a folder.
    """

    path: str
    write: Callable[[Path, ExportSource], None]
    summary: str
    needs_study: bool = True
    folder: bool = False


FORMATS: dict[str, ExportFormat] = {
    "biom": ExportFormat("feature-table.biom", write_biom, "BIOM 2.1 with taxonomy and sample metadata"),
    "tsv": ExportFormat("feature-table.tsv", write_count_table, "counts as text, as `biom convert --to-tsv` writes"),
    "taxonomy": ExportFormat("taxonomy.tsv", write_taxonomy, "QIIME 2 FeatureData[Taxonomy]", needs_study=False),
    "metadata": ExportFormat("sample-metadata.tsv", write_sample_metadata, "QIIME 2 sample metadata"),
    "sequences": ExportFormat("dna-sequences.fasta", write_sequences, "QIIME 2 FeatureData[Sequence]"),
    "phyloseq": ExportFormat("phyloseq", write_phyloseq, "tables and an R script that joins them", folder=True),
    "dwc": ExportFormat(
        "dwc-archive.zip", write_archive, "Darwin Core Archive with DNA-derived data, for GBIF and OBIS"
    ),
    "krona": ExportFormat(
        "krona", write_krona, "text of ktImportText, one file a sample", needs_study=False, folder=True
    ),
    "sintax": ExportFormat("sintax.tsv", write_sintax, "as vsearch --sintax --tabbedout", needs_study=False),
    "kraken": ExportFormat("kraken-report.txt", write_kraken_report, "Kraken 2 report", needs_study=False),
}


def write_exports(source: ExportSource, folder: Path, names: Iterable[str] = tuple(FORMATS)) -> list[Path]:
    """Write these formats below a folder and return their paths.

    Raises:
        UsageError: a name is unknown, or a format needs a study and the source is a classification alone.
    """
    written = []
    for name in names:
        target = folder / format_of(name, source).path
        write_one(source, target, name)
        written.append(target)
    return written


def write_one(source: ExportSource, target: Path, name: str) -> None:
    """Write one format to a file or folder."""
    chosen = format_of(name, source)
    (target if chosen.folder else target.parent).mkdir(parents=True, exist_ok=True)
    chosen.write(target, source)


def format_of(name: str, source: ExportSource) -> ExportFormat:
    """Return a format by name.

    Raises:
        UsageError: see ``write_exports``.
    """
    if name not in FORMATS:
        message = f"no export format {name!r}; expected one of {', '.join(FORMATS)}"
        raise UsageError(message)
    if FORMATS[name].needs_study and not source.is_study:
        possible = ", ".join(key for key, value in FORMATS.items() if not value.needs_study)
        message = (
            f"{name} needs counts, samples and sequences: give a folder results/STUDY/MARKER. "
            f"For a classification alone there are {possible}"
        )
        raise UsageError(message)
    return FORMATS[name]
