"""Snakemake entry for rule merge_pairs."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.counts import read_counts, write_counts
from abyssal.reads.merge import merge_pairs
from abyssal.reads.unmerged import Unmerged

settings = snakemake.params.settings
sources = [Path(snakemake.input.r1), Path(snakemake.input.r2)]
unmerged = Path(snakemake.output.unmerged)
unmerged.touch()
counts = merge_pairs(
    snakemake.wildcards.library,
    sources if snakemake.params.paired else sources[:1],
    Path(snakemake.output.reads),
    min_overlap=settings["min_overlap"],
    max_differences=settings["max_differences"],
    unmerged=(
        None if settings["unmerged"] == "drop" else Unmerged(unmerged, spaced=settings["unmerged"] == "concatenate")
    ),
    threads=snakemake.threads,
    log=Path(snakemake.log[0]),
)
before = read_counts(Path(snakemake.input.counts))[-1]
write_counts(Path(snakemake.output.counts), [counts.follows(before)])
