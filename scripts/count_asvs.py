"""Snakemake entry for rule count_asvs."""

from pathlib import Path

from abyssal.entry import start

start(snakemake)

from abyssal.reads.study import LibraryFiles, Pool, StudyOutputs, count_study
from abyssal.samples.libraries import read_libraries

preprocess = Path(snakemake.output.ledger).parent
pools = []
files = {}
for name, libraries in snakemake.params.pools.items():
    folder = preprocess / "pools" / name
    pools.append(Pool(tuple(libraries), folder / "asvs.fasta", folder / "chimeras.fasta", folder / "assignments.tsv"))
    for library in libraries:
        own = preprocess / "libraries" / library
        counts = tuple(own / f"{step}.json" for step in ("trim", "merge", "filter"))
        files[library] = LibraryFiles(own / "unique.fasta", counts)
count_study(
    read_libraries(Path(snakemake.input.libraries)),
    files,
    pools,
    StudyOutputs(**{name: Path(path) for name, path in snakemake.output.items()}),
    controls=snakemake.params.settings["method"],
    tag_jump_rate=snakemake.params.settings["tag_jump_rate"],
)
