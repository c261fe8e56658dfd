"""Abyssal on one case: fitted once, asked at every bound and for every stated share of novel taxa."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.benchmark.answer_files import write_answers
from abyssal.benchmark.cases import Case, read_case
from abyssal.config.models import NoveltyConfig, TrainConfig
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder
from abyssal.encoder.vectors import read_vectors
from abyssal.evaluation.answers import Answers, judge
from abyssal.sequences.records import read_records
from abyssal.taxonomy.classifications import Classifications
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.decision import balanced_thresholds
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec
from abyssal.taxonomy.putative import no_putative_taxa

NAME = "abyssal"
ALPHAS = (0.01, 0.05, 0.1)
COMMAND = "abyssal classify queries.fasta --bundle BUNDLE -o answers.tsv"


@dataclass(frozen=True)
class OwnAnswers:
    """What Abyssal answers to a case.

    Attributes:
        answers: at the configured bound, ``abyssal-<alpha>`` at each of ``ALPHAS``, and ``abyssal-balanced``.
        stated_all: (q, R) confidence when the request states the case's own mix of novelty.
        stated_group: (q, R) confidence when it states the novelty of the query's own stratum alone.
    """

    answers: tuple[Answers, ...]
    stated_all: NDArray[np.float64]
    stated_group: NDArray[np.float64]


def fit(case: Case, vectors: NDArray[np.float32], encoder: Encoder, settings: TrainConfig, seed: int) -> Classifier:
    """Fit on a case's reference, whose amplicons have these vectors; reads of any length are answered."""
    model = fit_model(case.fitted, vectors, encoder, settings=settings, seed=seed)
    return Classifier(model, encoder, MarkerSpec("benchmark", "", "", 32, 5000), no_putative_taxa())


def own_answers(classifier: Classifier, case: Case, *, alpha: float) -> OwnAnswers:
    """Ask a fitted classifier everything the tables show."""
    sequences = [query.sequence for query in case.queries]
    thresholds = classifier.model.summary["thresholds_by_alpha"]
    bounded = {f"{bound:g}": np.array(thresholds[f"{bound:g}"]) for bound in ALPHAS}
    answers = [_answers(NAME, classifier.classify(sequences), f"train.alpha: {alpha:g}")]
    for setting, accepting in {**bounded, "balanced": balanced_thresholds(len(classifier.ranks))}.items():
        asked = replace(classifier, model=replace(classifier.model, thresholds=accepting)).classify(sequences)
        key = "train.acceptance" if setting == "balanced" else "train.alpha"
        answers.append(_answers(f"{NAME}-{setting}", asked, f"{key}: {setting}"))
    truth = judge([query.lineage for query in case.queries], case.fitted)
    strata = np.array(truth.strata, dtype=object)
    ranks = case.fitted.ranks
    everyone = np.ones(len(sequences), dtype=np.bool_)
    whole = _stated(classifier, sequences, _mix(strata, everyone, ranks))
    by_group = whole.copy()
    for name in sorted(set(truth.strata)):
        inside = strata == name
        part = [sequence for sequence, chosen in zip(sequences, inside, strict=True) if chosen]
        by_group[inside] = _stated(classifier, part, _mix(strata, inside, ranks))
    return OwnAnswers(tuple(answers), whole, by_group)


def _answers(name: str, found: Classifications, setting: str) -> Answers:
    depth = np.arange(len(found.ranks))
    named = np.array([[label is not None for label in row] for row in found.labels], dtype=np.bool_)
    accepted = (depth[None, :] <= found.accepted[:, None]) & named.reshape(found.confidence.shape)
    command = f"{COMMAND} ({setting})"
    return Answers(name, (command,), found.labels, found.confidence.astype(np.float64), accepted)


def _stated(classifier: Classifier, sequences: list[str], mix: NoveltyConfig) -> NDArray[np.float64]:
    return classifier.classify(sequences, novelty=mix).confidence.astype(np.float64)


def _mix(strata: NDArray[np.object_], inside: NDArray[np.bool_], ranks: tuple[str, ...]) -> NoveltyConfig:
    """Return the shares of new species, new genera, and new families or beyond among these queries."""
    found = strata[inside]
    levels = {f"new {rank}": place for place, rank in enumerate(ranks)}
    depth = [levels.get(str(name)) for name in found]
    lowest = len(ranks) - 1
    species = sum(place == lowest for place in depth)
    genus = sum(place == lowest - 1 for place in depth)
    family = sum(place is not None and place < lowest - 1 for place in depth)
    total = max(found.size, 1)
    return NoveltyConfig(species=species / total, genus=genus / total, family=family / total)


def vectors_of(case: Case, reference: Path, vectors: Path) -> NDArray[np.float32]:
    """Return the vectors of a case's amplicons, taken from those of the whole dataset."""
    place = {record.id: row for row, record in enumerate(read_records(reference))}
    return read_vectors(vectors, fasta=reference).values[[place[name] for name in case.fitted.ids]]


def answer_ours(
    case_folder: Path, reference: Path, vectors: Path, encoder: str, settings: TrainConfig, target: Path,
    *, batch_size: int, seed: int,
) -> None:  # fmt: skip
    """Fit Abyssal on a case and write its answers."""
    case = read_case(case_folder)
    classifier = fit(
        case, vectors_of(case, reference, vectors), load_encoder(encoder, batch_size=batch_size), settings, seed
    )  # fmt: skip
    found = own_answers(classifier, case, alpha=settings.alpha)
    write_answers(target, found.answers, stated={"all": found.stated_all, "group": found.stated_group})
