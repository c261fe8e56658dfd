"""Reads in, names with calibrated confidences out; the one implementation behind workflow, command line and service."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.config.models import NoveltyConfig
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder
from abyssal.errors import BundleError
from abyssal.taxonomy.calibration import absent_priors, probabilities, stratum_priors
from abyssal.taxonomy.classifications import Classifications, ReadError, Source
from abyssal.taxonomy.decision import Decision, accepted_rank, alternatives_of, novel_rank
from abyssal.taxonomy.evidence import Neighbours, gather, nothing_banned
from abyssal.taxonomy.model import (
    ENCODER_FOLDER,
    EXEMPLAR_FILE,
    PUTATIVE_FILE,
    MarkerSpec,
    Model,
    load_model,
    read_preprocessing,
)
from abyssal.taxonomy.neighbourhood import surroundings
from abyssal.taxonomy.putative import PutativeIndex, load_putative, no_putative_taxa
from abyssal.taxonomy.reading import check_read, length_limits
from abyssal.taxonomy.retrieval import neighbours_of
from abyssal.taxonomy.threads import one_blas_thread, usable_threads

WINDOW = 256
"""Distinct reads that one thread answers at a time; bounds memory, changes no answer."""


@dataclass(frozen=True)
class _Looked:
    """What a look-up of q reads gives: vectors, neighbours, coverage of the nearest, chosen codes and evidence."""

    vectors: NDArray[np.float32]
    neighbours: Neighbours
    coverage: NDArray[np.float32]
    chosen: NDArray[np.int32]
    evidence: NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """A model with its encoder, ready to answer.

    Attributes:
        model: index, calibrators, thresholds.
        encoder: sequence to vector.
        marker: what reads look like.
        putative: putative taxa; may be empty.
    """

    model: Model
    encoder: Encoder
    marker: MarkerSpec
    putative: PutativeIndex

    @classmethod
    def load(cls, model_directory: Path, *, device: str = "cpu") -> Classifier:
        """Load a trained model or a bundle.

        Args:
            model_directory: the files that ``save_model`` wrote.
            device: what PyTorch computes the vectors on.

        Raises:
            BundleError: a file is missing, damaged, of a newer format, or contradicts another.
        """
        try:
            return cls._load(model_directory, device)
        except (
            LookupError,
            TypeError,
            AttributeError,
            ValueError,
            RuntimeError,
            ArithmeticError,
            MemoryError,
        ) as error:
            # A sealed bundle may still hold files that nobody's `save_model` wrote. `str` of a UnicodeDecodeError is
            # short, its `repr` holds the whole file.
            problem = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            message = f"{model_directory}: its files lack or contradict what a model needs ({problem}); make it again"
            raise BundleError(message) from error

    @classmethod
    def _load(cls, model_directory: Path, device: str) -> Classifier:
        model = load_model(model_directory)
        marker, preprocessing = read_preprocessing(model_directory)
        location = model_directory / ENCODER_FOLDER if preprocessing["encoder"] == ENCODER_FOLDER else "kmers"
        encoder = load_encoder(location, batch_size=int(preprocessing["batch_size"]), device=device)
        records, exemplars = model_directory / PUTATIVE_FILE, model_directory / EXEMPLAR_FILE
        putative = load_putative(records, exemplars, encoder) if records.is_file() else no_putative_taxa()
        return cls(model, encoder, marker, putative)

    @property
    def ranks(self) -> tuple[str, ...]:
        """Rank names, highest first."""
        return self.model.ranks

    @property
    def engine(self) -> str:
        """Identifier of what computes the vectors."""
        return self.encoder.engine

    def classify(
        self,
        sequences: Sequence[str],
        *,
        novelty: NoveltyConfig | None = None,
        hits: NDArray[np.int64] | None = None,
    ) -> Classifications:
        """Classify sequences; each answer depends on its own sequence only.

        Args:
            sequences: as users send them: any case, U or T, either strand. A faulty one gets its error, the others
                their answers. Equal sequences are computed once.
            novelty: the mix for which confidences shall hold; None takes the model's. Accepted ranks do not depend on
                it, because over-classification is a share of absent taxa, whatever their number.
        """
        limits = length_limits(self.marker)
        checked = [check_read(raw, limits) for raw in sequences]
        order: dict[str, int] = {}
        for sequence, error in checked:
            if error is None:
                order.setdefault(sequence, len(order))
        distinct = list(order)
        first = None if hits is None else hits[_first_rows(checked, order)]
        decision = Decision.joined(self._windows(distinct, novelty or self.model.novelty, first), len(self.ranks))
        return self._answers([(order.get(sequence, -1), error) for sequence, error in checked], decision)

    def oriented(self, sequences: Sequence[str]) -> list[str]:
        """Return reads as they are compared: upper-case DNA in primer orientation; a faulty one as an empty string."""
        limits = length_limits(self.marker)
        return self.model.strand.orient([check_read(raw, limits)[0] for raw in sequences])[0]

    def _windows(self, distinct: list[str], novelty: NoveltyConfig, hits: NDArray[np.int64] | None) -> list[Decision]:
        """Answer distinct reads window by window, on several threads where there are several windows."""
        windows = [slice(start, start + WINDOW) for start in range(0, len(distinct), WINDOW)]

        def decide(rows: slice) -> Decision:
            return self._decide(distinct[rows], novelty, None if hits is None else hits[rows])

        threads = min(usable_threads(), len(windows))
        if threads < 2:
            return [decide(rows) for rows in windows]
        with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
            return list(pool.map(decide, windows))

    def absence(self, sequences: Sequence[str]) -> NDArray[np.float64]:
        """Return (q, R) P(absent) of distinct reads under the model's own mix, without faulty and off-target ones."""
        limits = length_limits(self.marker)
        checked = [check_read(raw, limits) for raw in sequences]
        distinct = list(dict.fromkeys(sequence for sequence, error in checked if error is None))
        parts = [np.zeros((0, len(self.ranks)))]
        for start in range(0, len(distinct), WINDOW):
            looked = self._look(distinct[start : start + WINDOW], None)
            kept = ~self._off_target(looked.neighbours)
            parts.append(self._probabilities(looked, self.model.novelty)[1][kept])
        return np.concatenate(parts)

    def _look(self, sequences: list[str], hits: NDArray[np.int64] | None) -> _Looked:
        """Gather what the reference says about reads."""
        model = self.model
        oriented, _ = model.strand.orient(sequences)
        vectors = self.encoder.embed(oriented)
        neighbours, coverage = neighbours_of(
            model.index, oriented, vectors, model.neighbours,
            local_of=lambda places: surroundings(model.local, places), hits=hits,
        )  # fmt: skip
        chosen, evidence = gather(model.index.taxa, neighbours, nothing_banned(len(oriented), len(self.ranks)))
        return _Looked(vectors, neighbours, coverage, chosen, evidence)

    def _off_target(self, neighbours: Neighbours) -> NDArray[np.bool_]:
        best_identity = np.fmax.reduce(neighbours.identity, axis=1)
        return self.model.floors.rejects(neighbours.kmer.max(axis=1), best_identity)

    def _probabilities(
        self, looked: _Looked, novelty: NoveltyConfig
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return probabilities(self.model.calibrators, looked.chosen, looked.evidence, self._stated(novelty))

    def _decide(self, sequences: list[str], novelty: NoveltyConfig, hits: NDArray[np.int64] | None) -> Decision:
        model = self.model
        looked = self._look(sequences, hits)
        neighbours, chosen = looked.neighbours, looked.chosen
        right, absent = self._probabilities(looked, model.novelty)
        accepted = accepted_rank(chosen, right, model.thresholds, stepwise=model.stepwise)
        if novelty != model.novelty:
            right, absent = self._probabilities(looked, novelty)
        rejected = self._off_target(neighbours)
        accepted[rejected] = -1
        lowest = max(len(self.ranks) - 1, 0)
        open_reads = ~rejected & (accepted < lowest)
        putative = np.array([""] * len(sequences), dtype=object)
        putative[open_reads] = self.putative.assign(looked.vectors[open_reads])
        return Decision(
            chosen=np.where(rejected[:, None], -1, chosen),
            confidence=np.where(rejected[:, None], 0.0, right).astype(np.float32),
            accepted=accepted,
            novel=np.where(rejected, -1, novel_rank(absent)).astype(np.int16),
            nearest=neighbours.places[:, 0],
            identity=neighbours.identity[:, 0],
            coverage=looked.coverage,
            rejected=rejected,
            putative=putative,
        )

    def _stated(self, novelty: NoveltyConfig) -> NDArray[np.float64]:
        drawn = self.model.drawn_strata
        strata = np.repeat(np.arange(drawn.size), drawn)
        return absent_priors(stratum_priors(novelty, strata, len(self.ranks)))

    def _answers(self, places: list[tuple[int, ReadError | None]], decision: Decision) -> Classifications:
        """Spread the answers of distinct reads over all reads; a faulty read has none."""
        ranks = len(self.ranks)
        rows = np.array([row for row, _ in places], dtype=np.int64)
        faulty = rows < 0
        padded = decision.with_blank(ranks)
        taxa, reference = self.model.index.taxa, self.model.index.reference
        nearest = padded.nearest[rows]
        named = [tuple(taxa.name(rank, int(code)) for rank, code in enumerate(codes)) for codes in padded.chosen]
        shared = [
            alternatives_of(taxa, int(place), rejected=bool(out))
            for place, out in zip(padded.nearest, padded.rejected, strict=True)
        ]
        source = np.where(padded.rejected[rows], Source.REJECTED, Source.MODEL)
        return Classifications(
            ranks=self.ranks,
            labels=[named[row] for row in rows],
            confidence=padded.confidence[rows],
            accepted=padded.accepted[rows],
            novel_at=padded.novel[rows],
            alternatives=[shared[row] for row in rows],
            putative_taxon=[str(padded.putative[row]) for row in rows],
            nearest_id=["" if place < 0 else reference.ids[place] for place in nearest],
            nearest_identity=padded.identity[rows],
            nearest_coverage=padded.coverage[rows],
            source=np.where(faulty, Source.REJECTED, source).astype(np.int8),
            errors=[error for _, error in places],
            engine=self.engine,
        )


def _first_rows(checked: list[tuple[str, ReadError | None]], order: dict[str, int]) -> NDArray[np.int64]:
    """Return for each distinct read the first row that holds it."""
    rows: dict[str, int] = {}
    for row, (sequence, error) in enumerate(checked):
        if error is None:
            rows.setdefault(sequence, row)
    return np.array([rows[sequence] for sequence in order], dtype=np.int64)
