"""Snakemake entry for rule benchmark_discovery."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.benchmark.discovery import run_dataset
from abyssal.benchmark.discovery_score import page, score
from abyssal.files import write_json, write_text

found = {
    dataset: score(
        run_dataset(Path(reference).parent, seed=snakemake.params.seed),
        seed=snakemake.params.seed,
    )
    for dataset, reference in zip(snakemake.params.datasets, snakemake.input.reference, strict=True)
}
write_json(Path(snakemake.output.found), found)
write_text(Path(snakemake.output.page), page(found))
