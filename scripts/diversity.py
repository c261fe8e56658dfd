"""Snakemake entry for rule diversity."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.diversity.files import write_diversity
from abyssal.exports.source import ExportFiles, StudyNames, read_study

found = snakemake.input
names = StudyNames(snakemake.wildcards.study, snakemake.wildcards.marker)
files = ExportFiles(**{name: Path(found[name]) for name in ("table", "sequences", "answers", "members", "libraries")})
study = read_study(files, names)
taxa = {asv: lineage.text for asv, lineage in study.lineages.items()}
write_diversity(Path(snakemake.output.alpha).parent, study.table, taxa)
