"""The two-dimensional map: amplicons of the study among reference amplicons that anchor it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.discovery.clusterers import umap_points
from abyssal.files import open_atomic

COLUMNS = ("id", "kind", "x", "y", "verdict", "putative_taxon", "lineage", "reads")
_NEIGHBOURS = 15
_SMALLEST = 2 * _NEIGHBOURS
"""Fewer points than this are laid out by their first two principal components, which needs no neighbourhoods."""


@dataclass(frozen=True)
class MapPoint:
    """One point: an ASV of the study or a reference amplicon.

    Attributes:
        kind: ``asv`` or ``reference``.
        verdict: of an ASV ``explained``, ``beyond``, ``off_target`` or ``satellite``; of a reference "".
        lineage: known names joined by ``; ``: of the reference, or of the reference nearest to the ASV.
        reads: reads of an ASV; 0 for a reference.
    """

    id: str
    kind: str
    verdict: str
    putative_taxon: str
    lineage: str
    reads: int


def lay_out(vectors: NDArray[np.float32], *, seed: int) -> NDArray[np.float64]:
    """Return (n, 2) coordinates rounded to 4 digits, each axis centred on 0; UMAP, or principal components when few."""
    if len(vectors) == 0:
        return np.zeros((0, 2))
    if len(vectors) >= _SMALLEST:
        found = umap_points(vectors, dimensions=2, neighbours=_NEIGHBOURS, seed=seed, spread_out=True)
        points = found.astype(np.float64)
    else:
        points = _principal_components(vectors)
    # Adding zero turns a negative zero into a plain one.
    return np.asarray(np.round(points - points.mean(axis=0), 4) + 0.0, dtype=np.float64)


def _principal_components(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    count = len(vectors)
    points = np.zeros((count, 2))
    if count < 2:
        return points
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(2, scale.size)
    points[:, :kept] = left[:, :kept] * scale[:kept]
    # A component's sign is arbitrary; the largest entry is made positive so that every machine draws the same map.
    signs = np.sign(points[np.abs(points).argmax(axis=0), [0, 1]])
    return points * np.where(signs == 0, 1, signs)


def write_map(target: Path, points: Sequence[MapPoint], coordinates: NDArray[np.float64]) -> None:
    """Write one row a point."""
    with open_atomic(target) as out:
        out.write("\t".join(COLUMNS) + "\n")
        for point, (x, y) in zip(points, coordinates, strict=True):
            cells = (point.id, point.kind, f"{x:.4f}", f"{y:.4f}", point.verdict, point.putative_taxon)
            out.write("\t".join((*cells, point.lineage, str(point.reads))) + "\n")
