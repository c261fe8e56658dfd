"""Answers to and from the columns that travel.

The message holds exact float32 values and the taxa as numbers, so what a client decodes equals what the model said to
the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import DataError
from abyssal.inference.taxa import NumberedTaxa
from abyssal.inference.v1.classification_pb2 import Alternatives, Answers
from abyssal.inference.v1.common_pb2 import ItemError
from abyssal.taxonomy.classifications import Classifications, ReadError, ReadErrorCode, Source

Scalar = TypeVar("Scalar", bound=np.generic)


class _Strings:
    """Distinct strings numbered from 1; the empty string is 0."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def column(self, texts: Sequence[str]) -> list[int]:
        if not any(texts):
            return []
        numbers = {text: self.number(text) for text in dict.fromkeys(texts)}
        return [numbers[text] for text in texts]

    @property
    def listed(self) -> list[str]:
        return list(self._numbers)[1:]


def to_message(answers: Classifications, table: NumberedTaxa) -> Answers:
    """Return the columns of the answers; taxa are numbers of ``table``."""
    strings = _Strings()
    message = Answers(
        reads=len(answers),
        engine=answers.engine,
        accepted_ranks=_ranks(answers.accepted),
        novel_ranks=_ranks(answers.novel_at),
        putative_taxa=strings.column(answers.putative_taxon),
        nearest_ids=strings.column(answers.nearest_id),
        nearest_identities=_shares(answers.nearest_identity),
        nearest_coverages=_shares(answers.nearest_coverage),
        alternatives=[
            Alternatives(index=index, names=[strings.number(name) for name in names])
            for index, names in enumerate(answers.alternatives)
            if names
        ],
        errors=item_errors(answers.errors),
    )
    message.taxa.extend(list(chain.from_iterable(map(table.numbers, answers.labels))))
    message.confidences.extend(answers.confidence.ravel().tolist())
    if (answers.source != Source.MODEL).any():
        message.sources.extend(answers.source.tolist())
    message.strings.extend(strings.listed)
    return message


def item_errors(errors: Sequence[ReadError | None]) -> list[ItemError]:
    """Return the errors there are, each with the position and path of its read."""
    return [
        ItemError(
            index=index,
            code=int(error.code),  # type: ignore[arg-type]
            message=error.message,
            field=f"sequences[{index}]",
            marker=error.marker,
        )
        for index, error in enumerate(errors)
        if error is not None
    ]


def _ranks(column: NDArray[np.int16]) -> list[int]:
    return (column.astype(np.int64) + 1).tolist() if (column >= 0).any() else []


def _shares(column: NDArray[np.float32]) -> list[float]:
    return [] if np.isnan(column).all() else column.tolist()


def to_classifications(message: Answers, table: NumberedTaxa) -> Classifications:
    """Return the answers that the columns hold.

    Raises:
        DataError: columns whose lengths or numbers do not fit each other or the table.
    """
    try:
        return _decode(message, table)
    except (IndexError, ValueError) as error:
        detail = f"the service's answer does not fit together ({error}); do service and client have the same version?"
        raise DataError(detail) from error


def _decode(message: Answers, table: NumberedTaxa) -> Classifications:
    reads, ranks = message.reads, len(table.ranks)
    # First of all, so that a wrong number of reads allocates nothing.
    _check_length(len(message.confidences), reads * ranks)
    strings = ("", *message.strings)
    alternatives: list[tuple[str, ...]] = [()] * reads
    for entry in message.alternatives:
        alternatives[entry.index] = tuple(strings[number] for number in entry.names)
    errors: list[ReadError | None] = [None] * reads
    for item in message.errors:
        errors[item.index] = ReadError(ReadErrorCode(item.code), item.message, item.marker)
    return Classifications(
        ranks=table.ranks,
        labels=_labels(np.array(message.taxa, dtype=np.uint32).reshape(reads, ranks), table),
        confidence=np.array(message.confidences, dtype=np.float32).reshape(reads, ranks),
        accepted=_ranks_column(message.accepted_ranks, reads),
        novel_at=_ranks_column(message.novel_ranks, reads),
        alternatives=alternatives,
        putative_taxon=_texts(message.putative_taxa, reads, strings),
        nearest_id=_texts(message.nearest_ids, reads, strings),
        nearest_identity=_column(message.nearest_identities, reads, np.nan, np.float32),
        nearest_coverage=_column(message.nearest_coverages, reads, np.nan, np.float32),
        source=_column(message.sources, reads, int(Source.MODEL), np.int8),
        errors=errors,
        engine=message.engine,
    )


def _labels(taxa: NDArray[np.uint32], table: NumberedTaxa) -> list[tuple[str | None, ...]]:
    known: dict[bytes, tuple[str | None, ...]] = {}
    labels = []
    for row in taxa:
        key = row.tobytes()
        if key not in known:
            known[key] = table.labels(row.tolist())
        labels.append(known[key])
    return labels


def _texts(numbers: Sequence[int], reads: int, strings: Sequence[str]) -> list[str]:
    if not numbers:
        return [""] * reads
    _check_length(len(numbers), reads)
    return [strings[number] for number in numbers]


def _column(values: Sequence[float], reads: int, default: float, kind: type[Scalar]) -> NDArray[Scalar]:
    if not values:
        return np.full(reads, default, dtype=kind)
    _check_length(len(values), reads)
    return np.array(values, dtype=kind)


def _ranks_column(values: Sequence[int], reads: int) -> NDArray[np.int16]:
    return (_column(values, reads, 0, np.int64) - 1).astype(np.int16)


def _check_length(found: int, expected: int) -> None:
    if found != expected:
        message = f"a column of {found} values, expected {expected}"
        raise ValueError(message)
