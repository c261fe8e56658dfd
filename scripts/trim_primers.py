"""Snakemake entry for rule trim_primers."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.counts import write_counts
from abyssal.reads.trim import TrimSettings, trim_primers

settings = snakemake.params.settings
sources = [Path(path) for path in snakemake.input.reads]
targets = [Path(snakemake.output.r1), Path(snakemake.output.r2)]
counts = trim_primers(
    snakemake.wildcards.library,
    sources,
    targets[: len(sources)],
    TrimSettings(
        forward_primer=snakemake.params.marker["forward_primer"],
        reverse_primer=snakemake.params.marker["reverse_primer"],
        error_rate=settings["error_rate"],
        mixed_orientation=settings["orientation"] == "mixed",
        random_bases=settings["random_bases"],
        min_read_length=settings["min_read_length"],
    ),
    log=Path(snakemake.log[0]),
)
for unused in targets[len(sources) :]:
    unused.touch()
write_counts(Path(snakemake.output.counts), counts)
