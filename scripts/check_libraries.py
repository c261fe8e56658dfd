"""Snakemake entry for rule check_libraries."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.samples.libraries import write_libraries
from abyssal.samples.sheet import read_sample_sheet

sheet = read_sample_sheet(Path(snakemake.input.sheet), markers=snakemake.params.markers)
write_libraries(Path(snakemake.output.libraries), [row for row in sheet if row.marker == snakemake.wildcards.marker])
