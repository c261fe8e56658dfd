"""Snakemake entry for rule merge_pairs."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.counts import read_counts, write_counts
from abyssal.reads.merge import merge_pairs

sources = [Path(snakemake.input.r1), Path(snakemake.input.r2)]
counts = merge_pairs(
    snakemake.wildcards.library,
    sources if snakemake.params.paired else sources[:1],
    Path(snakemake.output.reads),
    min_overlap=snakemake.params.settings["min_overlap"],
    max_differences=snakemake.params.settings["max_differences"],
    threads=snakemake.threads,
    log=Path(snakemake.log[0]),
)
before = read_counts(Path(snakemake.input.counts))[-1]
write_counts(Path(snakemake.output.counts), [counts.follows(before)])
