"""Snakemake entry for rules embed_asvs and embed_reference."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import embed_fasta, write_vectors

encoder = load_encoder(
    snakemake.input.encoder,
    batch_size=snakemake.params.batch_size,
    trust_remote_code=snakemake.params.trust_remote_code,
)
write_vectors(Path(snakemake.output.vectors), embed_fasta(encoder, Path(snakemake.input.fasta)))
