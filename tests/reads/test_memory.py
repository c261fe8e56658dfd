"""With pooling by sample, bringing libraries together takes no more memory for seven times as many libraries."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
from support.amplicons import random_sequence

from abyssal.reads.counts import READ_STEPS, StepCounts, write_counts
from abyssal.reads.map_back import ASV, Assignment, write_assignments
from abyssal.reads.study import CountSettings, LibraryFiles, Pool, StudyOutputs, count_study
from abyssal.samples.model import Library
from abyssal.sequences.alphabet import sequence_id

UNIQUES, ASVS, READS = 2000, 10, 3


def one_library(folder: Path) -> tuple[Path, Pool]:
    """Files of a library whose thousands of unique sequences belong to a few ASVs."""
    rng = np.random.default_rng(7)
    sequences = [random_sequence(rng, 150) for _ in range(UNIQUES)]
    names = [sequence_id(sequence) for sequence in sequences]
    records = [f">{name};size={READS}\n{text}\n" for name, text in zip(names, sequences, strict=True)]
    (folder / "unique.fasta").write_text("".join(records))
    (folder / "asvs.fasta").write_text("".join(records[:ASVS]))
    (folder / "chimeras.fasta").write_text("")
    write_assignments(
        folder / "assignments.tsv",
        (Assignment(name, ASV, names[place % ASVS], 0.98, 1) for place, name in enumerate(names)),
    )
    return folder / "unique.fasta", Pool(
        (), folder / "asvs.fasta", folder / "chimeras.fasta", folder / "assignments.tsv"
    )


def files_of(name: str, uniques: Path) -> LibraryFiles:
    """Files of a library of that name."""
    counts, reads = uniques.with_name(f"{name}.json"), READS * UNIQUES
    write_counts(counts, [StepCounts(name, step, reads, reads) for step in ("raw", *READ_STEPS)])
    return LibraryFiles(uniques, (counts,))


def peak(folder: Path, uniques: Path, pool: Pool, number: int) -> int:
    """Largest memory of the interpreter while that many libraries, each a pool, are counted (bytes)."""
    names = [f"l{place}" for place in range(number)]
    rows = [Library(name, name, "1", "18S", "single", (Path("x"),)) for name in names]
    pools = [Pool((name,), pool.asvs, pool.chimeras, pool.assignments) for name in names]
    outputs = StudyOutputs(**{name: folder / f"{number}.{name}" for name in StudyOutputs.__annotations__})
    files = {name: files_of(name, uniques) for name in names}
    tracemalloc.start()
    count_study(rows, files, pools, outputs, CountSettings())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(outputs.table.read_text().splitlines()) == 1 + ASVS
    return most


def test_memory_does_not_grow_with_the_libraries(tmp_path: Path) -> None:
    uniques, pool = one_library(tmp_path)
    few, many = (peak(tmp_path, uniques, pool, number) for number in (2, 14))
    assert many < 1.25 * few, (few, many)
