"""A small study with everything that exports must carry, and the same study written as a run leaves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from abyssal.exports.source import ExportFiles, ExportSource, StudyNames, read_study
from abyssal.reads.table import CountTable, write_table
from abyssal.references.markers import resolve_marker
from abyssal.samples.libraries import write_libraries
from abyssal.samples.model import Library
from abyssal.sequences.alphabet import sequence_id
from abyssal.sequences.records import write_fasta
from abyssal.taxonomy.classifications import Classifications, Source, tsv_header, tsv_rows

MARKER = "18S-V4-Zingone"
RANKS = ("domain", "supergroup", "class", "family", "genus", "species")
LINEAGES = (
    ("Eukaryota", "Opisthokonta", "Copepoda", "Calanidae", "Calanus", "Calanus_finmarchicus"),
    ("Eukaryota", "Opisthokonta", "Copepoda", "Calanidae", None, None),
    ("Eukaryota", "Rhizaria", None, None, None, None),
    (None, None, None, None, None, None),
)
ACCEPTED = (5, 3, 1, -1)
SAMPLES = ("north", "south", "empty", "mock")
COUNTS = ((90, 10, 0, 4), (0, 25, 0, 0), (7, 0, 0, 0), (0, 3, 0, 0))
PUTATIVE = "pt-0001"


def write_study(root: Path) -> Path:
    """Write what exports read to results/cruise/<marker> below a folder and return that folder."""
    rng = np.random.default_rng(3)
    sequences = ["".join(rng.choice(list("ACGT"), 120)) for _ in LINEAGES]
    folder = root / "results" / "cruise" / MARKER
    files = ExportFiles.below(folder)
    for path in vars(files).values():
        path.parent.mkdir(parents=True, exist_ok=True)
    ids = [sequence_id(sequence) for sequence in sequences]
    write_fasta(files.sequences, zip(ids, sequences, strict=True))
    write_table(files.table, CountTable(tuple(ids), SAMPLES, np.array(COUNTS, dtype=np.int64)))
    files.answers.write_text("\n".join([tsv_header(RANKS), *tsv_rows(ids, _answers())]) + "\n")
    files.members.write_text(f"asv\tputative_taxon\trole\tdistance\n{ids[2]}\t{PUTATIVE}\texemplar\t0\n")
    write_libraries(files.libraries, _libraries(root))
    return folder


def exported_study(root: Path) -> ExportSource:
    """Return what exports are made from."""
    names = StudyNames("cruise", MARKER, resolve_marker(MARKER), "demo 1")
    return read_study(ExportFiles.below(write_study(root)), names)


def _answers() -> Classifications:
    count, depth = len(LINEAGES), len(RANKS)
    confidence = np.array([[0.99, 0.97, 0.95, 0.93, 0.9, 0.85][: sum(map(bool, row))] + [0.0] * row.count(None)
                           for row in LINEAGES], dtype=np.float32)  # fmt: skip
    assert confidence.shape == (count, depth)
    return Classifications(
        RANKS, LINEAGES, confidence, np.array(ACCEPTED, np.int16), np.full(count, -1, np.int16), [()] * count,
        [""] * count, [""] * count, np.full(count, np.nan, np.float32), np.full(count, np.nan, np.float32),
        np.full(count, Source.MODEL, np.int8), [None] * count, "torch-fp32",
    )  # fmt: skip


def _libraries(folder: Path) -> list[Library]:
    reads = folder / "reads.fastq"
    reads.write_text("")
    common = {"eventDate": "2026-05-01", "env_medium": "ocean water [ENVO:00002151]", "net": 'WP2 "fine"'}

    def library(name: str, sample: str, **more: object) -> Library:
        return Library(name, sample, "1", MARKER, "single", (reads,), **more)  # type: ignore[arg-type]

    return [
        library("north-1", "north", latitude=70.5, longitude=-3.25, depth_m=1200.0, metadata={**common, "ph": "8.1"}),
        library("north-2", "north", latitude=70.5, longitude=-3.25, depth_m=1200.0, metadata={**common, "ph": "8.2"}),
        library("south-1", "south", latitude=60.0, longitude=2.0, metadata={**common, "eventDate": "missing"}),
        library("empty-1", "empty"),
        library("mock-1", "mock", control="positive"),
    ]
