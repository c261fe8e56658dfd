"""Snakemake entry for rule benchmark_dataset."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.build import write_dataset

settings = snakemake.params
write_dataset(
    Path(settings.folder),
    snakemake.wildcards.dataset,
    settings.scale,
    settings.encoder,
    {name: Path(snakemake.output[name]) for name in ("reference", "lineages", "vectors")},
    settings.batch_size,
)
