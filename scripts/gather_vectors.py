"""Snakemake entry for rule gather_vectors."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.encoder.shards import gather_shards
from abyssal.encoder.vectors import write_vectors

write_vectors(
    Path(snakemake.output.vectors),
    gather_shards(
        Path(snakemake.input.fasta),
        [Path(part) for part in snakemake.input.shards],
        batch_size=snakemake.params.batch_size,
    ),
)
