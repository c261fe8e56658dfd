"""Bodies turned into records, or refused with a pointer to the offending value."""

from __future__ import annotations

import io
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from abyssal.config.models import NoveltyConfig
from abyssal.errors import SequenceFormatError
from abyssal.sequences.records import SequenceRecord, parse_records
from abyssal_server.errors import TooLarge
from abyssal_server.gateway.expansion import GZIP_MAGIC
from abyssal_server.gateway.problems import FieldProblem, InvalidFields
from abyssal_server.gateway.settings import GatewaySettings

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MOST_PROBLEMS = 20


class SequenceInput(BaseModel):
    """One sequence to classify."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="Name of the sequence in the answer.", examples=["read-1"])
    sequence: str = Field(description="IUPAC nucleotides, either strand, either case, U or T.", examples=["ACGTACGT"])


class ClassifyInput(BaseModel):
    """Sequences to classify."""

    model_config = ConfigDict(extra="forbid")

    sequences: list[SequenceInput] = Field(description="The sequences; the answers keep their order.")
    novelty: NoveltyConfig | None = Field(None, description="Novelty mix to assume; left out means the model's own.")


def parse_json(body: bytes, settings: GatewaySettings) -> tuple[list[SequenceRecord], NoveltyConfig | None]:
    """Return the records of a JSON body and the novelty mix it asks for.

    Raises:
        InvalidRequest: the body is not of that form; every offending value is named.
        TooLarge: too many sequences, or one that is too long.
    """
    try:
        parsed = ClassifyInput.model_validate_json(body)
    except ValidationError as error:
        problems = [
            FieldProblem(detail=problem["msg"], pointer="/".join(("#", *map(str, problem["loc"]))))
            for problem in error.errors(include_url=False, include_input=False)[:_MOST_PROBLEMS]
        ]
        raise InvalidFields(problems) from error
    records = [SequenceRecord(entry.id, entry.sequence) for entry in parsed.sequences]
    return _within_limits(records, settings, "#/sequences/{}"), parsed.novelty


def parse_sequences(body: bytes, settings: GatewaySettings) -> list[SequenceRecord]:
    """Return the records of a FASTA or FASTQ body; none for an empty body.

    Raises:
        SequenceFormatError: it is not well-formed.
        InvalidRequest: an id cannot stand in a table.
        TooLarge: too many sequences, or one that is too long.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK).lstrip()
    if not text:
        return []
    if text.startswith(GZIP_MAGIC):
        message = "body: gzipped twice; compress it once"
        raise SequenceFormatError(message)
    return _within_limits(parse_records(io.BytesIO(text), "body"), settings, "record {}")


def _within_limits(records: Iterable[SequenceRecord], settings: GatewaySettings, pointer: str) -> list[SequenceRecord]:
    kept: list[SequenceRecord] = []
    problems: list[FieldProblem] = []
    for index, record in enumerate(records):
        if index == settings.sequences:
            message = f"more than {settings.sequences} sequences in one request; use `abyssal classify` for large files"
            raise TooLarge(message, field="#/sequences")
        if len(record.sequence) > settings.sequence_letters:
            message = f"{len(record.sequence)} letters, at most {settings.sequence_letters} are accepted"
            raise TooLarge(message, field=f"{pointer.format(index)}/sequence")
        if len(record.id) > settings.id_characters or not (record.id.isprintable() or not record.id):
            detail = f"expected an id of at most {settings.id_characters} printable characters"
            problems.append(FieldProblem(detail=detail, pointer=f"{pointer.format(index)}/id"))
        kept.append(record)
    if problems:
        raise InvalidFields(problems[:_MOST_PROBLEMS])
    return kept
