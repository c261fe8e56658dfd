"""Snakemake entry for rule study_report."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.bundle.manifest import parse_manifest
from abyssal.exports.source import ExportFiles, StudyNames, read_study
from abyssal.reads.ledger import read_ledger
from abyssal.report.study_page import MarkerResults, write_study_page

study = snakemake.wildcards.study
target = Path(snakemake.output.report)
markers = []
for marker in snakemake.params.markers:
    folder = target.parent / marker
    manifest = parse_manifest((folder / "bundle" / "manifest.json").read_bytes())
    markers.append(
        MarkerResults(
            read_study(ExportFiles.below(folder), StudyNames(study, marker)),
            read_ledger(folder / "preprocess" / "ledger.tsv"),
            f"{manifest.name} {manifest.version}",
        )
    )
write_study_page(target, study, markers)
