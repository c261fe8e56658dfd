"""Snakemake entry for rule provenance."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.bundle.provenance import study_provenance
from abyssal.files import write_json

files = {name: Path(path) for name, path in snakemake.input.items() if name != "sources"}
made = ("asvs", "table", "ledger", "taxonomy", "manifest")
write_json(
    Path(snakemake.output.provenance),
    study_provenance(
        config=snakemake.params.config,
        inputs={
            **{f"reference file {Path(path).name}": Path(path) for path in snakemake.input.sources},
            **{f"checked {name}": files.get(name) for name in ("reference", "lineages")},
            "members of the earlier putative taxa": files.get("previous"),
        },
        outputs={name: files[name] for name in made},
        libraries=files["libraries"],
        rules=snakemake.params.rules,
    ),
)
