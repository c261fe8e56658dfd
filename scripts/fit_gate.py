"""Snakemake entry for rule fit_gate."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.references.stage import write_gate

write_gate(
    Path(snakemake.input.reference),
    Path(snakemake.output.gate),
    quantile=snakemake.params.quantile,
    seed=snakemake.params.seed,
)
