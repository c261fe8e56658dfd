"""Snakemake entry for rule benchmark_case."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.cases import CaseKey
from abyssal.benchmark.draw import write_case_files
from abyssal.config.benchmark import BenchmarkConfig

found, settings = snakemake.wildcards, snakemake.params
write_case_files(
    CaseKey(found.part, found.dataset, found.split),
    Path(snakemake.input.reference),
    Path(snakemake.input.lineages),
    BenchmarkConfig(queries=settings.queries, scale=settings.scale),
    Path(settings.folder),
    Path(snakemake.output.queries).parent,
    snakemake.threads,
)
