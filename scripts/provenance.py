"""Snakemake entry for rule provenance."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.bundle.provenance import study_provenance
from abyssal.files import write_json

files = {name: Path(path) for name, path in snakemake.input.items()}
made = ("asvs", "table", "ledger", "taxonomy", "manifest")
write_json(
    Path(snakemake.output.provenance),
    study_provenance(
        config=snakemake.params.config,
        inputs={name: files.get(name) for name in ("reference", "lineages")},
        outputs={name: files[name] for name in made},
        libraries=files["libraries"],
        rules=snakemake.params.rules,
    ),
)
