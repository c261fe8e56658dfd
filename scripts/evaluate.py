"""Snakemake entry for rule evaluate."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.config.fallback import FallbackConfig
from abyssal.config.models import EvaluateConfig, TrainConfig
from abyssal.evaluation.run import EvaluateFiles, EvaluateSettings, evaluate_files
from abyssal.taxonomy.model import MarkerSpec


def optional(name):
    """The path of an input that only a marker with a reference has."""
    found = snakemake.input.get(name)
    return None if found is None else Path(found)


evaluate_files(
    EvaluateFiles(
        encoder=Path(snakemake.input.encoder),
        encoder_source=Path(snakemake.params.encoder_source),
        reference=optional("reference"),
        lineages=optional("lineages"),
        reference_vectors=optional("reference_vectors"),
    ),
    Path(snakemake.output.metrics),
    Path(snakemake.output.queries),
    EvaluateSettings(
        train=TrainConfig(**snakemake.params.train),
        evaluate=EvaluateConfig(**snakemake.params.evaluate),
        marker=MarkerSpec(**snakemake.params.marker),
        batch_size=snakemake.params.batch_size,
        seed=snakemake.params.seed,
        fallback=FallbackConfig(**snakemake.params.fallback),
    ),
)
