"""Snakemake entry for rule classify_asvs."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.config.fallback import FallbackConfig
from abyssal.taxonomy.stage import classify_file, estimate_novelty

classify_file(
    Path(snakemake.input.model),
    Path(snakemake.input.asvs),
    Path(snakemake.output.taxonomy),
    FallbackConfig(**snakemake.params.fallback),
)
estimate_novelty(
    Path(snakemake.input.model),
    Path(snakemake.input.asvs),
    Path(snakemake.output.novelty),
)
