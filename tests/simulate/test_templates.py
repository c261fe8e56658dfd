"""Reading templates, variants, cutting, chimeras."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from abyssal.errors import AbyssalError, ReferenceFormatError, UsageError
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference
from abyssal.sequences.alphabet import reverse_complement
from abyssal.simulate.chimeras import make_chimeras
from abyssal.simulate.templates import (
    Template,
    add_variants,
    cut_templates,
    read_templates,
    take_out,
    templates_from_reference,
)

from .conftest import FORWARD, REVERSE, make_templates

RNG = np.random.default_rng


def test_degenerate_letters_are_resolved_to_bases_they_stand_for(tmp_path: Path) -> None:
    fasta = tmp_path / "t.fasta"
    fasta.write_text(">a\n" + "acguRYN" * 10 + "\n")
    (template,) = read_templates(fasta, RNG(1))
    assert set(template.sequence[4::7]) == {"A", "G"}
    assert set(template.sequence[5::7]) == {"C", "T"}
    assert template.sequence[:4] == "ACGT"


def test_lineages_come_from_the_table_and_gaps_are_unknown(tmp_path: Path) -> None:
    fasta, table = tmp_path / "t.fasta", tmp_path / "l.tsv.gz"
    fasta.write_text(">a\n" + "ACGT" * 10 + "\n")
    with gzip.open(table, "wt") as out:
        out.write("id\tgenus\tspecies\na\t\tSome species\n")
    (template,) = read_templates(fasta, RNG(1), lineages=table)
    assert template.lineage == (None, "Some species")


@pytest.mark.parametrize(
    ("fasta", "table", "message"),
    [
        (">a\nACGT\n", None, "4 bp, expected at least 20"),
        (">a\n" + "ACGT" * 10 + "Z\n", None, "'Z' at position 41"),
        ((">a\n" + "ACGT" * 10 + "\n") * 2, None, "occurs twice"),
        ("", None, "no sequences"),
        (">a\n" + "ACGT" * 10 + "\n", "id\tgenus\nb\tB\n", "no row in"),
        (">a\n" + "ACGT" * 10 + "\n", "id\tgenus\na\n", "row 2: 1 cells, expected 2"),
        (">a\n" + "ACGT" * 10 + "\n", "", "row 1: expected tab-separated columns"),
    ],
    ids=["short", "letter", "twice", "empty", "no lineage", "narrow row", "empty table"],
)
def test_wrong_templates_say_where(tmp_path: Path, fasta: str, table: str | None, message: str) -> None:
    (tmp_path / "t.fasta").write_text(fasta)
    lineages = None
    if table is not None:
        lineages = tmp_path / "l.tsv"
        lineages.write_text(table)
    with pytest.raises(AbyssalError, match=message):
        read_templates(tmp_path / "t.fasta", RNG(1), lineages=lineages)


def test_a_checked_reference_gives_the_lineage_its_members_share() -> None:
    pairs = ((("x", ("G", "s1")), ("y", ("G", "s2"))),)
    reference = AmpliconReference(("genus", "species"), ("a",), ("ACGT" * 10,), pairs)
    assert templates_from_reference(reference)[0].lineage == ("G", None)


def test_variants_differ_a_little_and_name_their_template() -> None:
    originals = make_templates(50)
    everything = add_variants(originals, RNG(2), mean=1.0, divergence=0.01)
    variants = everything[50:]
    assert everything[:50] == originals
    assert 30 < len(variants) < 75
    parents = {template.id: template for template in originals}
    changes = []
    for variant in variants:
        parent = parents[variant.parent or ""]
        assert (variant.label, variant.lineage) == (parent.label, parent.lineage)
        changes.append(sum(a != b for a, b in zip(variant.sequence, parent.sequence, strict=True)))
    assert min(changes) >= 1
    assert np.mean(changes) == pytest.approx(3.8, rel=0.25)


def test_templates_taken_out_are_gone_from_the_rest() -> None:
    taken, rest = take_out(make_templates(10), 3, RNG(1), label="contaminant")
    assert {template.label for template in taken} == {"contaminant"}
    assert {t.id for t in taken} | {t.id for t in rest} == {f"T{i:03d}" for i in range(10)}
    assert len(rest) == 7
    with pytest.raises(UsageError, match="nothing would be left"):
        take_out(rest, 7, RNG(1), label="contaminant")


def test_longer_templates_are_cut_between_the_primers() -> None:
    marker = ResolvedMarker("V4", FORWARD, REVERSE, 100, 500)
    inside = make_templates(1)[0].sequence
    primed = FORWARD.replace("S", "C").replace("Y", "T") + inside
    primed += reverse_complement(REVERSE.replace("Y", "C").replace("R", "A"))
    whole = [Template("a", "TTGACC" * 5 + primed + "GGCATT" * 5), Template("b", "ACGTTGCA" * 50)]
    assert [t.sequence for t in cut_templates(whole, marker)] == [inside]
    with pytest.raises(UsageError, match="both primer sites"):
        cut_templates(whole[1:], marker)


def test_a_reference_that_is_no_text_is_refused(tmp_path: Path) -> None:
    fasta = tmp_path / "t.fasta"
    fasta.write_text(">a\n" + "ACGT" * 10 + "\n")
    with pytest.raises(UsageError, match="no such table"):
        read_templates(fasta, RNG(1), lineages=tmp_path / "absent.tsv")
    with pytest.raises(ReferenceFormatError, match="row 1"):
        read_templates(fasta, RNG(1), lineages=fasta)


def test_chimeras_are_distinct_and_follow_abundance() -> None:
    sequences = [template.sequence for template in make_templates(8, genera=1)]
    weights = np.array([0.4, 0.4, 0.04, 0.04, 0.03, 0.03, 0.03, 0.03])
    chimeras = make_chimeras(sequences, weights, 60, RNG(1), three_parents=0.0)
    assert len({chimera.sequence for chimera in chimeras}) == len(chimeras) == 60
    assert not {chimera.sequence for chimera in chimeras} & set(sequences)
    parents = [parent for chimera in chimeras for parent in chimera.parents]
    # Two of eight: a quarter, were abundance without effect; alike sequences run out of distinct chimeras before .7.
    assert (parents.count(0) + parents.count(1)) / len(parents) > 0.4


def test_one_template_makes_no_chimera() -> None:
    assert make_chimeras(["ACGT" * 90] * 2, np.array([1.0, 0.0]), 5, RNG(1), three_parents=0.1) == []
