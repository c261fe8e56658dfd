"""The loops behind ``evidence.gather``, compiled: one read at a time, so no read sees what stands beside it."""

from __future__ import annotations

import numpy as np
from numba import njit

# Columns of the evidence, in the order of ``evidence.FEATURES``.
(
    BEST_KMER, OTHER_KMER, KMER_MARGIN, BEST_IDENTITY, OTHER_IDENTITY, IDENTITY_MARGIN,
    VOTE_SHARE, PURITY_1, PURITY_5, PURITY_15, LOG_SIZE, TENTH_KMER, UNKNOWN_SHARE, SIBLING_KMER, CHILDREN_NEAR,
    LOCAL_OTHER, LOCAL_SAME, RELATIVE_DISTANCE, SHARE_OTHER_NEARER, SHARE_SAME_FURTHER, LOG_CHILDREN, LOG_SIBLINGS,
    LENGTH_DIFFERENCE, LEAD, NAMES_NEAR, NAME_ENTROPY, OTHERS_LISTED, UNKNOWN_NEAR,
    NEAREST_OTHER, NEAREST_SAME, LEAST_OTHER, MOST_SAME, RELATIVE_SAME, RELATIVE_OTHER,
) = range(34)  # fmt: skip

_TINY = 1e-3


@njit(cache=True, nogil=True)
def gather_rows(  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    offsets, codes, sizes, children, starts, places, score, kmer, identity, local, lengths, target_lengths,
    own, rank_banned, code_banned, gone, removed, lineage, feature_count, temperature,
):  # fmt: skip
    """Return chosen codes (q, R) int32 and evidence (q, R, F) float64."""
    rows, count = places.shape
    ranks = codes.shape[1]
    chosen = np.full((rows, ranks), -1, dtype=np.int32)
    evidence = np.full((rows, ranks, feature_count), np.nan)
    weights = np.empty(count)
    allowed = np.empty(codes.shape[0], dtype=np.bool_)
    agrees = np.empty(codes.shape[0], dtype=np.bool_)
    for row in range(rows):
        _allow(offsets, codes, places[row], rank_banned[row], code_banned[row], allowed)
        _allow(offsets, codes, places[row], rank_banned[row], code_banned[row], agrees)
        for step in range(count):
            weights[step] = np.exp((score[row, step] - score[row, 0]) / temperature) if places[row, step] >= 0 else 0.0
        for rank in range(ranks):
            name = _vote(offsets, codes, places[row], weights, allowed, agrees, rank)
            _narrow(offsets, codes, places[row], rank, name, agrees)
            chosen[row, rank] = name
            if name < 0:
                continue
            out = evidence[row, rank]
            _similarities(offsets, codes, places[row], allowed, rank, name, kmer[row], identity[row], out)
            _shares(offsets, codes, places[row], weights, allowed, rank, name, kmer[row], out)
            _children(offsets, codes, places[row], allowed, rank, name, kmer[row], out)
            _surroundings(offsets, codes, places[row], allowed, rank, name, local[row], out)
            _company(offsets, codes, places[row], allowed, rank, name, out)
            _carriers(offsets, codes, places[row], allowed, rank, name, local[row], out)
            _sizes(sizes, children, starts, rank, chosen[row], gone[row], removed[row], lineage[row], out)
            out[LENGTH_DIFFERENCE] = (lengths[row] - target_lengths[row]) / max(lengths[row], 1.0)
    return chosen, evidence


@njit(cache=True, nogil=True)
def _allow(offsets, codes, places, rank_banned, code_banned, allowed):  # type: ignore[no-untyped-def]
    for amplicon in places:
        if amplicon < 0:
            break
        for pair in range(offsets[amplicon], offsets[amplicon + 1]):
            allowed[pair] = rank_banned < 0 or codes[pair, rank_banned] != code_banned


@njit(cache=True, nogil=True)
def _goes_on(codes, pair, rank):  # type: ignore[no-untyped-def]
    """Whether a pair has a name anywhere below a rank."""
    names = 0
    for below in range(rank + 1, codes.shape[1]):
        names += codes[pair, below] >= 0
    return names > 0


@njit(cache=True, nogil=True)
def _vote(offsets, codes, places, weights, allowed, agrees, rank):  # type: ignore[no-untyped-def]
    """Return the name with most of the vote: -1 for a gap in the lineage as for its end.

    Only pairs that equal what was chosen at every rank above vote (``agrees``), so the answer is the lineage of at
    least one of them. A gap is a name like any other where the lineage goes on below it; its end votes for nothing.
    """
    names = np.empty(256, dtype=np.int64)
    votes = np.zeros(256)
    found = 0
    for step in range(places.size):
        amplicon = places[step]
        if amplicon < 0:
            break
        members = 0
        for pair in range(offsets[amplicon], offsets[amplicon + 1]):
            members += allowed[pair]
        for pair in range(offsets[amplicon], offsets[amplicon + 1]):
            name = codes[pair, rank]
            if not agrees[pair] or (name < 0 and not _goes_on(codes, pair, rank)):
                continue
            place = 0
            while place < found and names[place] != name:
                place += 1
            if place == found:
                if found == names.size:
                    continue
                names[found] = name
                found += 1
            votes[place] += weights[step] / members
    best = -1
    most = 0.0
    for place in range(found):
        if votes[place] > most * (1.0 + 1e-9):
            most = votes[place]
            best = names[place]
    return best


