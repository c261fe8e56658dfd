"""Golden sequences: a few reads with the answers the bundle gave when it was written.

They are scored again when a bundle is verified, when a server warms up and when a faster engine wants to take over; a
different label, or a confidence more than ``TOLERANCE`` away, means that this is not the same model any more. The
selection covers what users send: reference amplicons on both strands, sequences like nothing in the reference,
shuffled letters, and reads that must be refused.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from abyssal.bundle.read import Bundle
from abyssal.errors import BundleError
from abyssal.files import open_atomic
from abyssal.sequences.alphabet import reverse_complement
from abyssal.taxonomy.classifications import Classifications

GOLDEN = "golden.tsv"
TOLERANCE = 1e-4
ENGINE_TOLERANCE = 1e-2
"""What a faster engine's confidences may differ by."""
# Five decimals keep the rounding error a twentieth of the tolerance.
_DECIMALS = 5
_FIXED = ("id", "kind", "sequence", "accepted", "novel_at", "putative_taxon", "error")
_MUTATED_SHARE = 0.12


class ClassifiesSequences(Protocol):
    """What a golden test needs of a classifier."""

    def classify(self, sequences: Sequence[str], /) -> Classifications:
        """Return one answer a sequence."""


@dataclass(frozen=True)
class GoldenQuery:
    """A sequence to keep, with why it is there: reference, reverse, mutated, novel, off-target or refused."""

    id: str
    kind: str
    sequence: str


@dataclass(frozen=True)
class GoldenAnswer:
    """What a bundle says about one golden sequence; ranks and codes by name, empty for none."""

    query: GoldenQuery
    accepted: str
    novel_at: str
    putative_taxon: str
    error: str
    labels: tuple[str, ...]
    confidences: tuple[float, ...]


@dataclass(frozen=True)
class SelfTest:
    """Result of a passed self-test: sequences scored and the largest difference of a confidence."""

    sequences: int
    largest_difference: float


def select_golden_queries(
    reference: Sequence[tuple[str, str]], novel: Sequence[tuple[str, str]], *, seed: int, count: int = 24
) -> list[GoldenQuery]:
    """Choose the golden sequences of a bundle.

    Args:
        reference: (id, amplicon) pairs of the index; may be empty.
        novel: (id, sequence) pairs of what the reference does not explain, such as exemplars; may be empty.
        seed: makes the choice; the same inputs give the same choice.
        count: most sequences of each of the two sources.
    """
    random = np.random.default_rng(seed)
    known = _sample(reference, count, random)
    queries = [GoldenQuery(name, "reference", sequence) for name, sequence in known]
    queries += [GoldenQuery(f"{name}/reverse", "reverse", reverse_complement(sequence)) for name, sequence in known[:4]]
    queries += [GoldenQuery(f"{name}/mutated", "mutated", _mutate(sequence, random)) for name, sequence in known[4:10]]
    strange = _sample(novel, count, random)
    queries += [GoldenQuery(name, "novel", sequence) for name, sequence in strange]
    for name, sequence in (known or strange)[:4]:
        shuffled = "".join(random.permutation(list(sequence)))
        queries.append(GoldenQuery(f"{name}/shuffled", "off-target", shuffled))
    queries.append(GoldenQuery("empty", "refused", ""))
    queries.append(GoldenQuery("three-letters", "refused", "ACG"))
    if known or strange:
        queries.append(GoldenQuery("not-dna", "refused", f"{(known or strange)[0][1][:-1]}!"))
    return queries


def _sample(pairs: Sequence[tuple[str, str]], count: int, random: np.random.Generator) -> list[tuple[str, str]]:
    if not pairs:
        return []
    chosen = random.choice(len(pairs), size=min(count, len(pairs)), replace=False)
    return [pairs[position] for position in sorted(chosen.tolist())]


def _mutate(sequence: str, random: np.random.Generator) -> str:
    letters = np.array(list(sequence))
    places = random.choice(len(letters), size=max(1, int(_MUTATED_SHARE * len(letters))), replace=False)
    letters[places] = random.choice(list("ACGT"), size=len(places))
    return "".join(letters)


def golden_answers(classifier: ClassifiesSequences, queries: Sequence[GoldenQuery]) -> list[GoldenAnswer]:
    """Classify the golden sequences, in one call as a server would."""
    answers = classifier.classify([query.sequence for query in queries])
    if len(answers) != len(queries):
        message = f"{GOLDEN}: the classifier gave {len(answers)} answers to {len(queries)} sequences"
        raise BundleError(message)
    return [_answer(query, index, answers) for index, query in enumerate(queries)]


def _answer(query: GoldenQuery, index: int, answers: Classifications) -> GoldenAnswer:
    accepted, novel = int(answers.accepted[index]), int(answers.novel_at[index])
    error = answers.errors[index]
    return GoldenAnswer(
        query,
        answers.ranks[accepted] if accepted >= 0 else "",
        answers.ranks[novel] if novel >= 0 else "",
        answers.putative_taxon[index],
        error.code.name if error else "",
        tuple(label or "" for label in answers.labels[index]),
        tuple(round(float(value), _DECIMALS) for value in answers.confidence[index]),
    )


