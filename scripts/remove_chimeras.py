"""Snakemake entry for rule remove_chimeras."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.denoise import ChimeraSettings, remove_chimeras

settings = snakemake.params.settings
remove_chimeras(
    Path(snakemake.input.variants),
    Path(snakemake.output.asvs),
    Path(snakemake.output.chimeras),
    settings=ChimeraSettings(**settings) if settings else None,
    libraries=[Path(path) for path in snakemake.input.libraries],
    reference=Path(snakemake.input.reference) if snakemake.input.get("reference") else None,
    log=Path(snakemake.log[0]),
)
