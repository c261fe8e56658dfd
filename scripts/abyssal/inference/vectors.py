"""The vectors behind the answers, for users' reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from abyssal.taxonomy.classifications import ReadError
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.reading import check_read, length_limits


def embed_reads(classifier: Classifier, sequences: Sequence[str]) -> tuple[NDArray[np.float32], list[ReadError | None]]:
    """Return (n, d) unit rows, computed as for classification, zeros for a read in error; and the errors."""
    limits = length_limits(classifier.marker)
    checked = [check_read(raw, limits) for raw in sequences]
    good = [index for index, (_, error) in enumerate(checked) if error is None]
    oriented, _ = classifier.model.strand.orient([checked[index][0] for index in good])
    vectors = np.zeros((len(sequences), classifier.encoder.dimension), dtype=np.float32)
    vectors[good] = classifier.encoder.embed(oriented)
    return vectors, [error for _, error in checked]
