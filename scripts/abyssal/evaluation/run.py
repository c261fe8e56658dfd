"""The evaluate stage: hold taxa out, fit on the rest, grade Abyssal and its peers on the same queries."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from abyssal.config.fallback import FallbackConfig
from abyssal.config.models import EvaluateConfig, NoveltyConfig, TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.encoder.training.corpus import sequence_hash
from abyssal.encoder.vectors import read_vectors
from abyssal.evaluation.answers import Answers, Truth, judge, right
from abyssal.evaluation.baselines import Baselines, vsearch_version
from abyssal.evaluation.confusion import cohesion, confusion
from abyssal.evaluation.detail import add_detail, detail
from abyssal.evaluation.fallback import grade_fallback
from abyssal.evaluation.grade import baseline_wins, grade
from abyssal.evaluation.groups import rows_of, with_errors
from abyssal.evaluation.metrics import calibration_error
from abyssal.evaluation.split import EvaluationSplit, HeldOutQuery, split_reference
from abyssal.files import open_atomic, write_json
from abyssal.references.model import AmpliconReference, read_reference
from abyssal.taxonomy.classifications import Classifications
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec
from abyssal.taxonomy.putative import no_putative_taxa
from abyssal.taxonomy.stage import encoder_files

logger = logging.getLogger(__name__)

FORMAT = "abyssal-metrics"
FORMAT_VERSION = 1
OURS = "abyssal"
HASHES_FILE = "training_hashes.safetensors"
COHESION_RANKS = 3
"""How many of the lowest ranks vectors are grouped at; confusion is shown at the highest of them, the family."""


@dataclass(frozen=True)
class EvaluateFiles:
    """Inputs of the evaluate stage; the reference's files are None for a marker without a reference.

    Attributes:
        encoder: folder of the study's encoder.
        encoder_source: folder it was copied from, which may say what it was trained on.
    """

    encoder: Path
    encoder_source: Path
    reference: Path | None = None
    lineages: Path | None = None
    reference_vectors: Path | None = None


@dataclass(frozen=True)
class EvaluateSettings:
    """What is fitted and asked."""

    train: TrainConfig
    evaluate: EvaluateConfig
    marker: MarkerSpec
    batch_size: int
    seed: int
    fallback: FallbackConfig = field(default_factory=FallbackConfig)


def evaluate_files(files: EvaluateFiles, metrics: Path, queries: Path, settings: EvaluateSettings) -> None:
    """Write ``metrics.json`` and ``queries.tsv``; both say so when there is nothing to measure."""
    if files.reference is None or files.lineages is None or files.reference_vectors is None:
        write_json(metrics, _nothing("the marker has no reference, so no answer can be right or wrong"))
        _write_queries(queries, (), None, [])
        return
    reference = read_reference(files.reference, files.lineages)
    hashes = _training_hashes(files)
    split = split_reference(
        reference, settings.evaluate.queries, settings.seed, seen=lambda sequence: sequence_hash(sequence) in hashes
    )
    if not split.queries or not len(split.fitted):
        write_json(metrics, _nothing("the reference is too small to hold taxa out"))
        _write_queries(queries, (), None, [])
        return
    classifier = _fit(files, split, settings)
    truth = judge([query.lineage for query in split.queries], split.fitted)
    asked = with_errors(split.queries, settings.seed)
    told = [_ours(classifier, asked.queries), *_peers(split.fitted, asked.queries, settings.evaluate.baselines)]
    answers = [rows_of(method, asked.plain) for method in told]
    found: dict[str, Any] = {}
    for method, everything in zip(answers, told, strict=True):
        more = detail(everything, truth, asked, split.fitted, split.queries)
        found[method.method] = add_detail(grade(method, truth, seed=settings.seed), more)
    found[OURS]["calibration_with_stated_share"] = _stated(classifier, split.queries, truth)
    saw = {"encoder_saw_queries": _seen(files, hashes, split, truth)}
    saw |= grade_fallback(classifier, split.queries, truth, settings.fallback)
    write_json(metrics, _metrics(found, split, truth, settings) | saw | _together(classifier, answers[0], split, truth))
    _write_queries(queries, split.queries, truth, answers)


def _together(classifier: Classifier, ours: Answers, split: EvaluationSplit, truth: Truth) -> dict[str, Any]:
    """Which families are taken for which, and how well the vectors of one taxon lie together."""
    vectors = classifier.encoder.embed([query.sequence for query in split.queries])
    lowest = range(max(len(truth.ranks) - COHESION_RANKS, 0), len(truth.ranks))
    return {
        "confusion": confusion(ours, truth, max(len(truth.ranks) - COHESION_RANKS, 0)),
        "cohesion": {truth.ranks[rank]: cohesion(vectors, truth, rank) for rank in lowest},
    }


def _nothing(reason: str) -> dict[str, Any]:
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "methods": {}, "reason": reason, "ranks": []}


def _fit(files: EvaluateFiles, split: EvaluationSplit, settings: EvaluateSettings) -> Classifier:
    stored = encoder_files(files.encoder)
    encoder = load_encoder("kmers" if stored is None else stored, batch_size=settings.batch_size)
    assert files.reference_vectors is not None
    vectors = read_vectors(files.reference_vectors, fasta=files.reference, encoder_digest=encoder.digest).values
    model = fit_model(split.fitted, vectors[list(split.kept)], encoder, settings=settings.train, seed=settings.seed)
    return Classifier(model, encoder, settings.marker, no_putative_taxa())


def _ours(classifier: Classifier, queries: Sequence[HeldOutQuery]) -> Answers:
    found = classifier.classify([query.sequence for query in queries])
    depth = np.arange(len(found.ranks))
    named = np.array([[label is not None for label in row] for row in found.labels], dtype=np.bool_)
    accepted = (depth[None, :] <= found.accepted[:, None]) & named.reshape(found.confidence.shape)
    command = "abyssal classify queries.fasta --bundle BUNDLE -o answers.tsv"
    return Answers(OURS, (command,), found.labels, found.confidence.astype(np.float64), accepted)


def _peers(fitted: AmpliconReference, queries: Sequence[HeldOutQuery], names: Sequence[str]) -> list[Answers]:
    if not names:
        return []
    with tempfile.TemporaryDirectory() as folder:
        peers = Baselines(fitted, queries, Path(folder))
        return [peers.run(name) for name in names]


def _stated(classifier: Classifier, queries: Sequence[HeldOutQuery], truth: Truth) -> dict[str, Any]:
    """Calibration inside each group when the request states that group's share of novel taxa, per rank."""
    ranks = truth.ranks
    mixes = {"known": NoveltyConfig(species=0.0, genus=0.0, family=0.0)}
    for key, place in (("species", len(ranks) - 1), ("genus", len(ranks) - 2), ("family", len(ranks) - 3)):
        if place >= 0:
            shares = {name: float(name == key) for name in ("species", "genus", "family")}
            mixes[f"new {ranks[place]}"] = NoveltyConfig(**shares)
    result: dict[str, Any] = {}
    for stratum, novelty in mixes.items():
        rows = [row for row, name in enumerate(truth.strata) if name == stratum]
        if not rows:
            continue
        found = classifier.classify([queries[row].sequence for row in rows], novelty=novelty)
        part = Truth(ranks, tuple(truth.lineages[row] for row in rows), truth.present[rows], (stratum,) * len(rows))
        result[stratum] = _calibrations(found, part)
    return result


