"""Snakemake entry for rule build_reference."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.references.stage import write_load_files

write_load_files(
    snakemake.params.reference,
    snakemake.params.marker,
    {name: Path(path) for name, path in snakemake.output.items()},
)
