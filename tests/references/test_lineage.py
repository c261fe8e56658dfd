"""Placeholders, epithets, taxa with two parents, synonyms."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.references_made import write_text

from abyssal.errors import ReferenceFormatError, UsageError
from abyssal.references.lineage import LineageBook, clean_lineage, is_placeholder, resolve_conflicts
from abyssal.references.synonyms import accepted_names

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")


@pytest.mark.parametrize(
    "name",
    ["", "NA", "n/a", "Dinophyceae_X", "Dinophyceae_XX", "Madeum_X_sp.", "Madeum_sp.", "Madeum sp. ABC-1", "Madeum_sp",
     "uncultured bacterium", "uncultured_marine_eukaryote", "unidentified", "Fungi_gen_Incertae_sedis",
     "Incertae Sedis", "marine metagenome", "environmental sample", "class_Crocodylia", "Madeum cf. exemplare",
     "Madeum aff. exemplare", "Ochrophyta_X:plas", "unclassified", "marine bacterium"],
)  # fmt: skip
def test_placeholders_are_unknown(name: str) -> None:
    assert is_placeholder(name)


@pytest.mark.parametrize(
    "name",
    ["Eukaryota", "Dino-Group-II-Clade-9", "Madeum_exemplare", "Corynebacterium", "Ochrophyta:plas", "Xanthomonas",
     "Spongia", "Madeum x hybrid", "Mus spicilegus", "Nannochloropsis", "Eubacterium"],
)  # fmt: skip
def test_real_names_are_kept(name: str) -> None:
    assert not is_placeholder(name)


def test_an_epithet_gets_its_genus_and_means_nothing_without() -> None:
    assert clean_lineage(RANKS, ("B", "F", "", "", "", "Madeum", "exemplare"))[-1] == "Madeum exemplare"
    assert clean_lineage(RANKS, ("B", "F", "", "", "", "", "exemplare"))[-1] is None


def book(*rows: tuple[tuple[str, ...], int]) -> LineageBook:
    made = LineageBook(RANKS)
    line = 1
    for names, times in rows:
        for _ in range(times):
            made.add(names, line)
            line += 2
    return made


NEAR = (
    (("A", "P", "C", "O", "Fidae", "Gen", "Gen a"), 3),
    (("A", "P", "C", "O", "Eidae", "Gen", "Gen b"), 1),
)
HOMONYM = (
    (("Animalia", "P", "C", "O", "Fidae", "Gen", "Gen a"), 3),
    (("Plantae", "Q", "D", "R", "Faceae", "Gen", "Gen b"), 1),
)


def test_the_minority_loses_the_contested_parents() -> None:
    lineages, conflicts = resolve_conflicts(book(*NEAR))
    assert lineages[0] == NEAR[0][0]
    assert lineages[1] == ("A", "P", "C", "O", None, "Gen", "Gen b")
    assert [(c.name, c.records, c.line, c.action) for c in conflicts] == [("Gen", 1, 7, "parents unknown")]


def test_a_homonym_loses_its_name_in_the_minority() -> None:
    lineages, conflicts = resolve_conflicts(book(*HOMONYM))
    assert lineages[1] == ("Plantae", "Q", "D", "R", "Faceae", None, None)
    assert conflicts[0].action == "name unknown"


def test_the_policy_error_lists_lines() -> None:
    with pytest.raises(ReferenceFormatError, match=r"line 7: genus Gen stands below A;P;C;O;Eidae"):
        resolve_conflicts(book(*NEAR), policy="error")


def test_unknown_parents_do_not_contradict() -> None:
    lineages, conflicts = resolve_conflicts(
        book((("A", "P", "C", "O", "Fidae", "Gen", "Gen a"), 1), (("A", "", "", "", "", "Gen", "Gen b"), 1))
    )
    assert conflicts == []
    assert lineages[1] == ("A", None, None, None, None, "Gen", "Gen b")


names = st.sampled_from(["a", "b", "c", ""])


@given(st.lists(st.tuples(*[names.map(lambda n, r=r: f"{n}{r}" if n else "") for r in range(len(RANKS))]), max_size=12))
def test_after_resolution_no_taxon_has_two_parents(rows: list[tuple[str, ...]]) -> None:
    made = LineageBook(RANKS)
    for line, row in enumerate(rows, start=1):
        made.add(tuple(name.upper() for name in row), line)
    lineages, _ = resolve_conflicts(made)
    for rank in range(1, len(RANKS)):
        for name in {lineage[rank] for lineage in lineages} - {None}:
            for above in range(rank):
                parents = {lineage[above] for lineage in lineages if lineage[rank] == name} - {None}
                assert len(parents) <= 1


DUMP = (
    "1\t|\tClostridioides difficile\t|\t\t|\tscientific name\t|\n"
    "1\t|\tClostridium difficile\t|\t\t|\tsynonym\t|\n"
    "2\t|\tAus bus\t|\t\t|\tscientific name\t|\n"
    "3\t|\tAus bus\t|\t\t|\tsynonym\t|\n"
    "3\t|\tCus dus\t|\t\t|\tscientific name\t|\n"
)


def test_synonyms_are_replaced_where_unambiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "names.dmp", DUMP)
    monkeypatch.setenv("NCBI_TAXDUMP", str(tmp_path))
    made = book((("B", "", "", "", "", "", "Clostridium_difficile"), 1), (("B", "", "", "", "", "", "Aus bus"), 1))
    assert accepted_names(made) == 1
    assert [lineage[-1] for lineage in made.lineages] == ["Clostridioides_difficile", "Aus bus"]


def test_synonyms_without_the_dump_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NCBI_TAXDUMP", raising=False)
    with pytest.raises(UsageError, match=r"names\.dmp.*NCBI_TAXDUMP"):
        accepted_names(book(*NEAR))
