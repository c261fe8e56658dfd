"""Counts, taxonomy, sample metadata and sequences for QIIME 2 and whatever reads BIOM."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from abyssal import __version__
from abyssal.errors import DataError
from abyssal.exports.source import ExportSource
from abyssal.files import atomic_path, open_atomic
from abyssal.samples.model import Library
from abyssal.sequences.records import write_fasta

_NO_TIME = datetime(1970, 1, 1)
"""BIOM wants a date, without a time zone; a fixed one keeps the bytes the same."""
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_TAKEN = frozenset({"id", "sampleid", "sample id", "sample-id", "featureid", "feature id", "feature-id", "library"})
"""Column names that QIIME 2 keeps for the identifiers, and the one that has no single value in a sample."""


def write_count_table(target: Path, source: ExportSource) -> None:
    """Write reads by ASV and sample in BIOM's classic text form, with the lineage as the last column."""
    with open_atomic(target) as out:
        out.write("# Constructed from biom file\n")
        out.write("\t".join(["#OTU ID", *source.table.columns, "taxonomy"]) + "\n")
        for asv, row in zip(source.table.features, source.table.counts.tolist(), strict=True):
            out.write("\t".join([asv, *(f"{reads}.0" for reads in row), source.lineages[asv].text]) + "\n")


def write_biom(target: Path, source: ExportSource) -> None:
    """Write BIOM 2.1 (HDF5) with the lineage of every ASV and the metadata of every sample."""
    import h5py
    from biom.table import Table

    columns, rows = sample_metadata(source)
    # biom-format reads an empty list back as nothing at all, hence the word for what has no name.
    observations = [{"taxonomy": source.lineages[asv].text.split("; ")} for asv in source.table.features]
    samples = [dict(zip(columns, rows[sample], strict=True)) for sample in source.table.columns]
    table = Table(
        source.table.counts.astype(float),
        source.table.features,
        source.table.columns,
        observations or None,
        samples if columns else None,
        table_id=f"{source.names.study} {source.names.marker}".strip(),
        type="OTU table",
    )
    with atomic_path(target) as temporary, h5py.File(temporary, "w") as file:
        table.to_hdf5(file, f"Abyssal {__version__}", creation_date=_NO_TIME)


def write_taxonomy(target: Path, source: ExportSource) -> None:
    """Write what QIIME 2 imports as ``FeatureData[Taxonomy]``."""
    with open_atomic(target) as out:
        out.write("Feature ID\tTaxon\tConfidence\n")
        for asv, lineage in source.lineages.items():
            out.write(f"{asv}\t{lineage.text}\t{lineage.confidence:.6f}\n")


def write_sequences(target: Path, source: ExportSource) -> None:
    """Write what QIIME 2 imports as ``FeatureData[Sequence]``."""
    write_fasta(target, ((asv, source.sequences[asv]) for asv in source.table.features))


def write_sample_metadata(target: Path, source: ExportSource) -> None:
    """Write a QIIME 2 metadata file with a line of column types."""
    columns, rows = sample_metadata(source)
    types = [_column_type([rows[sample][place] for sample in source.table.columns]) for place in range(len(columns))]
    with open_atomic(target) as out:
        out.write("\t".join(["sample-id", *columns]) + "\n")
        out.write("\t".join(["#q2:types", *types]) + "\n")
        for sample in source.table.columns:
            out.write("\t".join([sample, *map(_quoted, rows[sample])]) + "\n")


def sample_metadata(source: ExportSource) -> tuple[list[str], dict[str, list[str]]]:
    """Return the columns, and their cells for each sample of the table.

    A value that differs between the libraries of a sample is written as all its values joined by `` | ``.
    """
    cells = {sample: [_cells(library) for library in source.libraries_of(sample)] for sample in source.table.columns}
    names = dict.fromkeys(name for rows in cells.values() for row in rows for name in row)
    columns = [name for name in names if name.casefold() not in _TAKEN and not name.startswith("#")]
    return columns, {
        sample: [" | ".join(dict.fromkeys(row[name] for row in rows if row.get(name))) for name in columns]
        for sample, rows in cells.items()
    }


def _cells(library: Library) -> Mapping[str, str]:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.10g}"

    return {
        "library": library.library,
        "run": library.run,
        "control": library.control,
        "latitude": number(library.latitude),
        "longitude": number(library.longitude),
        "depth_m": number(library.depth_m),
        **library.metadata,
    }


def _column_type(cells: Sequence[str]) -> str:
    filled = [cell for cell in cells if cell]
    return "numeric" if filled and all(_NUMBER.match(cell) for cell in filled) else "categorical"


def _quoted(cell: str) -> str:
    """Quote what a reader of tab-separated values would take apart or take for a comment."""
    if any(letter in cell for letter in "\t\n\r"):
        message = f"the metadata cell {cell!r} holds a tab or a line end; expected one line of text"
        raise DataError(message)
    return '"' + cell.replace('"', '""') + '"' if '"' in cell else cell
