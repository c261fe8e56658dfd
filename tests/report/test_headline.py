"""The first lines say what was lost most and why names end where they end; nothing lost is drawn as well."""

from __future__ import annotations

from dataclasses import replace

from abyssal.reads.ledger import LedgerRow
from abyssal.report.headline import make_headline
from abyssal.report.inputs import read_results
from abyssal.report.reads_section import reads_section


def test_the_largest_loss_is_named(make_study) -> None:
    study = make_study()
    results = read_results(study.files(), study.facts())
    lost = {}
    for row in results.ledger:
        lost[row.loss_reason] = lost.get(row.loss_reason, 0) + row.reads_lost
    words = make_headline(results, ()).paragraphs[0]
    assert f"The largest loss, {max(lost.values()):,} (" in words


def test_half_of_the_reads_are_so_near_to_the_reference(make_study) -> None:
    study = make_study()
    results = read_results(study.files(), study.facts())
    reads = dict(zip(results.table.features, results.table.counts.sum(axis=1).tolist(), strict=True))
    order = sorted(results.answers.rows, key=lambda row: reads[row.asv])
    rows = [replace(row, nearest=0.99 if row is order[-1] else 0.7) for row in order]
    half = 2 * reads[order[-1].asv] > sum(reads.values())
    words = make_headline(replace(results, answers=replace(results.answers, rows=rows)), ()).paragraphs[1]
    assert f"at most {'99.0' if half else '70.0'}\u00a0% identical to the nearest reference sequence." in words
    same = [replace(row, nearest=0.7 if row is order[0] else 1.0) for row in order]
    share = 100 * (1 - reads[order[0].asv] / sum(reads.values()))
    words = make_headline(replace(results, answers=replace(results.answers, rows=same)), ()).paragraphs[1]
    assert f"{share:.1f}\u00a0% of the reads are identical to a reference sequence." in words
    assert "at most" not in words
    unknown = [replace(row, nearest=None) for row in rows]
    words = make_headline(replace(results, answers=replace(results.answers, rows=unknown)), ()).paragraphs[1]
    assert "identical" not in words


def test_a_study_that_lost_nothing(make_study) -> None:
    study = make_study()
    results = read_results(study.files(), study.facts())
    whole = [LedgerRow("a", "a", step, 50, 50, "", 0) for step in ("raw", "map_back", "controls")]
    results = replace(results, ledger=whole)
    (figure,) = reads_section(results).figures
    assert figure.traces[0]["node"]["label"] == ["raw", "kept"]
    assert figure.traces[0]["link"]["value"] == (50,)
    assert "largest loss" not in make_headline(results, ()).paragraphs[0]


def test_one_reason_in_two_steps_has_two_names(make_study) -> None:
    study = make_study()
    steps = [
        LedgerRow("a", "a", "raw", 50, 50, "", 0),
        LedgerRow("a", "a", "filter", 50, 40, "too_many_expected_errors", 10),
        LedgerRow("a", "a", "map_back", 40, 35, "too_many_expected_errors", 5),
        LedgerRow("a", "a", "controls", 35, 35, "", 0),
    ]
    (figure,) = reads_section(replace(read_results(study.files(), study.facts()), ledger=steps)).figures
    names = figure.traces[0]["node"]["label"][-2:]
    assert names == ["too many expected errors (filter)", "too many expected errors (map back)"]
