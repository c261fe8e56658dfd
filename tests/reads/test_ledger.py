"""One missing read stops the run with the library and the step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.amplicons import Sequencer, random_sequence
from support.reads_chain import Chain, library

from abyssal.errors import DataError, LedgerError
from abyssal.reads.counts import STEPS, StepCounts, read_counts, write_counts
from abyssal.reads.ledger import (
    LedgerRow,
    check_chain,
    check_table,
    count_library,
    ledger_rows,
    read_ledger,
    write_ledger,
)
from abyssal.reads.map_back import Assignment
from abyssal.reads.table import CountTable

REASONS = st.dictionaries(st.sampled_from(["short", "poor", "chimera"]), st.integers(0, 100), max_size=3)


def chain_of(reads: int, losses: list[dict[str, int]]) -> list[StepCounts]:
    steps = []
    for name, lost in zip(STEPS, losses, strict=True):
        steps.append(StepCounts("lib", name, reads, reads - sum(lost.values()), lost))
        reads -= sum(lost.values())
    return steps


@given(st.lists(REASONS, min_size=len(STEPS), max_size=len(STEPS)), st.integers(0, 1000))
def test_every_balanced_chain_is_accepted_and_every_other_refused(losses: list[dict[str, int]], left: int) -> None:
    start = left + sum(sum(lost.values()) for lost in losses)
    steps = chain_of(start, losses)
    rows = ledger_rows({"lib": steps}, {"lib": "sample"})
    assert sum(row.reads_lost for row in rows) == start - left
    check_table(rows, CountTable.from_columns({"sample": {"asv": left} if left else {}}))
    for position, step in enumerate(steps):
        altered = StepCounts("lib", step.step, step.reads_in + 1, step.reads_out + 1, step.losses)
        with pytest.raises(LedgerError, match="library lib"):
            check_chain([*steps[:position], altered, *steps[position + 1 :], *([altered] if position == 7 else [])])


@pytest.mark.parametrize("out", [4, 6, -1])
def test_a_step_whose_losses_do_not_add_up_is_refused(out: int) -> None:
    with pytest.raises(LedgerError, match="library lib, step filter: 8 reads went in"):
        StepCounts("lib", "filter", 8, out, {"poor": 3})


def test_a_negative_loss_is_refused() -> None:
    with pytest.raises(LedgerError, match="library lib, step filter"):
        StepCounts("lib", "filter", 8, 9, {"poor": -1})


def test_a_missing_step_is_refused() -> None:
    steps = chain_of(5, [{} for _ in STEPS])
    with pytest.raises(LedgerError, match="library lib: the ledger has the steps"):
        check_chain(steps[:2] + steps[3:])


def test_a_table_with_other_reads_is_refused() -> None:
    rows = [LedgerRow("lib", "sample", STEPS[-1], 5, 5, "", 0), LedgerRow("lib2", "sample", STEPS[-1], 2, 2, "", 0)]
    check_table(rows, CountTable.from_columns({"sample": {"asv": 7}}))
    for table in ({"sample": {"asv": 6}}, {"sample": {"asv": 7}, "other": {"asv": 1}}, {}):
        with pytest.raises(LedgerError, match="the ledger ends with"):
            check_table(rows, CountTable.from_columns(table))


def test_a_sequence_that_was_not_in_the_pool_is_refused() -> None:
    with pytest.raises(LedgerError, match="library lib, step map_back: 3 reads of sequence b"):
        count_library("lib", [("a", 2), ("b", 3)], {"a": Assignment("a", "unmatched")})


def test_counts_and_ledger_survive_a_round_trip(tmp_path: Path) -> None:
    steps = chain_of(90, [{"poor": number, "short": 1} for number, _ in enumerate(STEPS[:-4])] + [{}] * 4)
    write_counts(tmp_path / "c.json", steps)
    assert read_counts(tmp_path / "c.json") == steps
    rows = ledger_rows({"lib": steps}, {"lib": "sample"})
    write_ledger(tmp_path / "ledger.tsv", rows)
    assert read_ledger(tmp_path / "ledger.tsv") == rows


def test_counts_and_ledgers_of_another_form_are_refused(tmp_path: Path) -> None:
    write_counts(tmp_path / "c.json", chain_of(1, [{} for _ in STEPS]))
    newer = (tmp_path / "c.json").read_text().replace('"format_version": 1', '"format_version": 2')
    (tmp_path / "c.json").write_text(newer)
    with pytest.raises(DataError, match="expected abyssal-step-counts version 1"):
        read_counts(tmp_path / "c.json")
    (tmp_path / "ledger.tsv").write_text("library\tstep\n")
    with pytest.raises(DataError, match="expected the columns library, sample, step"):
        read_ledger(tmp_path / "ledger.tsv")


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Chain, list]:
    rng = np.random.default_rng(6)
    kinds = [random_sequence(rng, 180) for _ in range(3)]
    rows = [library(name, *Sequencer().write(tmp_path, name, kinds * 4)) for name in ("a", "b")]
    return Chain(tmp_path / "out"), rows


@pytest.mark.parametrize("step", ["uniques", "counts"])
def test_a_read_deleted_before_the_pool_is_noticed(chain: tuple[Chain, list], step: str) -> None:
    """What each rule hands on is checked by the next one; here the hand-over from libraries to the study."""
    running, rows = chain
    files = {row.library: running.prepare(row) for row in rows}
    if step == "uniques":
        text = files["b"].uniques.read_text()
        files["b"].uniques.write_text(text.replace(";size=4", ";size=3", 1))
    else:
        text = files["b"].counts[2].read_text()
        files["b"].counts[2].write_text(text.replace('"reads_out": 12', '"reads_out": 11').replace(
            '"reads_in": 12', '"reads_in": 11'))  # fmt: skip
    running.prepared = files
    with pytest.raises(LedgerError, match=r"library b, step (map_back|filter)"):
        running.run(rows)
