"""Snakemake entry for rule demultiplex."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.demultiplex import TagSettings, demultiplex

demultiplex(
    snakemake.wildcards.tagged,
    [Path(path) for path in snakemake.input.reads],
    Path(snakemake.output.folder),
    {library: (forward, reverse) for library, (forward, reverse) in snakemake.params.tags.items()},
    TagSettings(
        max_errors=snakemake.params.settings["max_errors"],
        max_spacer=snakemake.params.settings["max_spacer"],
        mixed_orientation=snakemake.params.orientation == "mixed",
    ),
    log=Path(snakemake.log[0]),
)
