"""Snakemake entry for rule regress."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.config.benchmark import RegressionConfig
from abyssal.regression.stage import RegressionFiles, regress_files

found = snakemake.input
regress_files(
    RegressionFiles(Path(found.libraries), Path(found.table), Path(found.asvs), Path(found.vectors)),
    Path(snakemake.output.metrics),
    Path(snakemake.output.predictions),
    Path(snakemake.output.model),
    settings=RegressionConfig(**snakemake.params.settings),
    seed=snakemake.params.seed,
)
