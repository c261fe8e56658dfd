"""Answers as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, Field

from abyssal.client.session import ModelInfo
from abyssal.taxonomy.classifications import Classifications, Source, accepted_taxon


class ModelOutput(BaseModel):
    """The model that answered."""

    name: str = Field(description="Name of the bundle.", examples=["18S-V4"])
    version: str = Field(description="Version of the bundle.", examples=["1"])
    digest: str = Field(description="SHA-256 of the bundle's manifest.")
    marker: str = Field(description="Amplified region that the model knows.")
    ranks: list[str] = Field(description="Rank names, highest first.")
    engine: str = Field(description="What computes the sequence vectors.")


class RankOutput(BaseModel):
    """The best label at one rank."""

    rank: str
    name: str
    confidence: float = Field(description="Calibrated probability that the name is right.", ge=0, le=1)
    accepted: bool = Field(description="Whether the rank is part of the answer.")


class NearestOutput(BaseModel):
    """The nearest reference amplicon."""

    id: str
    identity: float | None = Field(description="0 to 1; null when not aligned.")
    coverage: float | None = Field(description="Share of the read that was aligned, 0 to 1; null when not aligned.")


class ErrorOutput(BaseModel):
    """Why a sequence has no answer."""

    code: str = Field(examples=["TOO_SHORT"])
    message: str
    pointer: str = Field(examples=["#/sequences/3"])


class SequenceOutput(BaseModel):
    """The answer to one sequence."""

    id: str
    taxon: str = Field(description="Accepted lineage joined by '; ', or 'Unassigned'.")
    confidence: float = Field(description="Confidence of the accepted rank, 0 when there is none.")
    lineage: list[RankOutput] = Field(description="Best label of every rank that has one, accepted or not.")
    novel_at: str | None = Field(default=None, description="Highest rank judged absent from the reference.")
    alternatives: list[str] = Field(description="Taxa with the same amplicon.")
    putative_taxon: str | None = None
    nearest: NearestOutput | None = None
    source: str = Field(examples=["model"])
    error: ErrorOutput | None = None


class ClassifyOutput(BaseModel):
    """Answers in the order of the request."""

    model: ModelOutput
    results: list[SequenceOutput]


def model_output(model: ModelInfo) -> ModelOutput:
    """Return the description of a model."""
    return ModelOutput(
        name=model.name,
        version=model.version,
        digest=model.digest,
        marker=model.marker,
        ranks=list(model.ranks),
        engine=model.engine,
    )


def classify_output(model: ModelInfo, ids: Sequence[str], answers: Classifications | None) -> ClassifyOutput:
    """Return the answers; None stands for no sequences."""
    results = [] if answers is None else sequence_outputs(ids, answers, 0)
    return ClassifyOutput(model=model_output(model), results=results)


def sequence_outputs(ids: Sequence[str], answers: Classifications, first: int) -> list[SequenceOutput]:
    """Return the answers to sequences whose numbers in the request begin with ``first``."""
    return [_result(name, index, answers, first + index) for index, name in enumerate(ids)]


def _result(name: str, index: int, answers: Classifications, number: int) -> SequenceOutput:
    depth, novel = int(answers.accepted[index]), int(answers.novel_at[index])
    lineage = [
        RankOutput(rank=rank, name=label, confidence=confidence, accepted=position <= depth)
        for position, (rank, label, confidence) in enumerate(
            zip(answers.ranks, answers.labels[index], answers.confidence[index].tolist(), strict=True)
        )
        if label is not None
    ]
    return SequenceOutput(
        id=name,
        taxon=accepted_taxon(answers, index),
        confidence=float(answers.confidence[index, depth]) if depth >= 0 else 0.0,
        lineage=lineage,
        novel_at=answers.ranks[novel] if novel >= 0 else None,
        alternatives=list(answers.alternatives[index]),
        putative_taxon=answers.putative_taxon[index] or None,
        nearest=_nearest(index, answers),
        source=Source(int(answers.source[index])).name.lower(),
        error=_error(index, answers, number),
    )


def _nearest(index: int, answers: Classifications) -> NearestOutput | None:
    if not answers.nearest_id[index]:
        return None
    identity, coverage = float(answers.nearest_identity[index]), float(answers.nearest_coverage[index])
    return NearestOutput(
        id=answers.nearest_id[index],
        identity=None if math.isnan(identity) else identity,
        coverage=None if math.isnan(coverage) else coverage,
    )


def _error(index: int, answers: Classifications, number: int) -> ErrorOutput | None:
    error = answers.errors[index]
    if error is None:
        return None
    return ErrorOutput(code=error.code.name, message=error.message, pointer=f"#/sequences/{number}")
