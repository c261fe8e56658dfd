"""Snakemake entry for rule remove_chimeras."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.denoise import remove_chimeras

settings = snakemake.params.settings
remove_chimeras(
    Path(snakemake.input.variants),
    Path(snakemake.output.asvs),
    Path(snakemake.output.chimeras),
    abundance_skew=settings["abundance_skew"] if settings else None,
    reference=Path(snakemake.input.reference) if snakemake.input.get("reference") else None,
    log=Path(snakemake.log[0]),
)