@njit(cache=True, nogil=True)
def _narrow(offsets, codes, places, rank, name, agrees):  # type: ignore[no-untyped-def]
    """Keep the pairs that have the chosen name, or the chosen gap."""
    for amplicon in places:
        if amplicon < 0:
            break
        for pair in range(offsets[amplicon], offsets[amplicon + 1]):
            agrees[pair] = agrees[pair] and codes[pair, rank] == name


@njit(cache=True, nogil=True)
def _count(offsets, codes, amplicon, allowed, rank, name):  # type: ignore[no-untyped-def]
    """Return how many pairs an amplicon has, how many of them are known at a rank and how many carry the name."""
    members = 0
    known = 0
    mine = 0
    for pair in range(offsets[amplicon], offsets[amplicon + 1]):
        if allowed[pair]:
            members += 1
            known += codes[pair, rank] >= 0
            mine += codes[pair, rank] == name
    return members, known, mine


@njit(cache=True, nogil=True)
def _similarities(offsets, codes, places, allowed, rank, name, kmer, identity, out):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    """Best similarities of the name and of any other; an amplicon that carries both counts for both."""
    best = np.full(2, -1.0)
    other = np.full(2, -1.0)
    for step in range(places.size):
        if places[step] < 0:
            break
        _, known, mine = _count(offsets, codes, places[step], allowed, rank, name)
        if mine > 0:
            _raise(best, kmer[step], identity[step])
        if known > mine:
            _raise(other, kmer[step], identity[step])
    out[BEST_KMER] = best[0]
    out[OTHER_KMER] = max(other[0], 0.0)
    out[KMER_MARGIN] = best[0] - max(other[0], 0.0)
    if best[1] >= 0:
        out[BEST_IDENTITY] = best[1]
    if other[1] >= 0:
        out[OTHER_IDENTITY] = other[1]
    out[IDENTITY_MARGIN] = max(best[1], 0.5) - max(other[1], 0.5)


@njit(cache=True, nogil=True)
def _shares(offsets, codes, places, weights, allowed, rank, name, kmer, out):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    """Shares of the vote, and of the nearest neighbours that are named at this rank."""
    total = 0.0
    unknown = 0.0
    votes = 0.0
    labelled = 0
    hits = 0.0
    for step in range(places.size):
        if places[step] < 0:
            break
        if step <= 9:
            out[TENTH_KMER] = kmer[step]
        members, known, mine = _count(offsets, codes, places[step], allowed, rank, name)
        if members == 0:
            continue
        total += weights[step]
        unknown += weights[step] * (members - known) / members
        votes += weights[step] * mine / members
        if known > 0:
            labelled += 1
            hits += mine / known
            if labelled == 1:
                out[PURITY_1] = hits
            if labelled <= 5:
                out[PURITY_5] = hits / labelled
            if labelled <= 15:
                out[PURITY_15] = hits / labelled
    out[VOTE_SHARE] = votes / max(total - unknown, 1e-12)
    out[UNKNOWN_SHARE] = unknown / max(total, 1e-12)


@njit(cache=True, nogil=True)
def _children(offsets, codes, places, allowed, rank, name, kmer, out):  # type: ignore[no-untyped-def]
    """How many children of the name are near, and how near the best one beside the first is."""
    last = rank + 1 == codes.shape[1]
    sibling = 0.0
    children = 0
    seen = np.empty(64, dtype=np.int64)
    for step in range(places.size):
        amplicon = places[step]
        if amplicon < 0:
            break
        for pair in range(offsets[amplicon], offsets[amplicon + 1]):
            if not allowed[pair] or codes[pair, rank] != name:
                continue
            child = amplicon if last else codes[pair, rank + 1]
            if child < 0:
                continue
            children = _add(seen, children, child)
            if child != seen[0] and kmer[step] > sibling:
                sibling = kmer[step]
    out[SIBLING_KMER] = sibling
    out[CHILDREN_NEAR] = children


@njit(cache=True, nogil=True)
def _add(seen, count, value):  # type: ignore[no-untyped-def]
    for place in range(count):
        if seen[place] == value:
            return count
    if count < seen.size:
        seen[count] = value
        return count + 1
    return count


@njit(cache=True, nogil=True)
def _raise(best, kmer, identity):  # type: ignore[no-untyped-def]
    best[0] = max(best[0], kmer)
    if not np.isnan(identity):
        best[1] = max(best[1], identity)


