"""Snakemake entry for rule count_asvs."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.demultiplex import COUNTS
from abyssal.reads.settings import count_settings
from abyssal.reads.study import StudyOutputs, count_study, stage_files
from abyssal.samples.libraries import read_libraries

files, pools = stage_files(
    Path(snakemake.output.ledger).parent, snakemake.params.pools, poor=snakemake.params.maps_poor_reads
)
count_study(
    read_libraries(Path(snakemake.input.libraries)),
    files,
    pools,
    StudyOutputs(**{name: Path(path) for name, path in snakemake.output.items()}),
    count_settings(
        snakemake.params.controls,
        snakemake.params.screen,
        snakemake.params.coding,
        snakemake.params.curate,
        contaminants=[Path(path) for path in snakemake.input.contaminants],
        reference=Path(snakemake.input.reference) if snakemake.input.get("reference") else None,
    ),
    undetermined=[Path(folder) / COUNTS for folder in snakemake.input.tagged],
)
