"""Snakemake entry for rule benchmark_case."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.cases import CaseKey
from abyssal.benchmark.draw import write_case_files

found, settings = snakemake.wildcards, snakemake.params
write_case_files(
    CaseKey(found.part, found.dataset, found.split),
    Path(snakemake.input.reference),
    Path(snakemake.input.lineages),
    Path(settings.folder),
    Path(snakemake.output.queries).parent,
    most=settings.queries,
    scale=settings.scale,
    threads=snakemake.threads,
)
