"""Snakemake entry for rule package."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.bundle.manifest import Marker
from abyssal.bundle.study import StudyFiles, package_study
from abyssal.bundle.write import BundleInputs
from abyssal.encoder.vectors import read_origin
from abyssal.taxonomy.classifier import Classifier

found = snakemake.input
package_study(
    Path(snakemake.output.manifest).parent,
    StudyFiles(
        inputs=BundleInputs(
            model=Path(found.model),
            metrics=Path(found.metrics),
            report=Path(found.report),
        ),
        asvs=Path(found.asvs),
        libraries=Path(found.libraries),
        reference=Path(found.reference) if found.get("reference") else None,
        lineages=Path(found.lineages) if found.get("lineages") else None,
    ),
    version=snakemake.params.version,
    marker=Marker(**snakemake.params.marker),
    encoder_digest=read_origin(Path(found.vectors)).encoder,
    config=snakemake.params.config,
    load=Classifier.load,
)
