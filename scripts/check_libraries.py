"""Snakemake entry for rule check_libraries."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.samples.libraries import files_of, write_libraries
from abyssal.samples.sheet import read_sample_sheet

sheet = read_sample_sheet(Path(snakemake.input.sheet), markers=snakemake.params.markers)
rows = [row for row in sheet if row.marker == snakemake.wildcards.marker]
copies = dict(zip(files_of(rows), map(Path, snakemake.input.files), strict=True))
write_libraries(Path(snakemake.output.libraries), rows, copies)
