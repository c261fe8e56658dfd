"""Which names are taken for which, and how well vectors of one taxon lie together."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers, Truth

MOST_NAMES = 15
OTHER = "other"
NOTHING = "no name"
ABSENT = "absent from the reference"


def confusion(answers: Answers, truth: Truth, rank: int) -> dict[str, Any]:
    """Return counts of accepted names (columns) by true name (rows) at a rank.

    Shown are the names that are most often confused, then the most frequent ones; the rest is ``other``. Queries whose
    taxon is absent from the reference have a row of their own; queries of unknown name are left out.
    """
    pairs = []
    for row in np.flatnonzero(truth.present[:, rank] >= 0).tolist():
        true = truth.lineages[row][rank] if truth.present[row, rank] == 1 else ABSENT
        said = answers.labels[row][rank] if answers.accepted[row, rank] else NOTHING
        pairs.append((str(true), str(said)))
    wrong, frequent = Counter[str](), Counter[str]()
    for true, said in pairs:
        if true != ABSENT:
            frequent[true] += 1
            wrong[true] += said not in {true, NOTHING}
    order = sorted(frequent, key=lambda name: (-wrong[name], -frequent[name], name))[:MOST_NAMES]
    rows, columns = [*order, OTHER, ABSENT], [*order, OTHER, NOTHING]
    counts = np.zeros((len(rows), len(columns)), dtype=np.int64)
    for true, said in pairs:
        counts[rows.index(true if true in rows else OTHER), columns.index(said if said in columns else OTHER)] += 1
    return {"rank": truth.ranks[rank], "true": rows, "said": columns, "counts": counts.tolist()}


def cohesion(vectors: NDArray[np.float32], truth: Truth, rank: int) -> dict[str, Any]:
    """Return how well the queries' vectors group by their true name at a rank.

    Silhouette (-1..1, cosine) and Calinski-Harabasz are better when larger, Davies-Bouldin when smaller; over names
    with two queries or more. None where fewer than two such names are left.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    names = [lineage[rank] for lineage in truth.lineages]
    counts = Counter(name for name in names if name is not None)
    rows = np.array([row for row, name in enumerate(names) if counts.get(name, 0) > 1], dtype=np.int64)  # type: ignore[arg-type]
    labels = np.array([str(names[row]) for row in rows.tolist()])
    found: dict[str, Any] = {"queries": int(rows.size), "taxa": int(np.unique(labels).size)}
    if not 1 < found["taxa"] < rows.size:
        return found | {"silhouette": None, "davies_bouldin": None, "calinski_harabasz": None}
    part = vectors[rows].astype(np.float64)
    return found | {
        "silhouette": round(float(silhouette_score(part, labels, metric="cosine")), 6),
        "davies_bouldin": round(float(davies_bouldin_score(part, labels)), 6),
        "calinski_harabasz": round(float(calinski_harabasz_score(part, labels)), 6),
    }
