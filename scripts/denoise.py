"""Snakemake entry for rule denoise."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.denoise import pool_uniques
from abyssal.reads.variants import VariantSettings, make_variants

log = Path(snakemake.log[0])
uniques = Path(snakemake.output.uniques)
pool_uniques([Path(path) for path in snakemake.input.libraries], uniques, log=log)
make_variants(
    uniques,
    Path(snakemake.output.variants),
    Path(snakemake.output.members),
    VariantSettings(**snakemake.params.settings),
    passed=[Path(path) for path in snakemake.input.passed],
    threads=snakemake.threads,
    log=log,
)
