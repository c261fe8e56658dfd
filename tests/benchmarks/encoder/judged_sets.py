"""The sets the encoder is judged on, split as its training splits them, and the peers' answers to the same queries."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from abyssal.benchmark.datasets import build_dataset, source_of
from abyssal.benchmark.robustness import changed
from abyssal.config.models import MarkerConfig
from abyssal.encoder.training.corpus import RANKS, MarkerCorpus, build_corpus
from abyssal.encoder.training.measurement import Grades, graded_queries
from abyssal.encoder.training.run import read_exclusions
from abyssal.evaluation.answers import Answers
from abyssal.evaluation.baselines import Baselines
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.build import BuildSettings, build_reference
from abyssal.references.formats import open_reference
from abyssal.references.markers import resolve_marker
from abyssal.references.model import AmpliconReference

BARCODES = "coi-annelida"
PEERS = ("top-hit", "sintax")


def judged_corpora(data: Path) -> tuple[MarkerCorpus, ...]:
    """Return 16S V4, 18S V4 and Annelida COI cut to 313 bp and whole; published queries are out of all of them."""
    exclusions = read_exclusions(sorted(data.glob("tax-credit/B1-REF-*/query.fasta.gz")))
    references = {
        "16S V4": build_dataset(data, "16s-v4", 1.0),
        "18S V4": build_dataset(data, "18s-v4", 1.0),
        "COI Annelida 313": build_dataset(data, BARCODES, 1.0),
        "COI Annelida full": _whole_barcodes(data),
    }
    return build_corpus(references, exclusions)


def _whole_barcodes(data: Path) -> AmpliconReference:
    marker = resolve_marker("COI-Folmer", MarkerConfig(min_length=300, max_length=800))
    raw = open_reference(data / source_of(BARCODES).fasta, None)
    return build_reference(raw, marker, BuildSettings(trim=False))[0]


def with_changed_queries(corpora: Sequence[MarkerCorpus], variant: str) -> tuple[MarkerCorpus, ...]:
    """Return the corpora with what the variant's name says done to every query."""
    rng = np.random.default_rng(3)
    return tuple(
        replace(
            corpus,
            queries=tuple(replace(one, sequence=changed(one.sequence, variant, rng)) for one in corpus.queries),
        )
        for corpus in corpora
    )


def peer_cells(corpora: Sequence[MarkerCorpus]) -> dict[str, tuple[Grades, ...]]:
    """Return by peer what ``measurement.grade`` returns for an encoder: the peer's best name, whatever its doubt."""
    cells: dict[str, list[Grades]] = {name: [] for name in PEERS}
    for corpus in corpora:
        groups = list(graded_queries(corpus, "report"))
        queries = [query for _, group in groups for query in group]
        with tempfile.TemporaryDirectory() as folder:
            asked = [HeldOutQuery(str(row), one.sequence, one.names[::-1]) for row, one in enumerate(queries)]
            by_program = Baselines(_fitted(corpus), asked, Path(folder))
            answers = {name: by_program.run(name) for name in PEERS}
        start = 0
        for rank, group in groups:
            rows = range(start, start + len(group))
            start += len(group)
            for name, found in answers.items():
                cells[name].append(_cell(corpus.marker, rank, group, found, rows))
    return {name: tuple(found) for name, found in cells.items()}


def _fitted(corpus: MarkerCorpus) -> AmpliconReference:
    ids = tuple(f"a{row}" for row in range(len(corpus.sequences)))
    members = tuple(((name, names[::-1]),) for name, names in zip(ids, corpus.names, strict=True))
    return AmpliconReference(RANKS[::-1], ids, corpus.sequences, members)


def _cell(marker: str, rank: int, group: Sequence, found: Answers, rows: range) -> Grades:
    column = len(RANKS) - 1 - rank
    right = [float(found.labels[row][column] == query.names[rank]) for row, query in zip(rows, group, strict=True)]
    similarity = found.confidence[list(rows), column if found.method == "sintax" else 0]
    return Grades(marker, group[0].group, RANKS[rank], np.array(right), similarity)
