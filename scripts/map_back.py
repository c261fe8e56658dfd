"""Snakemake entry for rule map_back."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.map_back import map_back, write_assignments
from abyssal.reads.variants import read_members

assignments = map_back(
    Path(snakemake.input.uniques),
    Path(snakemake.input.asvs),
    Path(snakemake.input.chimeras),
    identity=snakemake.params.identity,
    members=read_members(Path(snakemake.input.members)),
    poor=[Path(path) for path in snakemake.input.poor],
)
write_assignments(Path(snakemake.output.assignments), assignments)
