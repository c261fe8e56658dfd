"""Snakemake entry for rule gather_vectors."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.encoder.shards import gather_shards

gather_shards(
    Path(snakemake.input.fasta), [Path(part) for part in snakemake.input.shards], Path(snakemake.output.vectors)
)
