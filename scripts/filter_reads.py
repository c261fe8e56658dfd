"""Snakemake entry for rule filter_reads."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.counts import read_counts, write_counts
from abyssal.reads.filtering import FilterSettings, filter_reads

settings = FilterSettings(
    max_expected_errors=snakemake.params.settings["max_expected_errors"],
    max_ambiguous=snakemake.params.settings["max_ambiguous"],
    min_length=snakemake.params.marker["min_length"],
    max_length=snakemake.params.marker["max_length"],
)
filtered, dereplicated = filter_reads(
    snakemake.wildcards.library,
    Path(snakemake.input.reads),
    Path(snakemake.output.uniques),
    settings,
    log=Path(snakemake.log[0]),
)
before = read_counts(Path(snakemake.input.counts))[-1]
write_counts(Path(snakemake.output.counts), [filtered.follows(before), dereplicated])
