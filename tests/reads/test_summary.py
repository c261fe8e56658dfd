"""The remark of a library says what became of most of its reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from abyssal.reads.counts import StepCounts
from abyssal.reads.summary import remark
from abyssal.samples.model import Library

LIBRARY = Library("a", "a", "1", "18S", "paired", (Path("1.fastq"), Path("2.fastq")), "", 2, None, None, None, {})
STEPS = ("raw", "trim", "merge", "filter", "map_back", "controls")


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({"no_primer": 90}, "90 of 100 reads have no primer of this marker"),
        ({"no_primer": 70, "too_short_after_trimming": 20}, "70 of 100 reads have no primer of this marker"),
        ({"too_short_after_trimming": 80, "no_primer": 10}, "80 of 100 reads are too short once their primers are cut"),
        ({"no_primer": 30, "too_short_after_trimming": 10}, ""),
    ],
)
def test_what_trimming_took(losses: dict[str, int], words: str) -> None:
    left = 100 - sum(losses.values())
    chain = {name: StepCounts("a", name, left, left, {}, {}) for name in STEPS}
    chain |= {"raw": StepCounts("a", "raw", 100, 100, {}, {}), "trim": StepCounts("a", "trim", 100, left, losses, {})}
    found = remark(LIBRARY, chain)
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_an_empty_file_is_said_to_be_empty() -> None:
    chain = {name: StepCounts("a", name, 0, 0, {}, {}) for name in STEPS}
    assert remark(LIBRARY, chain) == "the file has no reads"
    assert remark(replace(LIBRARY, kind="asvs"), chain) == "the table has no reads of it"
