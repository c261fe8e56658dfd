"""Snakemake entry for rule report."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.bundle.provenance import code_version, tool_versions
from abyssal.encoder.vectors import read_origin
from abyssal.report.inputs import ReportFacts, ReportFiles
from abyssal.report.render import write_report

found = snakemake.input
names = ("libraries", "ledger", "controls", "table", "answers", "putative_taxa", "members", "exemplars", "map",
         "verdicts", "changes", "selection", "metrics", "reference_report", "truth", "regression", "predictions",
         "alpha", "rarefaction", "ordination", "novelty")  # fmt: skip
write_report(
    Path(snakemake.output.report),
    ReportFiles(**{name: Path(found[name]) for name in names if found.get(name) is not None}),
    ReportFacts(
        study=snakemake.wildcards.study,
        marker=snakemake.wildcards.marker,
        config=snakemake.params.config,
        versions={"abyssal": code_version(), **tool_versions()},
        digests={"encoder": read_origin(Path(found.vectors)).encoder},
    ),
)
