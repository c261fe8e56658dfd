"""What training minimises: contrast at several ranks, and the letters behind masked tokens."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

RANK_WEIGHTS = (1.0, 0.5, 0.25)
"""Weight of species, genus and family."""


def contrast(vectors: Tensor, labels: Tensor, records: Tensor, *, temperature: float) -> Tensor:
    """Return the weighted supervised contrast over the ranks (Khosla et al. 2020, with unknown names left open).

    At each rank the positives of a view are the views of the same record and those that share its name. A pair of which
    one name is unknown is neither positive nor negative, unless the families differ.

    Args:
        vectors: (n, dimension) unit rows.
        labels: (n, 3) species, genus and family numbers; -1 where unknown.
        records: (n,) number of the amplicon behind each view.
        temperature: divides the cosines.
    """
    logits = vectors @ vectors.T / temperature
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    same_record = records.unsqueeze(0) == records.unsqueeze(1)
    families = labels[:, 2]
    other_family = _both_known(families) & (families.unsqueeze(0) != families.unsqueeze(1))
    total = logits.new_zeros(())
    for rank, weight in enumerate(RANK_WEIGHTS):
        names = labels[:, rank]
        known = _both_known(names)
        positive = (same_record | (known & (names.unsqueeze(0) == names.unsqueeze(1)))) & ~itself
        counted = (positive | known | other_family) & ~itself
        log_shares = logits - logits.masked_fill(~counted, float("-inf")).logsumexp(dim=1, keepdim=True)
        positives = positive.sum(dim=1)
        has_positive = positives > 0
        mean = torch.where(positive, log_shares, 0.0).sum(dim=1)[has_positive] / positives[has_positive]
        total = total - weight * mean.mean()
    return total / sum(RANK_WEIGHTS)


NEIGHBOUR_WEIGHTS = (0.25, 1.0, 0.5)
"""Weight of species, genus and family in ``neighbourhood``."""


def neighbourhood(
    cosines: Tensor, names: tuple[Tensor, Tensor], records: tuple[Tensor, Tensor], *, temperature: float
) -> Tensor:
    """Return how unlikely a nearest neighbour bears the right name when the own species, or genus, is not there.

    Neighbourhood components analysis (Goldberger et al. 2004) asked as a new taxon asks: at genus the query's own
    species is left out of what is searched, at family its genus; at species only the amplicon itself.

    Args:
        cosines: (queries, amplicons).
        names: (queries, 3) and (amplicons, 3) species, genus and family numbers; -1 where unknown.
        records: (queries,) and (amplicons,) numbers of the amplicons behind them.
        temperature: divides the cosines.
    """
    logits = cosines / temperature
    left_out = records[0].unsqueeze(1) == records[1].unsqueeze(0)
    total = logits.new_zeros(())
    for rank, weight in enumerate(NEIGHBOUR_WEIGHTS):
        own, theirs = names[0][:, rank].unsqueeze(1), names[1][:, rank].unsqueeze(0)
        same = (own == theirs) & (own >= 0)
        right = same & ~left_out
        asked = right.any(dim=1)
        if bool(asked.any()):
            every = logits[asked].masked_fill(left_out[asked], float("-inf")).logsumexp(dim=1)
            bearing = logits[asked].masked_fill(~right[asked], float("-inf")).logsumexp(dim=1)
            total = total + weight * (every - bearing).mean()
        left_out = left_out | same
    return total


def masked_letters(predictions: Tensor, letters: Tensor, masked: Tensor) -> Tensor:
    """Return the cross-entropy of the letters behind masked tokens.

    Args:
        predictions: (n, tokens, letters a token, 4) logits.
        letters: (n, tokens * letters a token) ids, 1 to 4 for A, C, G, T; others are not scored.
        masked: (n, tokens) True where the letters were hidden.
    """
    rows, tokens, width, _ = predictions.shape
    targets = letters.long().view(rows, tokens, width)
    scored = masked.unsqueeze(-1) & (targets >= 1) & (targets <= 4)
    return functional.cross_entropy(predictions[scored], targets[scored] - 1)


def _both_known(names: Tensor) -> Tensor:
    known = names >= 0
    return known.unsqueeze(0) & known.unsqueeze(1)
