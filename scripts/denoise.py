"""Snakemake entry for rule denoise."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.denoise import denoise, pool_uniques

log = Path(snakemake.log[0])
uniques = Path(snakemake.output.uniques)
pool_uniques([Path(path) for path in snakemake.input.libraries], uniques, log=log)
denoise(
    uniques,
    Path(snakemake.output.variants),
    min_size=snakemake.params.settings["min_size"],
    alpha=snakemake.params.settings["alpha"],
    threads=snakemake.threads,
    log=log,
)
