"""Amplicons to augmented, padded batches of letters and profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from abyssal.encoder.engine import padded_length
from abyssal.encoder.kmers import encode_letters, profiles_of_codes
from abyssal.encoder.letters import LETTER_IDS, PADDING
from abyssal.encoder.network import EncoderSizes
from abyssal.encoder.training.augmentation import Augmentation, augment
from abyssal.encoder.training.corpus import MarkerCorpus
from abyssal.encoder.training.sampling import BatchSampler

VIEWS = 2
_IDS_OF_CODES = np.array([LETTER_IDS[letter] for letter in "ACGTN"], dtype=np.uint8)


@dataclass(frozen=True)
class Batch:
    """Views of amplicons of one marker.

    Attributes:
        letters: (n, length) uint8 ids.
        profiles: (n, 4**k) float32.
        labels: (n, 3) int64 species, genus, family; -1 where unknown.
        records: (n,) int64 number of the amplicon behind each view.
    """

    letters: Tensor
    profiles: Tensor
    labels: Tensor
    records: Tensor


class ViewMaker:
    """Makes the batch of a step; the same seed and step give the same batch, so that a resumed run repeats nothing."""

    def __init__(
        self,
        corpora: tuple[MarkerCorpus, ...],
        augmentation: Augmentation,
        *,
        batch_size: int,
        sizes: EncoderSizes,
        seed: int,
    ) -> None:
        self._codes = [split_codes(corpus) for corpus in corpora]
        self._labels = [corpus.labels for corpus in corpora]
        self._sampler = BatchSampler(corpora)
        self._augmentation = augmentation
        self._amplicons = max(1, batch_size // VIEWS)
        self._sizes = sizes
        self._seed = seed

    def batch(self, step: int, *, device: str = "cpu") -> Batch:
        """Return ``VIEWS`` views of each amplicon drawn for this step."""
        rng = np.random.default_rng([self._seed, step])
        marker, drawn = self._sampler.draw(self._amplicons, rng)
        records = np.repeat(drawn, VIEWS)
        views = [augment(self._codes[marker][record], self._augmentation, rng) for record in records]
        profiles = profiles_of_views(views, self._sizes)
        return Batch(
            torch.from_numpy(_pad(views)).to(device),
            torch.from_numpy(profiles).to(device),
            torch.from_numpy(self._labels[marker][records]).to(device),
            torch.from_numpy(records).to(device),
        )


def profiles_of_views(views: Sequence[NDArray[np.uint8]], sizes: EncoderSizes) -> NDArray[np.float32]:
    """Return the (n, 4**k) profiles of letter codes that the wide branch of these sizes takes."""
    offsets = np.zeros(len(views) + 1, dtype=np.int64)
    np.cumsum([view.size for view in views], out=offsets[1:])
    return profiles_of_codes(np.concatenate(views), offsets, k=sizes.kmer_size, skip=sizes.kmer_skip)


def split_codes(corpus: MarkerCorpus) -> list[NDArray[np.uint8]]:
    """Return the letter codes of each amplicon."""
    codes, offsets = encode_letters(corpus.sequences)
    return np.split(codes, offsets[1:-1])


def _pad(views: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    ids = np.full((len(views), padded_length(max(view.size for view in views))), PADDING, dtype=np.uint8)
    for row, view in enumerate(views):
        ids[row, : view.size] = _IDS_OF_CODES[view]
    return ids
