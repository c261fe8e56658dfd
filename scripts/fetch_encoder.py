"""Snakemake entry for rule fetch_encoder."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.config.models import EncoderConfig
from abyssal.encoder.fetch import fetch_encoder

fetch_encoder(EncoderConfig(**snakemake.params.encoder), Path(snakemake.output.encoder))
