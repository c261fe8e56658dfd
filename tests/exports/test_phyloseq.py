"""R's phyloseq reads the tables where it is installed; the rules it states for them hold everywhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.exported_study import PUTATIVE, SAMPLES

from abyssal.exports.phyloseq import write_phyloseq
from abyssal.exports.source import ExportSource


def test_row_names_are_unique_and_the_same_in_joined_tables(study: ExportSource, tmp_path: Path) -> None:
    write_phyloseq(tmp_path, study)
    otu, tax, sam = (
        [line.split("\t") for line in (tmp_path / f"{name}.tsv").read_text().splitlines()]
        for name in ("otu_table", "tax_table", "sample_data")
    )
    assert [row[0] for row in otu[1:]] == [row[0] for row in tax[1:]] == list(study.table.features)
    assert otu[0][1:] == [row[0] for row in sam[1:]] == list(SAMPLES)
    for rows in (otu, tax, sam):
        assert {len(row) for row in rows} == {len(rows[0])}
    assert tax[0][-1] == "putative_taxon"
    assert tax[3][-1] == PUTATIVE


@pytest.mark.slow
def test_phyloseq_reads_it(study: ExportSource, tmp_path: Path) -> None:
    write_phyloseq(tmp_path, study)
    probe = ["Rscript", "-e", 'quit(status = !requireNamespace("phyloseq", quietly = TRUE))']
    try:
        found = subprocess.run(probe, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        pytest.skip("R's phyloseq is not installed (apt-get install r-bioc-phyloseq)")
    checks = (
        'source("import.R"); stopifnot(ntaxa(study) == 4, nsamples(study) == 4, sum(otu_table(study)) == 139, '
        'sample_data(study)["north", "depth_m"] == 1200, tax_table(study)[3, "putative_taxon"] == "pt-0001", '
        'is.na(tax_table(study)[4, "domain"]))'
    )
    done = subprocess.run(["Rscript", "-e", checks], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "4 taxa" in done.stdout
