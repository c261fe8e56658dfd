"""Reads that the model leaves open are searched by alignment, within a budget, and judged by the same calibrators."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from support.evolved_taxa import mutate

from abyssal.config.fallback import FallbackConfig
from abyssal.errors import ConfigError, ToolError, ToolTimeoutError
from abyssal.sequences.alphabet import reverse_complement
from abyssal.taxonomy.classifications import Source, tsv_rows
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fallback import HITS, BlastSearch, Budget, Fallback, Revision, VsearchSearch

from .conftest import Trained

EVERYTHING = Budget(share=1.0)


@pytest.fixture(scope="module")
def reads(trained: Trained) -> list[str]:
    """Known taxa at a distance, taxa that are new, and two reads without an answer."""
    rng = np.random.default_rng(4)
    far = [mutate(sequence, 0.09, rng) for sequence in trained.reference.sequences[::9]]
    return [*far, *trained.new_genus, reverse_complement(trained.new_species[0]), "ACGT", "AC!GT" * 50]


@pytest.fixture(scope="module")
def fallback(trained: Trained) -> Iterator[Fallback]:
    if shutil.which("vsearch") is None:
        pytest.skip("vsearch is not installed")
    with Fallback(trained.classifier, rank="species") as opened:
        yield opened


def rows(classifier: Classifier, answers: object) -> list[str]:
    count = len(answers)  # type: ignore[arg-type]
    return tsv_rows(["x"] * count, answers)  # type: ignore[arg-type]


def test_what_is_searched_says_so_and_the_rest_stays(trained: Trained, fallback: Fallback, reads: list[str]) -> None:
    before = trained.classifier.classify(reads)
    after, gain = fallback.revise(reads, before, EVERYTHING)
    searched = after.source == Source.FALLBACK
    assert gain.open == gain.searched == searched.sum() > 10
    assert (before.accepted[searched] < len(before.ranks) - 1).all()
    assert not np.isnan(after.nearest_identity[searched]).any()
    old, new = rows(trained.classifier, before), rows(trained.classifier, after)
    assert [new[row] for row in np.flatnonzero(~searched)] == [old[row] for row in np.flatnonzero(~searched)]
    assert all("\tfallback\t" in new[row] for row in np.flatnonzero(searched))
    assert after.errors[-2:] == before.errors[-2:]
    assert (after.source[-2:] == Source.REJECTED).all()


def test_the_answer_of_a_searched_read_does_not_depend_on_company(
    trained: Trained, fallback: Fallback, reads: list[str]
) -> None:
    together, _ = fallback.revise(reads, trained.classifier.classify(reads), EVERYTHING)
    expected = rows(trained.classifier, together)
    for row in (0, 7, len(trained.reference.sequences[::9]) + 2):
        alone, _ = fallback.revise([reads[row]], trained.classifier.classify([reads[row]]), EVERYTHING)
        assert rows(trained.classifier, alone)[0] == expected[row]


def test_the_budget_caps_the_share_and_takes_the_hardest(
    trained: Trained, fallback: Fallback, reads: list[str]
) -> None:
    before = trained.classifier.classify(reads)
    after, gain = fallback.revise(reads, before, Budget(share=0.2))
    searched = after.source == Source.FALLBACK
    assert gain.searched == int(0.2 * len(set(reads)))
    open_reads = (before.accepted < 4) & (before.source != Source.REJECTED)
    left = before.confidence[open_reads & ~searched, 4]
    assert before.confidence[searched, 4].max() <= left.min()


def test_the_report_says_why_few_reads_are_searched(trained: Trained, fallback: Fallback, reads: list[str]) -> None:
    few = reads[:3]
    revision = Revision(fallback, Budget())
    revision(few, trained.classifier.classify(few))
    assert "0 searched in 0.0 s (at most 10% of all may be)" in revision.report()


def test_no_time_and_no_share_change_nothing(trained: Trained, fallback: Fallback, reads: list[str]) -> None:
    before = trained.classifier.classify(reads)
    for budget in (Budget(share=0.0), Budget(share=1.0, seconds=0.0)):
        after, gain = fallback.revise(reads, before, budget)
        assert gain.searched == 0
        assert rows(trained.classifier, after) == rows(trained.classifier, before)


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_a_program_that_fails_is_an_error_and_one_without_time_is_none(
    trained: Trained, reads: list[str], monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    before = trained.classifier.classify(reads)
    with Fallback(trained.classifier) as fallback:

        def ends_late(*_: object, **__: object) -> None:
            message = "vsearch did not end within 60 s"
            raise ToolTimeoutError(message)

        monkeypatch.setattr("abyssal.taxonomy.fallback.run_tool", ends_late)
        assert fallback.revise(reads, before, Budget(share=1.0, seconds=seconds))[1].searched == 0
        monkeypatch.undo()
        (Path(fallback._folder.name) / "reference.udb").unlink()
        with pytest.raises(ToolError, match="ended with status"):
            fallback.revise(reads, before, Budget(share=1.0, seconds=seconds))


def test_equal_reads_are_searched_once_and_answered_alike(
    trained: Trained, fallback: Fallback, reads: list[str]
) -> None:
    many = [reads[0]] * 30 + [reads[1]]
    after, gain = fallback.revise(many, trained.classifier.classify(many), EVERYTHING)
    assert gain.reads == gain.searched == 2
    assert len(set(rows(trained.classifier, after)[:30])) == 1


def test_an_amplicon_that_only_the_search_finds_is_named(trained: Trained, reads: list[str]) -> None:
    """The short list is forced to miss; what the search finds is then the nearest."""
    index = trained.model.index
    sequences = [mutate(index.reference.sequences[place], 0.005, np.random.default_rng(place)) for place in (3, 90)]
    hits = np.array([[3, -1], [90, -1]])
    usual = trained.classifier.classify(sequences)
    given = trained.classifier.classify(sequences, hits=hits)
    assert given.labels == usual.labels
    assert [index.reference.ids[3], index.reference.ids[90]] == list(given.nearest_id)


@pytest.mark.parametrize(("program", "search"), [("vsearch", VsearchSearch), ("blastn", BlastSearch)])
def test_programs_find_the_nearest_amplicon(
    program: str, search: type[VsearchSearch] | type[BlastSearch], trained: Trained, tmp_path: Path
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    reference = trained.reference
    rng = np.random.default_rng(9)
    places = list(range(0, len(reference), 17))
    found = search(reference, tmp_path).hits([mutate(reference.sequences[place], 0.004, rng) for place in places])
    assert found.shape == (len(places), HITS)
    near = [
        reference.members[int(row[0])][0][1] == reference.members[place][0][1]
        for row, place in zip(found, places, strict=True)
    ]
    assert np.mean(near) > 0.9


def test_the_configuration_chooses_the_program(trained: Trained) -> None:
    assert Fallback.configured(trained.classifier, FallbackConfig()) is None
    with pytest.raises(ConfigError, match=r"fallback\.rank: no rank 'tribe'; expected one of kingdom"):
        Fallback.configured(trained.classifier, FallbackConfig(method="vsearch", rank="tribe"))


def test_gain_counts_are_those_of_the_answers(trained: Trained, fallback: Fallback, reads: list[str]) -> None:
    before = trained.classifier.classify(reads)
    after, gain = fallback.revise(reads, before, EVERYTHING)
    for place, rank in enumerate(before.ranks):
        deeper = int(((before.accepted < place) & (after.accepted >= place)).sum())
        assert gain.deeper[rank] <= deeper
        assert gain.deeper[rank] - gain.lost[rank] == deeper - int(
            ((before.accepted >= place) & (after.accepted < place)).sum()
        )
    assert {field.name for field in fields(gain)} >= {"reads", "open", "searched", "changed", "seconds"}
