"""Snakemake entry for rule export."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.exports.source import ExportFiles, StudyNames, read_study
from abyssal.exports.write import write_exports
from abyssal.references.markers import ResolvedMarker

found = snakemake.input
names = StudyNames(
    snakemake.wildcards.study,
    snakemake.wildcards.marker,
    ResolvedMarker(**snakemake.params.marker),
    snakemake.params.reference,
)
files = ExportFiles(**{name: Path(found[name]) for name in ("table", "sequences", "answers", "members", "libraries")})
write_exports(read_study(files, names), Path(snakemake.output.biom).parent)
