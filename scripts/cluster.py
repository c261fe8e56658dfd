"""Snakemake entry for rule cluster."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.config.models import ClusterConfig
from abyssal.discovery.stage_files import ClusterFiles, cluster_files


def optional(name):
    """The path of an input that only a marker with a reference, or an earlier run, has."""
    found = snakemake.input.get(name)
    return None if found is None else Path(found)


marker = snakemake.params.marker
cluster_files(
    ClusterFiles(
        asvs=Path(snakemake.input.asvs),
        table=Path(snakemake.input.table),
        vectors=Path(snakemake.input.vectors),
        reference=optional("reference"),
        lineages=optional("lineages"),
        reference_vectors=optional("reference_vectors"),
        gate=optional("gate"),
        previous=optional("previous"),
    ),
    Path(snakemake.output.putative_taxa).parent,
    ClusterConfig(**snakemake.params.settings),
    seed=snakemake.params.seed,
    length_window=(marker["min_length"], marker["max_length"]),
)