@njit(cache=True, nogil=True)
def _surroundings(offsets, codes, places, allowed, rank, name, local, out):  # type: ignore[no-untyped-def]
    """Compare the best similarity with those that neighbours have to other taxa and to their own."""
    mine = 0
    other = 0.0
    same = 0.0
    looked = 0
    nearer = 0
    further = 0
    for step in range(min(local.shape[0], places.size)):
        amplicon = places[step]
        if amplicon < 0:
            break
        looked += 1
        nearer += local[step, rank, 0] >= out[BEST_KMER]
        further += (local[step, rank, 1] > 0) and (local[step, rank, 1] <= out[BEST_KMER])
        carries = False
        for pair in range(offsets[amplicon], offsets[amplicon + 1]):
            carries = carries or (allowed[pair] and codes[pair, rank] == name)
        if carries and mine < 5:
            mine += 1
            other += local[step, rank, 0]
            same += local[step, rank, 1]
    if looked > 0:
        out[SHARE_OTHER_NEARER] = nearer / looked
        out[SHARE_SAME_FURTHER] = further / looked
    if mine > 0:
        out[LOCAL_OTHER] = other / mine
        out[LOCAL_SAME] = same / mine
        out[RELATIVE_DISTANCE] = (1.0 - out[BEST_KMER] + _TINY) / (1.0 - other / mine + _TINY)


@njit(cache=True, nogil=True)
def _company(offsets, codes, places, allowed, rank, name, out):  # type: ignore[no-untyped-def]
    """Who stands among the nearest: how long the name leads, and how many names share the first ten places."""
    seen = np.empty(10, dtype=np.int64)
    shares = np.zeros(10)
    names = 0
    known_near = 0
    unknown_near = 0
    lead = 0
    others = 0
    for step in range(places.size):
        if places[step] < 0:
            break
        members, known, mine = _count(offsets, codes, places[step], allowed, rank, name)
        if known == 0:
            unknown_near += members > 0 and step < 10
            continue
        if mine == 0:
            others += 1
        elif others == 0:
            lead += 1
        if known_near < 10:
            known_near += 1
            carried = name if mine > 0 else _a_name(offsets, codes, places[step], allowed, rank)
            place = 0
            while place < names and seen[place] != carried:
                place += 1
            if place == names:
                seen[names] = carried
                names += 1
            shares[place] += 1.0
    out[LEAD] = lead
    out[NAMES_NEAR] = names
    shares = shares[:names] / max(known_near, 1)
    out[NAME_ENTROPY] = -np.sum(shares * np.log(shares))
    out[OTHERS_LISTED] = others
    out[UNKNOWN_NEAR] = unknown_near


@njit(cache=True, nogil=True)
def _a_name(offsets, codes, amplicon, allowed, rank):  # type: ignore[no-untyped-def]
    found = -1
    for pair in range(offsets[amplicon], offsets[amplicon + 1]):
        if allowed[pair] and codes[pair, rank] >= 0:
            found = codes[pair, rank]
    return found


@njit(cache=True, nogil=True)
def _carriers(offsets, codes, places, allowed, rank, name, local, out):  # type: ignore[no-untyped-def]
    """How the carriers of the name stand to each other and to other taxa, and the read beside them."""
    for step in range(min(local.shape[0], places.size)):
        if places[step] < 0:
            break
        if _count(offsets, codes, places[step], allowed, rank, name)[2] == 0:
            continue
        other, same = local[step, rank, 0], local[step, rank, 1]
        if np.isnan(out[NEAREST_OTHER]):
            out[NEAREST_OTHER], out[LEAST_OTHER] = other, other
            out[NEAREST_SAME], out[MOST_SAME] = same, same
            if same > 0:
                out[RELATIVE_SAME] = (1.0 - out[BEST_KMER] + _TINY) / (1.0 - same + _TINY)
            out[RELATIVE_OTHER] = (1.0 - out[OTHER_KMER] + _TINY) / (1.0 - other + _TINY)
        out[LEAST_OTHER] = min(out[LEAST_OTHER], other)
        out[MOST_SAME] = max(out[MOST_SAME], same)


@njit(cache=True, nogil=True)
def _sizes(sizes, children, starts, rank, chosen, gone, removed, lineage, out):  # type: ignore[no-untyped-def] # noqa: PLR0913, PLR0917
    """Sizes as they are without what is banned, in whole powers of two.

    Exact counts would be fingerprints: a taxon of 137 that reads 136 whenever one of its own was hidden gives the
    answer away in calibration, and never does afterwards.
    """
    name = chosen[rank]
    taxon = starts[rank] + name
    size = sizes[taxon]
    if lineage[rank] == name:
        size -= removed
    out[LOG_SIZE] = np.floor(np.log2(max(size, 1)))
    if rank + 1 < chosen.size:
        count = children[taxon, 0]
        if lineage[rank] == name and gone == rank + 1:
            count -= 1
        out[LOG_CHILDREN] = np.floor(np.log2(count + 1)) if count >= 0 else 0.0
    if rank > 0 and chosen[rank - 1] >= 0:
        siblings = children[starts[rank - 1] + chosen[rank - 1], 0]
        if lineage[rank - 1] == chosen[rank - 1] and gone == rank:
            siblings -= 1
        out[LOG_SIBLINGS] = np.floor(np.log2(max(siblings, 1)))
