"""Snakemake entry for rule classify_asvs."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.config.fallback import FallbackConfig
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.stage import classify_file, estimate_novelty

classifier = Classifier.load(Path(snakemake.input.model))
classify_file(
    classifier,
    Path(snakemake.input.asvs),
    Path(snakemake.output.taxonomy),
    FallbackConfig(**snakemake.params.fallback),
)
estimate_novelty(classifier, Path(snakemake.input.asvs), Path(snakemake.output.novelty))
