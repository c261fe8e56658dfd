"""Snakemake entry for rule benchmark_speed."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.speed import write_speed
from abyssal.config.models import TrainConfig

write_speed(
    Path(snakemake.input.reference).parent,
    snakemake.params.encoder,
    TrainConfig(**snakemake.params.settings),
    list(snakemake.params.sizes),
    Path(snakemake.output.found),
    batch_size=snakemake.params.batch_size,
    seed=snakemake.params.seed,
    threads=snakemake.threads,
)
