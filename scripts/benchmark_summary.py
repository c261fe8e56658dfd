"""Snakemake entry for rule benchmark_summary."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.plan import make_plan
from abyssal.benchmark.summary import facts, write_summary
from abyssal.config.benchmark import BenchmarkConfig

settings = BenchmarkConfig(**snakemake.params.settings)
write_summary(
    Path(snakemake.output.found).parent,
    make_plan(settings, Path(snakemake.params.folder)),
    facts(settings, snakemake.params.train, snakemake.params.encoder),
    resamples=settings.resamples,
    seed=snakemake.params.seed,
)
