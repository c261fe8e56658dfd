"""Snakemake entry for rule embed_shard."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.encoder.load import load_encoder
from abyssal.encoder.shards import embed_shard
from abyssal.encoder.vectors import write_vectors

batch_size = snakemake.params.batch_size
encoder = load_encoder(
    snakemake.input.encoder, batch_size=batch_size, trust_remote_code=snakemake.params.trust_remote_code
)
# Snakemake names the parts of a scattered job 1-of-8, 2-of-8 and so on.
shard, shards = map(int, snakemake.wildcards.scatteritem.split("-of-"))
write_vectors(
    Path(snakemake.output.vectors),
    embed_shard(encoder, Path(snakemake.input.fasta), batch_size=batch_size, shard=shard, shards=shards),
)
