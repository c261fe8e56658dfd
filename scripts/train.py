"""Snakemake entry for rule train."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.config.models import TrainConfig
from abyssal.taxonomy.model import MarkerSpec
from abyssal.taxonomy.stage import TrainFiles, train_files


def optional(name):
    """The path of an input that only a marker with a reference has."""
    found = snakemake.input.get(name)
    return None if found is None else Path(found)


train_files(
    TrainFiles(
        encoder=Path(snakemake.input.encoder),
        putative_taxa=Path(snakemake.input.putative_taxa),
        exemplars=Path(snakemake.input.exemplars),
        reference=optional("reference"),
        lineages=optional("lineages"),
        reference_vectors=optional("reference_vectors"),
    ),
    Path(snakemake.output.model),
    settings=TrainConfig(**snakemake.params.settings),
    marker=MarkerSpec(**snakemake.params.marker),
    batch_size=snakemake.params.batch_size,
    seed=snakemake.params.seed,
)
