"""Ready-made ASVs: sequences from FASTA, a table or a QIIME 2 artifact, counts from headers, a table, BIOM or QIIME 2.

A QIIME 2 artifact (.qza) is a zip file. Only the one member that is needed is read, into memory, up to a size limit;
nothing is ever unpacked to a path that the file names.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from abyssal.errors import DataError, SequenceFormatError
from abyssal.sequences.alphabet import first_invalid_letter, normalise, sequence_id
from abyssal.sequences.records import read_records

_LARGEST = 1 << 30
_FIRST_BYTES = 4096
_MOST_READS = 1 << 53
_MOST_DIGITS = 15
_MOST_MEMBERS = 10_000
_HIGHEST_RATIO = 500
_SEQUENCE_COLUMNS = ("sequence", "dna_sequence", "asv_sequence")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"

Table = dict[str, dict[str, int]]
"""Reads by column and feature."""


def read_ready_asvs(source: Path, table: Path | None, *columns: str) -> tuple[dict[str, int], dict[str, str]]:
    """Return reads by ASV and sequences by ASV of one library.

    Args:
        source: FASTA, ``rep-seqs.qza``, or a table with a column of sequences.
        table: counts: TSV, BIOM (1.0 or 2.1) or ``table.qza``; None takes ``;size=N`` of the headers, else one read.
        columns: names that the library's column in the table may have, the first that is there counts.

    Raises:
        SequenceFormatError: a record is empty, has letters outside IUPAC or a size that is no number.
        DataError: the table is malformed, has no such column, or counts features without a sequence.
    """
    sequences, sizes = read_sequences(source)
    reads: dict[str, int] = {}
    if table is None:
        counts = sizes
    else:
        counted = read_counts_table(table)
        column = next((name for name in columns if name in counted), None)
        if column is None:
            message = (
                f"{table}: no column {' or '.join(dict.fromkeys(columns))}; it has {', '.join(sorted(counted)[:20])}"
            )
            raise DataError(message)
        counts = counted[column]
    for feature, count in counts.items():
        if count and feature not in sequences:
            message = f"{table}: feature {feature} has {count} reads but no sequence in {source}"
            raise DataError(message)
        if count:
            name = sequence_id(sequences[feature])
            reads[name] = reads.get(name, 0) + count
    return reads, {sequence_id(sequences[feature]): sequences[feature] for feature, count in counts.items() if count}


@cache
def read_sequences(source: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Return sequences and sizes (``;size=N``, else 1) by feature."""
    sequences: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for number, (label, letters) in enumerate(_records(source), start=1):
        sequence = normalise(letters.strip())
        wrong = first_invalid_letter(sequence)
        feature, _, rest = label.partition(";size=")
        size = rest.split(";")[0]
        if not sequence or wrong or (size and not (size.isdecimal() and len(size) <= _MOST_DIGITS)):
            fault = f"has {wrong[1]!r} at position {wrong[0] + 1}" if wrong else "has no sequence or no valid size"
            message = f"{source}: record {number} ({label}) {fault}; expected IUPAC DNA and headers like >NAME;size=12"
            raise SequenceFormatError(message)
        if sequences.get(feature, sequence) != sequence:
            message = f"{source}: record {number}: the name {feature} was used before for another sequence"
            raise SequenceFormatError(message)
        sequences[feature] = sequence
        sizes[feature] = sizes.get(feature, 0) + int(size or 1)
    return sequences, sizes