def _calibrations(found: Classifications, truth: Truth) -> dict[str, Any]:
    confidence = found.confidence.astype(np.float64)
    good = right(Answers(OURS, (), found.labels, confidence, confidence > 0), truth)
    graded = truth.present >= 0
    return {
        rank: calibration_error(confidence[graded[:, place], place], good[graded[:, place], place])
        for place, rank in enumerate(truth.ranks)
    }


def _metrics(found: dict[str, Any], split: EvaluationSplit, truth: Truth, settings: EvaluateSettings) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ranks": list(truth.ranks),
        "alpha": settings.train.alpha,
        "novelty": settings.train.novelty.model_dump(),
        "seed": settings.seed,
        "split": {
            "queries": len(split.queries),
            "fitted_amplicons": len(split.fitted),
            "strata": dict(sorted(Counter(truth.strata).items())),
        },
        "tools": {"vsearch": vsearch_version()} if len(found) > 1 else {},
        "methods": found,
        "baseline_wins": baseline_wins(found, OURS),
    }


def _training_hashes(files: EvaluateFiles) -> frozenset[int]:
    """The sequences an encoder was trained on, by the hashes beside its weights; empty where it names none."""
    source = files.encoder_source / HASHES_FILE
    return frozenset(load_file(source)["hashes"].tolist()) if source.is_file() else frozenset()


def _seen(files: EvaluateFiles, hashes: frozenset[int], split: EvaluationSplit, truth: Truth) -> dict[str, Any]:
    """Say which queries were in the encoder's training; there are none unless it hides what it was trained on."""
    if not hashes:
        trained = encoder_files(files.encoder) is not None
        note = "the encoder does not say what it was trained on" if trained else "k-mers are not trained"
        return {"known": not trained, "queries": None if trained else 0, "note": note}
    met = [
        name for query, name in zip(split.queries, truth.strata, strict=True) if sequence_hash(query.sequence) in hashes
    ]
    note = (
        "the encoder has seen these labels" if met else "no query's sequence was in the encoder's training"
    )  # fmt: skip
    return {"known": True, "queries": len(met), "by_stratum": dict(sorted(Counter(met).items())), "note": note}


def _write_queries(
    target: Path, queries: Sequence[HeldOutQuery], truth: Truth | None, answers: Sequence[Answers]
) -> None:
    ranks = truth.ranks if truth else ()
    header = ["query", "stratum", *(f"true_{rank}" for rank in ranks), *(f"{rank}_in_reference" for rank in ranks)]
    for method in answers:
        header += [f"{method.method}_{column}" for rank in ranks for column in (rank, f"{rank}_confidence")]
        header.append(f"{method.method}_accepted_rank")
    with open_atomic(target) as out:
        out.write("\t".join(header) + "\n")
        for row, query in enumerate(queries):
            assert truth is not None
            cells = [query.id, truth.strata[row], *(name or "" for name in query.lineage)]
            cells += ["" if value < 0 else str(int(value)) for value in truth.present[row]]
            for method in answers:
                cells += _method_cells(method, row, ranks)
            out.write("\t".join(cells) + "\n")


def _method_cells(method: Answers, row: int, ranks: Sequence[str]) -> list[str]:
    cells: list[str] = []
    for place, label in enumerate(method.labels[row]):
        cells += [label or "", f"{method.confidence[row, place]:.6f}" if label else ""]
    taken = np.flatnonzero(method.accepted[row])
    return [*cells, ranks[int(taken[-1])] if taken.size else ""]
