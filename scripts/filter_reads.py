"""Snakemake entry for rule filter_reads."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.counts import read_counts, write_counts
from abyssal.reads.filtering import FilterFiles, FilterSettings, filter_reads

given = snakemake.params.settings
poor, passed = Path(snakemake.output.poor), Path(snakemake.output.passed)
for unused in (poor, passed):
    unused.touch()
settings = FilterSettings(
    max_expected_errors=given["max_expected_errors"],
    max_ambiguous=given["max_ambiguous"],
    min_length=snakemake.params.window[0],
    max_length=snakemake.params.window[1],
    max_error_rate=given["max_expected_error_rate"],
    max_errors_mapped=given["max_expected_errors_mapped"],
    annotate=snakemake.params.method == "consensus",
)
files = FilterFiles(
    merged=Path(snakemake.input.reads),
    uniques=Path(snakemake.output.uniques),
    unmerged=Path(snakemake.input.unmerged),
    poor=None if settings.max_errors_mapped is None else poor,
    passed=passed if snakemake.params.method == "dada2" else None,
)
filtered, dereplicated = filter_reads(snakemake.wildcards.library, files, settings, log=Path(snakemake.log[0]))
before = read_counts(Path(snakemake.input.counts))[-1]
write_counts(Path(snakemake.output.counts), [filtered.follows(before), dereplicated])
