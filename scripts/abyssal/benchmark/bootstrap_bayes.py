"""8-mer naive Bayes with bootstrap confidence, after the RDP classifier (Wang et al. 2007, doi:10.1128/AEM.00062-07).

A word's probability in a class is (members with it + its prior) / (members + 1); the answer is the class with the best
score over all words of the query, and a rank's confidence the share of 100 draws of an eighth of the words whose best
class agrees with it down to there. Classes are lineages down to the lowest rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from abyssal.benchmark.classes import classes_of
from abyssal.evaluation.answers import Answers
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.profiles import SparseProfiles, sparse_profiles

NAME = "nbc-8mer"
WORD = 8
DRAWS = 100
WORD_SHARE = 8
CONFIDENCE = 0.8
COMMAND = "abyssal.benchmark.bootstrap_bayes: 8-mers, 100 bootstrap draws of an eighth of the words, confidence 0.8"


def bootstrap_bayes(reference: AmpliconReference, queries: Sequence[str], seed: int) -> Answers:
    """Fit on a reference and answer queries; the same seed gives the same draws."""
    classes = classes_of(reference)
    words = sparse_profiles(classes.sequences, k=WORD)
    starts, members, gains, base = _postings(words, classes.of, len(classes))
    asked = sparse_profiles(queries, k=WORD)
    best, confidence = _answer((asked.offsets, asked.kmers), (starts, members, gains, base), classes.prefixes, seed)
    labels: list[list[str | None]] = [
        list(classes.lineages[place]) if place >= 0 else [None] * len(reference.ranks) for place in best
    ]
    named = np.array([[name is not None for name in row] for row in labels]).reshape(confidence.shape)
    confidence[~named] = 0.0
    return Answers(NAME, (COMMAND,), labels, confidence, confidence >= CONFIDENCE)


def _postings(
    words: SparseProfiles, of: NDArray[np.int64], count: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return, word by word, the classes that have it and how much it speaks for each, and what a word adds elsewhere.

    int64 starts (4**8 + 1,), int64 classes, float64 gains, float64 (count,) score of a word a class never has.
    """
    size = 4**words.k
    records = np.repeat(np.arange(len(words)), np.diff(words.offsets))
    keys, members = np.unique(words.kmers.astype(np.int64) * count + of[records], return_counts=True)
    word, found = keys // count, keys % count
    with_word = np.bincount(words.kmers, minlength=size)
    prior = (with_word + 0.5) / (len(words) + 1.0)
    starts = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(word, minlength=size), out=starts[1:])
    gains = np.log(members + prior[word]) - np.log(prior[word])
    return starts, found, gains, -np.log(np.bincount(of, minlength=count) + 1.0)


@njit(cache=True, nogil=True)
def _answer(queries, postings, prefixes, seed):  # type: ignore[no-untyped-def]
    # Numba's own generator: it is seeded inside the compiled function and no other.
    np.random.seed(seed)
    offsets, kmers = queries
    starts, members, gains, base = postings
    rows = offsets.size - 1
    ranks = prefixes.shape[1]
    best = np.full(rows, -1, dtype=np.int64)
    confidence = np.zeros((rows, ranks))
    scores = np.empty(base.size)
    for row in range(rows):
        words = kmers[offsets[row] : offsets[row + 1]]
        if words.size == 0:
            continue
        for draw in range(DRAWS + 1):
            taken = words.size if draw == 0 else max(words.size // WORD_SHARE, 5)
            for place in range(base.size):
                scores[place] = base[place] * taken
            for number in range(taken):
                word = words[number] if draw == 0 else words[np.random.randint(words.size)]
                for posting in range(starts[word], starts[word + 1]):
                    scores[members[posting]] += gains[posting]
            top = np.argmax(scores)
            if draw == 0:
                best[row] = top
                continue
            for rank in range(ranks):
                if prefixes[top, rank] == prefixes[best[row], rank]:
                    confidence[row, rank] += 1.0 / DRAWS
    return best, np.minimum(confidence, 1.0)
