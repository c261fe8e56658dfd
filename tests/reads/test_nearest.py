"""The nearest variants are those that aligning a read to every variant would find, ties included."""

from __future__ import annotations

import edlib
from hypothesis import given, settings
from hypothesis import strategies as st

from abyssal.reads.nearest import NOTHING, VariantIndex

LETTERS = st.sampled_from("ACGT")


@st.composite
def families(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Variants that descend from one another, and reads of them with a few edits."""
    base = draw(st.text(LETTERS, min_size=1, max_size=120))
    made = [base]
    for _ in range(draw(st.integers(1, 25))):
        made.append(_edited(draw, draw(st.sampled_from(made)), 3))
    cut = draw(st.integers(1, len(made)))
    return list(dict.fromkeys(made[:cut])), made


def _edited(draw: st.DrawFn, sequence: str, most: int) -> str:
    for _ in range(draw(st.integers(0, most))):
        place = draw(st.integers(0, len(sequence) - 1))
        letter = draw(st.sampled_from(["", "A", "C", "G", "T", "N", "CA"]))
        sequence = (sequence[:place] + letter + sequence[place + 1 :]) or "A"
    return sequence


@settings(max_examples=150, deadline=None)
@given(families(), st.sampled_from([0.0, 0.8, 0.9, 0.97, 1.0]))
def test_no_variant_is_nearer_and_no_tie_is_missed(made: tuple[list[str], list[str]], identity: float) -> None:
    variants, reads = made
    for read, found in zip(reads, VariantIndex(variants).nearest(reads, identity=identity), strict=True):
        distances = {
            place: edlib.align(read, variant, mode="NW", task="distance")["editDistance"]
            for place, variant in enumerate(variants)
        }
        near = {
            place: distance
            for place, distance in distances.items()
            if distance <= (1 - identity) * max(len(read), len(variants[place])) + 1e-9
        }
        if not near:
            assert found == NOTHING
            continue
        least = min(near.values())
        assert found.distance == least
        assert found.places == tuple(place for place, distance in near.items() if distance == least)


def test_no_variants_and_no_reads() -> None:
    assert list(VariantIndex([]).nearest(["ACGT"], identity=0.9)) == [NOTHING]
    assert list(VariantIndex(["ACGT"]).nearest([], identity=0.9)) == []
