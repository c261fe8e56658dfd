"""Snakemake entry for rule trim_primers."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.adapters import adapter_pairs
from abyssal.reads.counts import write_counts
from abyssal.reads.cutadapt import TrimSettings
from abyssal.reads.demultiplex import library_reads
from abyssal.reads.trim import trim_primers

settings = snakemake.params.settings
library = snakemake.wildcards.library
sources = library_reads(library, [Path(path) for path in snakemake.input.reads])
targets = [Path(snakemake.output.r1), Path(snakemake.output.r2)]
counts = trim_primers(
    library,
    sources,
    targets[: len(sources)],
    TrimSettings(
        *snakemake.params.primers,
        error_rate=settings["error_rate"],
        mixed_orientation=settings["orientation"] == "mixed",
        random_bases=settings["random_bases"],
        min_read_length=settings["min_read_length"],
        anchored=settings["anchored"],
        optional=settings["primers"] == "optional",
        adapters=adapter_pairs(settings["adapters"]),
        two_colour_quality=settings["two_colour_quality"],
        other_markers=tuple(tuple(marker) for marker in snakemake.params.other_markers),
        contaminants=tuple(Path(path) for path in snakemake.input.contaminants),
    ),
    log=Path(snakemake.log[0]),
)
for unused in targets[len(sources) :]:
    unused.touch()
write_counts(Path(snakemake.output.counts), counts)
