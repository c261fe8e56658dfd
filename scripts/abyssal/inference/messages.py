"""Answers to and from the columns that travel.

The message holds exact float32 values and the taxa as numbers, so what a client decodes equals what the model said to
the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from abyssal.errors import DataError
from abyssal.inference.taxa import NumberedTaxa, varint
from abyssal.inference.v1.classification_pb2 import Alternatives, Answers
from abyssal.inference.v1.common_pb2 import ItemError
from abyssal.taxonomy.classifications import Classifications, ReadError, ReadErrorCode, Source

Scalar = TypeVar("Scalar", bound=np.generic)

_LENGTH_DELIMITED = 2
_TAGS = {field.name: varint(field.number << 3 | _LENGTH_DELIMITED) for field in Answers.DESCRIPTOR.fields}


class _Strings:
    """Distinct strings numbered from 1; the empty string is 0."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    def column(self, texts: Sequence[str]) -> list[int]:
        if not any(texts):
            return []
        numbers, known = self._numbers, self._numbers.setdefault
        return [known(text, len(numbers)) for text in texts]

    @property
    def listed(self) -> list[str]:
        return list(self._numbers)[1:]


def to_message(answers: Classifications, table: NumberedTaxa) -> Answers:
    """Return the columns of the answers; taxa are numbers of ``table``."""
    message = Answers()
    write_answers(message, answers, table)
    return message


def write_answers(message: Answers, answers: Classifications, table: NumberedTaxa) -> None:
    """Write the columns of the answers into an empty message; taxa are numbers of ``table``.

    Columns with a value or more a read are handed over in the wire format: that costs a tenth of handing over numbers
    as Python objects, and it is most of what the service itself spends on a read.
    """
    strings = _Strings()
    message.reads = len(answers)
    message.engine = answers.engine
    if any(answers.putative_taxon):
        message.putative_taxa.extend(strings.column(answers.putative_taxon))
    if any(answers.nearest_id):
        message.nearest_ids.extend(strings.column(answers.nearest_id))
    if any(answers.alternatives):
        message.alternatives.extend(
            Alternatives(index=index, names=[strings.number(name) for name in names])
            for index, names in enumerate(answers.alternatives)
            if names
        )
    message.errors.extend(item_errors(answers.errors))
    message.strings.extend(strings.listed)
    columns = [
        _packed("taxa", b"".join(map(table.packed, answers.labels))),
        _packed("confidences", answers.confidence.astype("<f4", copy=False).tobytes()),
        _packed("accepted_ranks", _ranks(answers.accepted)),
        _packed("novel_ranks", _ranks(answers.novel_at)),
        _packed("nearest_identities", _shares(answers.nearest_identity)),
        _packed("nearest_coverages", _shares(answers.nearest_coverage)),
    ]
    if (answers.source != Source.MODEL).any():
        columns.append(_packed("sources", answers.source.astype(np.uint8).tobytes()))
    message.MergeFromString(b"".join(columns))


def item_errors(errors: Sequence[ReadError | None]) -> list[ItemError]:
    """Return the errors there are, each with the position and path of its read."""
    if not any(errors):
        return []
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


def _packed(name: str, values: bytes) -> bytes:
    """Return a packed column of ``Answers`` as it travels: tag, length, values; nothing for an empty one."""
    return _TAGS[name] + varint(len(values)) + values if values else b""


def _ranks(column: NDArray[np.int16]) -> bytes:
    # Numbers below 128 are one byte each on the wire, and no taxonomy has that many ranks.
    return (column + 1).astype(np.uint8).tobytes() if (column >= 0).any() else b""


def _shares(column: NDArray[np.float32]) -> bytes:
    return b"" if np.isnan(column).all() else column.astype("<f4", copy=False).tobytes()


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
