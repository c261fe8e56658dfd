"""Snakemake entry for rule benchmark_ours."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.ours import answer_ours
from abyssal.config.models import TrainConfig

answer_ours(
    Path(snakemake.input.case[0]).parent,
    Path(snakemake.input.reference),
    Path(snakemake.input.vectors),
    snakemake.params.encoder,
    TrainConfig(**snakemake.params.settings),
    Path(snakemake.output.answers),
    batch_size=snakemake.params.batch_size,
    seed=snakemake.params.seed,
)
