"""Snakemake entry for rule benchmark_peers."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.peers import answer_peers

answer_peers(
    Path(snakemake.input.case[0]).parent,
    list(snakemake.params.peers),
    Path(snakemake.output.answers),
    snakemake.params.seed,
)