def write_golden(target: Path, ranks: Sequence[str], answers: Sequence[GoldenAnswer]) -> None:
    """Write golden.tsv: seven fixed columns, then label and confidence of each rank.

    Raises:
        BundleError: the model answers in another number of ranks than the bundle names.
    """
    with open_atomic(target) as out:
        out.write("\t".join(_columns(ranks)) + "\n")
        for answer in answers:
            query = answer.query
            if len(answer.labels) != len(ranks):
                message = f"{GOLDEN}: the model answers in {len(answer.labels)} ranks, the bundle names {len(ranks)}"
                raise BundleError(message)
            cells = [query.id, query.kind, query.sequence, answer.accepted, answer.novel_at, answer.putative_taxon,
                     answer.error]  # fmt: skip
            for label, confidence in zip(answer.labels, answer.confidences, strict=True):
                cells += [label, f"{confidence:.{_DECIMALS}f}"]
            out.write("\t".join(cells) + "\n")


def read_golden(source: Path, ranks: Sequence[str]) -> list[GoldenAnswer]:
    """Read golden.tsv.

    Raises:
        BundleError: the columns or a row do not fit the bundle's ranks; names the row.
    """
    try:
        with source.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{source}: not a table of golden sequences ({error})"
        raise BundleError(message) from error
    columns = _columns(ranks)
    if not rows or rows[0] != columns:
        message = f"{source} row 1: expected the columns {', '.join(columns)}"
        raise BundleError(message)
    if len(rows) == 1:
        message = f"{source}: holds no sequence, so nothing says that the model is the one that was written"
        raise BundleError(message)
    return [_parse(source, number, row, len(columns)) for number, row in enumerate(rows[1:], start=2)]


def _parse(source: Path, number: int, row: list[str], width: int) -> GoldenAnswer:
    if len(row) != width:
        message = f"{source} row {number}: {len(row)} cells, expected {width}"
        raise BundleError(message)
    fixed = len(_FIXED)
    try:
        confidences = tuple(float(cell) for cell in row[fixed + 1 :: 2])
    except ValueError as error:
        message = f"{source} row {number}: a confidence is not a number"
        raise BundleError(message) from error
    name, kind, sequence, accepted, novel_at, putative_taxon, error_code = row[:fixed]
    query = GoldenQuery(name, kind, sequence)
    return GoldenAnswer(query, accepted, novel_at, putative_taxon, error_code, tuple(row[fixed::2]), confidences)


def _columns(ranks: Sequence[str]) -> list[str]:
    return [*_FIXED, *itertools.chain.from_iterable((rank, f"{rank}_confidence") for rank in ranks)]


def self_test(classifier: ClassifiesSequences, bundle: Bundle, *, tolerance: float = TOLERANCE) -> SelfTest:
    """Score the golden sequences of an open bundle again; confidences may differ by ``tolerance``.

    Raises:
        BundleError: an answer differs from the stored one; names the sequence and what differs.
    """
    expected = read_golden(bundle.directory / GOLDEN, bundle.ranks)
    try:
        found = golden_answers(classifier, [answer.query for answer in expected])
    except (RuntimeError, ValueError, IndexError, ArithmeticError) as error:
        # Files that are sealed, load and yet make no model: PyTorch and NumPy say so when they compute.
        message = f"{bundle.directory}: {GOLDEN} cannot be classified by this model ({type(error).__name__}: {error})"
        raise BundleError(" ".join(message.split())) from error
    largest = 0.0
    for old, new in zip(expected, found, strict=True):
        _check_equal(bundle, old, new)
        differences = [abs(a - b) for a, b in zip(old.confidences, new.confidences, strict=True)]
        # NaN compares false with everything, so the test asks for "within", never for "beyond".
        if not all(difference <= tolerance for difference in differences):
            _fail(bundle, old, f"confidences {new.confidences}, expected {old.confidences} within {tolerance}")
        largest = max([largest, *differences])
    return SelfTest(len(expected), largest)


def _check_equal(bundle: Bundle, old: GoldenAnswer, new: GoldenAnswer) -> None:
    for what in ("labels", "accepted", "novel_at", "putative_taxon", "error"):
        before, now = getattr(old, what), getattr(new, what)
        if before != now:
            _fail(bundle, old, f"{what} {now!r}, expected {before!r}")


def _fail(bundle: Bundle, answer: GoldenAnswer, problem: str) -> None:
    message = (
        f"{bundle.directory}: {GOLDEN}: sequence {answer.query.id!a} is answered differently than when the bundle "
        f"was written: {problem}; this engine or these library versions do not reproduce the model"
    )
    raise BundleError(message)
