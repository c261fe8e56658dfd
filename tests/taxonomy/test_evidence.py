"""Votes, placeholders, shared amplicons and what calibration queries may see."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.alignment import identity
from abyssal.taxonomy.evidence import FEATURES, LOCAL, Neighbours, gather, nothing_banned
from abyssal.taxonomy.index import TaxonTable, build_index, taxon_table
from abyssal.taxonomy.leave_out import draw_queries
from abyssal.taxonomy.neighbourhood import local_similarities, neighbour_lists
from abyssal.taxonomy.profiles import SparseProfiles, sparse_profiles

from .conftest import Trained

RANKS = ("family", "genus", "species")


def table(*lineages: list[tuple[str | None, ...]]) -> TaxonTable:
    count = len(lineages)
    members = tuple(tuple((f"a{i}", lineage) for lineage in pairs) for i, pairs in enumerate(lineages))
    return taxon_table(
        AmpliconReference(
            RANKS, tuple(f"i{i}" for i in range(count)), tuple("ACGT" * (i + 1) for i in range(count)), members
        )
    )


def near(scores: list[float], reads: SparseProfiles | None = None, known: SparseProfiles | None = None) -> Neighbours:
    nothing = sparse_profiles([""] * len(scores))
    values = np.array([scores], dtype=np.float32)
    return Neighbours(
        places=np.arange(len(scores), dtype=np.int64)[None],
        score=values,
        kmer=values,
        identity=values,
        local=np.zeros((1, LOCAL, 3, 2), dtype=np.float32),
        lengths=np.array([100], dtype=np.float32),
        target_lengths=np.array([100], dtype=np.float32),
        reads=reads or nothing,
        reference=known or nothing,
    )


def answer(taxa: TaxonTable, scores: list[float]) -> tuple[list[str | None], NDArray[np.float64]]:
    chosen, evidence = gather(taxa, near(scores), nothing_banned(1, 3))
    return [taxa.name(rank, int(code)) for rank, code in enumerate(chosen[0])], evidence[0]


def column(name: str) -> int:
    return FEATURES.index(name)


def test_a_placeholder_neither_votes_nor_opposes() -> None:
    taxa = table([("F", None, None)], [("F", "G", "s")], [("F", None, None)])
    names, evidence = answer(taxa, [0.99, 0.95, 0.94])
    assert names == ["F", "G", "s"]
    assert evidence[1, column("purity_15")] == 1.0
    assert evidence[1, column("vote_share")] > 1.0 - 1e-9
    assert evidence[1, column("other_kmer")] == 0.0
    assert evidence[1, column("unknown_share")] > 0.5


def test_without_any_name_there_is_no_answer() -> None:
    names, evidence = answer(table([("F", None, None)]), [0.9])
    assert names == ["F", None, None]
    assert np.isnan(evidence[1]).all()


def test_lower_names_agree_with_upper_ones() -> None:
    taxa = table([("F", "G", "s")], [("F", "G", "s")], [("E", "H", "t")], [("E", "I", "u")], [("E", "J", "v")])
    names, _ = answer(taxa, [0.900, 0.900, 0.901, 0.901, 0.901])
    assert names in (["E", "H", "t"], ["E", "I", "u"], ["E", "J", "v"])


def test_a_lineage_without_an_upper_name_does_not_fill_another_ones_ranks() -> None:
    taxa = table([("F", None, None)], [(None, "H", "t")], [("E", "G", "s")])
    names, _ = answer(taxa, [0.99, 0.98, 0.90])
    assert names == ["F", None, None]


def test_a_gap_votes_where_names_follow_below() -> None:
    taxa = table([("F", None, "s")], [("F", None, "s")], [("F", "G", "t")])
    names, evidence = answer(taxa, [0.99, 0.98, 0.97])
    assert names == ["F", None, "s"]
    assert np.isnan(evidence[1]).all()
    assert evidence[2, column("best_kmer")] == np.float32(0.99)
    assert answer(taxa, [0.90, 0.89, 0.99])[0] == ["F", "G", "t"]


names_or_none = st.tuples(*[st.one_of(st.none(), st.sampled_from(level)) for level in ("AB", "CDE", "FGHI")])


@given(
    st.lists(
        st.tuples(st.lists(names_or_none, min_size=1, max_size=3, unique=True), st.floats(0.8, 1.0)),
        min_size=1,
        max_size=12,
    )
)
def test_every_answer_is_the_lineage_of_a_reference(
    found: list[tuple[list[tuple[str | None, ...]], float]],
) -> None:
    taxa = table(*[pairs for pairs, _ in found])
    names, _ = answer(taxa, sorted((score for _, score in found), reverse=True))
    lineages = {lineage for pairs, _ in found for lineage in pairs}
    depth = max((rank + 1 for rank, name in enumerate(names) if name is not None), default=0)
    assert any(lineage[:depth] == tuple(names[:depth]) for lineage in lineages)
    assert depth > 0 or all(set(lineage) == {None} for lineage in lineages)


def test_an_amplicon_of_two_species_has_no_margin() -> None:
    taxa = table([("F", "G", "s"), ("F", "G", "t")], [("F", "H", "u")])
    names, evidence = answer(taxa, [0.99, 0.80])
    assert names[:2] == ["F", "G"]
    assert evidence[2, column("kmer_margin")] == 0.0
    assert evidence[1, column("kmer_margin")] > 0.1


def test_characters_tell_inside_from_beside() -> None:
    rng = np.random.default_rng(0)
    common, genus, other, own = ("".join(rng.choice(list("ACGT"), size=40)) for _ in range(4))
    taxa = table([("F", "G", "s")], [("F", "G", "t")], [("F", "H", "u")])
    known = sparse_profiles([common + genus, common + genus, common + other])

    def characters(read: str) -> dict[str, float]:
        values = near([0.9, 0.9, 0.8], sparse_profiles([read]), known)
        _, evidence = gather(taxa, values, nothing_banned(1, 3))
        return {name: float(evidence[0, 1, column(name)]) for name in FEATURES}

    inside, beside, apart = characters(common + genus), characters(common + own), characters(common + other)
    assert inside["carriers"] == 2.0
    assert inside["others"] == 1.0
    assert inside["lacked_all"] == inside["foreign_any"] == inside["private"] == 0.0
    assert inside["shared_most"] > 0.3
    assert beside["shared_any"] < 0.1 < beside["lacked_own"]
    assert beside["private"] > 0.3
    assert apart["foreign_most"] > 0.3
    assert inside["balance"] > 0.3 > -0.3 > apart["balance"]


def test_characters_are_silent_without_another_taxon() -> None:
    taxa = table([("F", "G", "s")], [("F", "G", "t")])
    read = "ACGTTGCAAC" * 4
    values = near([0.9, 0.8], sparse_profiles([read]), sparse_profiles([read, read]))
    _, evidence = gather(taxa, values, nothing_banned(1, 3))
    assert np.isnan(evidence[0, 0, column("shared_any") :]).all()
    assert evidence[0, 2, column("others")] == 1.0


def test_calibration_queries_never_see_what_is_banned(trained: Trained) -> None:
    index = trained.model.index
    drawn = draw_queries(index, 300, np.random.default_rng(0))
    codes, banned = index.taxa.pair_codes, drawn.banned
    assert set(np.unique(drawn.strata)) >= {3, 4, 5}
    for row in range(len(drawn)):
        if banned.rank[row] < 0:
            continue
        carriers = np.flatnonzero(codes[:, banned.rank[row]] == banned.code[row])
        others = np.flatnonzero(codes[:, banned.rank[row]] != banned.code[row])
        hidden = set(drawn.hidden[row].tolist())
        left = set(index.taxa.pair_amplicons[carriers].tolist()) - hidden
        assert left <= set(index.taxa.pair_amplicons[others].tolist())
        assert codes[drawn.pairs[row], banned.rank[row]] == banned.code[row]


def test_a_banned_taxon_leaves_no_trace_in_the_surroundings(trained: Trained) -> None:
    index = trained.model.index
    lists = neighbour_lists(index)
    code = 0
    amplicon = index.taxa.pair_amplicons[np.flatnonzero(index.taxa.pair_codes[:, 3] != code)[:1]]
    banned = (np.array([-1]), np.array([3]), np.array([code]))
    found = local_similarities(index.taxa, lists, amplicon[None], banned)
    inside = np.flatnonzero(index.taxa.pair_codes[:, 3] == code)
    kept = [i for i in range(len(index)) if i not in set(index.taxa.pair_amplicons[inside].tolist())]
    smaller = build_index(index.reference.subset(kept), index.vectors[kept])
    places = np.array([[kept.index(int(amplicon[0]))]])
    nothing = (np.array([-1]), np.array([-1]), np.array([-1]))
    expected = local_similarities(smaller.taxa, neighbour_lists(smaller), places, nothing)
    # Lists end after 64 amplicons, so a ban can only shorten them.
    assert (found <= expected + 1e-6).all()
    assert found[0, 0, 3, 0] == expected[0, 0, 3, 0]


def test_search_is_exact_and_ties_go_to_the_first(trained: Trained) -> None:
    index = trained.model.index
    queries = index.vectors[:130]
    _, values = index.search(queries, 7)
    products = queries @ index.vectors.T
    assert np.allclose(values, -np.sort(-products, axis=1)[:, :7], atol=1e-5)
    doubled = build_index(index.reference.subset([0, 0, 1]), np.ascontiguousarray(index.vectors[[0, 0, 1]]))
    assert doubled.search(index.vectors[:1], 3)[0][0, :2].tolist() == [0, 1]
    assert index.search(queries, 5000)[0][0, -1] == -1


def test_identity_counts_edits_inside_the_longer_sequence() -> None:
    assert identity("ACGTACGTAC", "ACGTACGTAC") == (1.0, 1.0)
    assert identity("ACGTACGTAC", "TTTACGTACGTACTTT") == (1.0, 1.0)
    assert identity("TTTTTACGTACGTACTTTTT", "ACGTACGTAC") == (1.0, 0.5)
    assert identity("ACGTACGTAC", "ACGAACGTAC")[0] == 0.9
    assert identity("ACGTNCGTAC", "ACGTACGTAC")[0] == 1.0
