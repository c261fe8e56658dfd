"""The committed split: the same on every machine, whatever the spelling, in the shares it promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abyssal.splits import encoder_may_train_on, genus_part, species_part


@pytest.mark.parametrize(
    ("name", "value"),
    # SHA-256 of "abyssal-held-out-1:species:<name>", first eight bytes as a fraction, computed outside the library.
    [("Calanus finmarchicus", 0.599), ("Emiliania_huxleyi", 0.149), ("Mytilus edulis", 0.143), ("Homo sapiens", 0.177)],
)
def test_the_split_never_changes(name: str, value: float) -> None:
    assert species_part(name) == ("train" if value >= 0.2 else "report" if value >= 0.1 else "calibrate")


@given(st.from_regex(r"[A-Z][a-z]{2,9} [a-z]{3,9}", fullmatch=True))
def test_spelling_does_not_matter(name: str) -> None:
    assert species_part(name) == species_part(f" {name.upper()} ") == species_part(name.replace(" ", "_"))


def test_shares_are_as_promised() -> None:
    species = [species_part(f"Aus bus{number}") for number in range(20_000)]
    genera = [genus_part(f"Aus{number}") for number in range(20_000)]
    assert species.count("train") / 20_000 == pytest.approx(0.80, abs=0.01)
    assert species.count("report") / 20_000 == pytest.approx(0.10, abs=0.01)
    assert genera.count("train") / 20_000 == pytest.approx(0.90, abs=0.01)


def test_a_held_out_genus_or_species_bars_training() -> None:
    held_out = next(f"Aus{n}" for n in range(100) if genus_part(f"Aus{n}") != "train")
    free = next(f"Aus{n}" for n in range(100) if genus_part(f"Aus{n}") == "train")
    species = next(f"Aus bus{n}" for n in range(100) if species_part(f"Aus bus{n}") == "report")
    assert not encoder_may_train_on(held_out, None)
    assert not encoder_may_train_on(free, species)
    assert encoder_may_train_on(free, None)
    assert encoder_may_train_on(None, None)
