"""Snakemake entry for rule benchmark_communities."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.communities import write_community

write_community(
    Path(snakemake.input.case[0]).parent,
    snakemake.wildcards.dataset,
    snakemake.params.encoder,
    Path(snakemake.params.snakefile),
    Path(snakemake.output.found),
    seed=snakemake.params.seed,
    threads=snakemake.threads,
)
