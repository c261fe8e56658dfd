"""Classification of a file into the TSV of design section 7, with or without a service, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from abyssal.files import open_atomic
from abyssal.inference.batches import CHUNK_LETTERS, ReadClassifier, classify_distinct, in_chunks
from abyssal.sequences.records import SequenceRecord
from abyssal.taxonomy.classifications import Classifications, tsv_header, tsv_rows

WINDOW_READS = 4096
"""Reads among which duplicates are found and lengths sorted when a file is classified without a service."""

AnsweredChunk = tuple[Sequence[str], Classifications]
"""Ids of some records, and their answers."""

Revise = Callable[[Sequence[str], Classifications], Classifications]
"""Sequences and their answers to better answers."""


def chunks_of(records: Iterable[SequenceRecord], reads: int) -> Iterator[tuple[list[str], list[str]]]:
    """Yield (ids, sequences) of at most ``reads`` records.

    A sequence beyond ``CHUNK_LETTERS`` letters is cut there: no model takes a read of a million letters, and a message
    must hold it so that it gets the same typed error everywhere.
    """
    for chunk in in_chunks(records, reads=reads, letters_of=lambda record: len(record.sequence)):
        yield [record.id for record in chunk], [record.sequence[:CHUNK_LETTERS] for record in chunk]


def write_table(target: Path, ranks: Sequence[str], chunks: Iterable[AnsweredChunk]) -> int:
    """Write the classification TSV atomically (gzipped when it ends in ``.gz``) and return the number of rows."""
    written = 0
    with open_atomic(target) as out:
        out.write(tsv_header(ranks) + "\n")
        for ids, answers in chunks:
            out.write("".join(f"{row}\n" for row in tsv_rows(ids, answers)))
            written += len(ids)
    return written


def classify_offline(
    classifier: ReadClassifier, records: Iterable[SequenceRecord], *, revise: Revise | None = None
) -> Iterator[AnsweredChunk]:
    """Yield ids and answers window by window; each distinct read of a window is computed once.

    Args:
        classifier, records: what answers, and what is asked.
        revise: looks at the answers of a window once more; None leaves them.
    """
    for ids, sequences in chunks_of(records, WINDOW_READS):
        answers = classify_distinct(classifier, sequences)
        yield ids, answers if revise is None else revise(sequences, answers)
