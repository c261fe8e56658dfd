"""BIOM is read by biom-format, metadata by scikit-bio's port of QIIME 2's reader, taxonomy by QIIME 2's rules."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import biom
import numpy as np
from biom.cli.table_validator import validate_table
from click.testing import CliRunner
from support.exported_study import COUNTS, PUTATIVE, SAMPLES

from abyssal.exports.source import ExportSource
from abyssal.exports.tables import (
    write_biom,
    write_count_table,
    write_sample_metadata,
    write_sequences,
    write_taxonomy,
)
from abyssal.sequences.alphabet import sequence_id
from abyssal.sequences.records import read_records


def test_biom_reads_counts_taxonomy_and_metadata(study: ExportSource, tmp_path: Path) -> None:
    write_biom(tmp_path / "t.biom", study)
    table = biom.load_table(str(tmp_path / "t.biom"))
    assert tuple(table.ids()) == SAMPLES
    assert tuple(table.ids("observation")) == study.table.features
    np.testing.assert_array_equal(table.matrix_data.toarray(), COUNTS)
    taxonomy = {name: list(table.metadata(name, "observation")["taxonomy"]) for name in study.table.features}
    first, _, third, fourth = study.table.features
    assert taxonomy[first][-1] == "Calanus_finmarchicus"
    assert taxonomy[third] == ["Eukaryota", "Rhizaria", PUTATIVE]
    assert taxonomy[fourth] == ["Unassigned"]
    assert table.metadata("north", "sample")["depth_m"] == "1200"
    assert table.metadata("north", "sample")["ph"] == "8.1 | 8.2"
    valid = CliRunner().invoke(validate_table, ["-i", str(tmp_path / "t.biom")])
    assert valid.exit_code == 0, valid.output


def test_biom_has_the_same_bytes_at_another_time(study: ExportSource, tmp_path: Path) -> None:
    write_biom(tmp_path / "a.biom", study)
    time.sleep(1.1)
    write_biom(tmp_path / "b.biom", study)
    assert (tmp_path / "a.biom").read_bytes() == (tmp_path / "b.biom").read_bytes()


def test_the_text_table_is_what_biom_reads(study: ExportSource, tmp_path: Path) -> None:
    write_count_table(tmp_path / "t.tsv", study)
    table = biom.load_table(str(tmp_path / "t.tsv"))
    np.testing.assert_array_equal(table.matrix_data.toarray(), COUNTS)
    assert table.metadata(study.table.features[1], "observation")["taxonomy"].endswith("Calanidae")


def test_taxonomy_follows_qiime_2(study: ExportSource, tmp_path: Path) -> None:
    write_taxonomy(tmp_path / "taxonomy.tsv", study)
    header, *rows = [line.split("\t") for line in (tmp_path / "taxonomy.tsv").read_text().splitlines()]
    assert header == ["Feature ID", "Taxon", "Confidence"]
    taxa = {row[0]: row[1] for row in rows}
    assert len(taxa) == len(rows) == len(study.table.features)
    assert all(name == name.strip() for name in taxa.values())
    assert list(taxa.values())[1:] == [
        "Eukaryota; Opisthokonta; Copepoda; Calanidae", f"Eukaryota; Rhizaria; {PUTATIVE}", "Unassigned"
    ]  # fmt: skip
    assert float(rows[0][2]) == np.float32(0.85).round(6)


def test_sample_metadata_is_read_by_the_rules_of_qiime_2(study: ExportSource, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skbio.metadata import SampleMetadata

    write_sample_metadata(tmp_path / "m.tsv", study)
    metadata = SampleMetadata.load(str(tmp_path / "m.tsv"))
    assert metadata.ids == SAMPLES
    types = {name: column.type for name, column in metadata.columns.items()}
    assert types["depth_m"] == types["latitude"] == "numeric"
    assert types["eventDate"] == types["control"] == types["ph"] == "categorical"
    frame = metadata.to_dataframe()
    assert frame.loc["north", "depth_m"] == 1200
    assert np.isnan(frame.loc["empty", "latitude"])
    assert frame.loc["north", "net"] == 'WP2 "fine"'


def test_sequences_carry_their_names(study: ExportSource, tmp_path: Path) -> None:
    write_sequences(tmp_path / "s.fasta", study)
    records = list(read_records(tmp_path / "s.fasta"))
    assert [record.id for record in records] == list(study.table.features)
    assert all(sequence_id(record.sequence) == record.id for record in records)