def _records(source: Path) -> list[tuple[str, str]]:
    if _start(source).startswith(_ZIP):
        with tempfile.NamedTemporaryFile("wb", suffix=".fasta") as fasta:
            fasta.write(read_artifact(source, "dna-sequences.fasta"))
            fasta.flush()
            return [(record.id, record.sequence) for record in read_records(Path(fasta.name))]
    if _unpacked(source, most=_FIRST_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()[:1] not in (b"", b">"):
        return _table_records(source, _text(source))
    return [(record.id, record.sequence) for record in read_records(source)]


def _table_records(source: Path, text: str) -> list[tuple[str, str]]:
    """Return the records of a table with a column of sequences; the first column names them."""
    rows = csv.reader(io.StringIO(text, newline=None), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = [name.strip().casefold() for name in next(rows, [])]
    column = next((header.index(name) for name in _SEQUENCE_COLUMNS if name in header), None)
    if column is None:
        message = (
            f"{source}: neither FASTA nor a table with a column {' or '.join(_SEQUENCE_COLUMNS)}; "
            "expected sequences of ASVs"
        )
        raise SequenceFormatError(message)
    return [(row[0], row[column]) for row in rows if len(row) > column]


@cache
def read_counts_table(source: Path) -> Table:
    """Return reads by column and feature of a TSV, BIOM or QIIME 2 table.

    Raises:
        DataError: the file is none of these, or a count is no whole number.
    """
    start = _start(source)
    if start.startswith(_ZIP):
        return _biom(source, read_artifact(source, "feature-table.biom"))
    if start.startswith(_HDF5):
        return _biom(source, source.read_bytes())
    if _unpacked(source, most=1) == b"{":
        return _biom(source, _unpacked(source))
    return _tsv(source, _text(source))


def _start(source: Path) -> bytes:
    with source.open("rb") as stream:
        return stream.read(8)


def _unpacked(source: Path, most: int = -1) -> bytes:
    """Return the content of a plain or gzipped file, or its first bytes."""
    try:
        with gzip.open(source) if _start(source).startswith(_GZIP) else source.open("rb") as stream:
            return stream.read(most)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{source}: the gzipped file is damaged or cut short ({error}); copy or download it again"
        raise DataError(message) from error


def _text(source: Path) -> str:
    try:
        return _unpacked(source).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{source}: not UTF-8 text (byte {error.start + 1}); save the table as tab-separated UTF-8"
        raise DataError(message) from error


def _tsv(source: Path, text: str) -> Table:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("# ")]
    rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    _, *columns = next(rows, [""])
    table: Table = {column: {} for column in columns}
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        message = f"{source}: two columns are called {twice}; expected one a library or sample"
        raise DataError(message)
    seen: set[str] = set()
    for row in rows:
        if row[0] in seen:
            message = f"{source}: feature {row[0]} stands in two rows; expected one row a feature"
            raise DataError(message)
        seen.add(row[0])
        if len(row) != len(columns) + 1:
            message = (
                f"{source}: feature {row[0]} has {len(row) - 1} counts under {len(columns)} columns; "
                "expected one tab-separated count a column, and a name above the features"
            )
            raise DataError(message)
        for column, cell in zip(columns, row[1:], strict=True):
            table[column][row[0]] = _whole(cell, source, row[0])
    return table


def _whole(cell: Any, source: Path, feature: str) -> int:
    try:
        value = float(cell or 0)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _MOST_READS or value != int(value):
        message = f"{source}: feature {feature} has the count {cell!r}; expected whole numbers of reads"
        raise DataError(message)
    return int(value)


def _biom(source: Path, content: bytes) -> Table:
    """Return a BIOM table: JSON (1.0) or HDF5 (2.1)."""
    import h5py
    from biom import Table as BiomTable

    try:
        if content.startswith(_HDF5):
            with h5py.File(io.BytesIO(content), "r") as file:
                table = BiomTable.from_hdf5(file)
        else:
            table = BiomTable.from_json(json.loads(content))
    except (ValueError, KeyError, OSError, TypeError) as error:
        message = f"{source}: not a BIOM table ({error}); expected BIOM 1.0 (JSON) or 2.1 (HDF5)"
        raise DataError(message) from error
    features = list(map(str, table.ids(axis="observation")))
    return {
        str(sample): {
            features[row]: _whole(value, source, features[row])
            for row, value in zip(vector.indices, vector.data, strict=True)
        }
        for sample, vector in zip(table.ids(), (column for column in table.iter_data(dense=False)), strict=True)
    }


def read_artifact(source: Path, member: str) -> bytes:
    """Return one data file of a QIIME 2 artifact (``<uuid>/data/<member>``).

    Raises:
        DataError: the archive is broken, holds no or several such members, or one that is encrypted, larger than 1 GiB
            or packed more than 500-fold.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            found = [entry for entry in entries if PurePosixPath(entry.filename).parts[1:] == ("data", member)]
            if len(entries) > _MOST_MEMBERS or len(found) != 1:
                message = (
                    f"{source}: {len(found)} members data/{member} among {len(entries)}; expected a QIIME 2 artifact "
                    "with exactly one (rep-seqs.qza for sequences, table.qza for counts)"
                )
                raise DataError(message)
            entry = found[0]
            ratio = entry.file_size / max(1, entry.compress_size)
            if entry.flag_bits & 1 or entry.file_size > _LARGEST or ratio > _HIGHEST_RATIO:
                message = f"{source}: {entry.filename} is encrypted, too large or packed too tightly to be trusted"
                raise DataError(message)
            with archive.open(entry) as stream:
                content = stream.read(_LARGEST + 1)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        message = f"{source}: not a whole zip file ({error}); export the artifact again"
        raise DataError(message) from error
    if len(content) != entry.file_size:
        message = f"{source}: {entry.filename} is not as long as the archive says"
        raise DataError(message)
    return content
