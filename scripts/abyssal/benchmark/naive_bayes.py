"""7-mer multinomial naive Bayes with the settings of QIIME 2's feature-classifier (Bokulich et al. 2018).

Settings: hashed 7-mers (8,192 features, word boundaries marked, no sign), uniform priors, alpha 0.001, confidence 0.7.
A rank's confidence is the posterior of all classes that share the best class's names down to it, as QIIME 2 sums it.
The log-likelihoods are those of scikit-learn's MultinomialNB, kept sparse: 16,000 classes would need gigabytes densely.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import HashingVectorizer

from abyssal.benchmark.classes import Classes, classes_of
from abyssal.evaluation.answers import Answers
from abyssal.references.model import AmpliconReference

NAME = "nb-7mer"
ALPHA = 0.001
CONFIDENCE = 0.7
FEATURES = 8192
WORD = 7
COMMAND = (
    "abyssal.benchmark.naive_bayes: HashingVectorizer(analyzer='char_wb', n_features=8192, ngram_range=(7, 7), "
    "alternate_sign=False) + MultinomialNB(alpha=0.001, fit_prior=False), confidence 0.7"
)
_CHUNK = 100


def naive_bayes(reference: AmpliconReference, queries: Sequence[str]) -> Answers:
    """Fit on a reference and answer queries."""
    classes = classes_of(reference)
    scores = MultinomialScores(classes)
    labels: list[list[str | None]] = []
    confidence = np.zeros((len(queries), len(reference.ranks)))
    for start in range(0, len(queries), _CHUNK):
        part = scores.log_joint(queries[start : start + _CHUNK])
        posterior = np.exp(part - part.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
        best = posterior.argmax(axis=1)
        confidence[start : start + len(part)] = _shared(posterior, best, classes.prefixes)
        labels += [list(classes.lineages[place]) for place in best]
    named = np.array([[name is not None for name in row] for row in labels]).reshape(confidence.shape)
    confidence[~named] = 0.0
    return Answers(NAME, (COMMAND,), labels, confidence, confidence >= CONFIDENCE)


class MultinomialScores:
    """Log joint likelihoods under MultinomialNB with uniform priors."""

    def __init__(self, classes: Classes) -> None:
        self._vectorizer = HashingVectorizer(
            analyzer="char_wb", n_features=FEATURES, ngram_range=(WORD, WORD), alternate_sign=False
        )
        rows = csr_array(self._vectorizer.transform(classes.sequences))
        members = csr_array(
            (np.ones(classes.of.size), (classes.of, np.arange(classes.of.size))), shape=(len(classes), classes.of.size)
        )
        counts = csr_array(members @ rows)
        self._log_totals = np.log(np.asarray(counts.sum(axis=1)).ravel() + ALPHA * FEATURES)
        counts.data = np.log(counts.data + ALPHA) - np.log(ALPHA)
        self._gains = csr_array(counts.T)

    def log_joint(self, sequences: Sequence[str]) -> NDArray[np.float64]:
        """Return (q, C) log joint likelihoods, up to a constant that all classes of a query share."""
        rows = csr_array(self._vectorizer.transform(sequences))
        weight = np.asarray(rows.sum(axis=1)).reshape(-1, 1)
        dense: NDArray[np.float64] = (rows @ self._gains).toarray()
        joint: NDArray[np.float64] = dense + weight * (np.log(ALPHA) - self._log_totals)[None, :]
        return joint


def _shared(
    posterior: NDArray[np.float64], best: NDArray[np.int64], prefixes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (q, R) the posterior of all classes that share the best class's prefix."""
    result = np.zeros((posterior.shape[0], prefixes.shape[1]))
    rows = np.arange(posterior.shape[0])
    for rank in range(prefixes.shape[1]):
        starts = np.flatnonzero(np.r_[True, np.diff(prefixes[:, rank]) > 0])
        sums = np.add.reduceat(posterior, starts, axis=1)
        result[:, rank] = sums[rows, prefixes[best, rank]]
    return np.minimum(result, 1.0)
