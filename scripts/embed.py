"""Snakemake entry for rules embed_asvs, embed_reference and embed_shard."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.encoder.cache import with_cache
from abyssal.encoder.load import load_encoder
from abyssal.encoder.shards import embed_file

batch_size = snakemake.params.batch_size
encoder = load_encoder(
    snakemake.input.encoder, batch_size=batch_size, trust_remote_code=snakemake.params.trust_remote_code
)
# Snakemake names the parts of a scattered job 1-of-8, 2-of-8 and so on; a job in one piece has no such name.
shard, shards = map(int, snakemake.wildcards.get("scatteritem", "1-of-1").split("-of-"))
embed_file(
    with_cache(encoder, code=snakemake.params.code, batch_size=batch_size),
    Path(snakemake.input.fasta),
    Path(snakemake.output.vectors),
    shard=shard,
    shards=shards,
)
