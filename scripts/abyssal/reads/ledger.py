"""Every read of every library, from the raw file to the count table, with the step and the reason of each loss.

``ledger.tsv`` is long: one row for each library, step and reason of loss, and one row with an empty reason for a step
that lost nothing. ``reads_in`` and ``reads_out`` belong to the step and repeat on its rows; ``reads_lost`` is the
row's own. A pair of reads counts as one read. The steps of a library are those of ``counts.STEPS``; a library of
ready-made ASVs has no steps between raw and map_back, and the reads that demultiplexing gives to no library are one
more "library" that ends there.

Two rules hold, or the run stops with the library and the step: what goes into a step is what came out of the one
before, and what goes into a step is what comes out of it plus its named losses.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

from abyssal.errors import DataError, LedgerError
from abyssal.files import open_atomic
from abyssal.reads.counts import OPTIONAL_STEPS, READ_STEPS, STEPS, StepCounts
from abyssal.reads.filtering import TOO_MANY_ERRORS
from abyssal.reads.map_back import ASV, CHIMERA, UNMATCHED, Assignment
from abyssal.reads.removals import Removal
from abyssal.reads.table import CountTable

COLUMNS = ("library", "sample", "step", "reads_in", "reads_out", "loss_reason", "reads_lost")

_LOSS_OF_KIND = {CHIMERA: "chimera", UNMATCHED: "no_asv_near"}
_LOSS_OF_POOR = {CHIMERA: "chimera", UNMATCHED: TOO_MANY_ERRORS}


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of ``ledger.tsv``; see the module's text."""

    library: str
    sample: str
    step: str
    reads_in: int
    reads_out: int
    loss_reason: str
    reads_lost: int


def count_library(
    library: str,
    sizes: Iterable[tuple[str, int]],
    assignments: Mapping[str, Assignment],
    poor: Iterable[tuple[str, int]] = (),
) -> tuple[dict[str, int], StepCounts]:
    """Count a library's reads towards ASVs and return the counts of step map_back beside them.

    Args:
        library: name used in errors.
        sizes: (unique sequence, reads) of the library.
        assignments: where each unique sequence of the pool went.
        poor: sequences and reads that had too many expected errors to make a variant; those near none are lost as such.

    Raises:
        LedgerError: the library has a sequence that the pool does not have.
    """
    reads_of: dict[str, int] = {}
    losses: dict[str, int] = {}
    reads_in = ties = 0
    pooled = ((unique, reads, _LOSS_OF_KIND) for unique, reads in sizes)
    set_aside = ((unique, reads, _LOSS_OF_POOR) for unique, reads in poor)
    for unique, reads, loss_of_kind in chain(pooled, set_aside):
        reads_in += reads
        found = assignments.get(unique)
        if found is None:
            message = (
                f"library {library}, step map_back: {reads} reads of sequence {unique} are in the library but not in "
                "the pool that was denoised. A file between them was altered; delete preprocess/ and run again"
            )
            raise LedgerError(message)
        if found.kind == ASV:
            reads_of[found.target] = reads_of.get(found.target, 0) + reads
            ties += reads if found.equally_near > 1 else 0
        else:
            reason = loss_of_kind[found.kind]
            losses[reason] = losses.get(reason, 0) + reads
    return reads_of, StepCounts(library, "map_back", reads_in, sum(reads_of.values()), losses, {"ties": ties})


def removal_counts(
    step: str, before: CountTable, after: CountTable, removals: Sequence[Removal]
) -> dict[str, StepCounts]:
    """Return the counts of a step on the table by library; the losses are the removals that it names.

    Raises:
        LedgerError: the removals do not explain what the table lost.
    """
    losses: dict[str, dict[str, int]] = {library: {} for library in before.columns}
    for removal in removals:
        reasons = losses[removal.library]
        reasons[removal.reason] = reasons.get(removal.reason, 0) + removal.reads_removed
    left = after.totals()
    return {
        library: StepCounts(library, step, reads, left[library], losses[library])
        for library, reads in before.totals().items()
    }


def check_chain(steps: Sequence[StepCounts]) -> None:
    """Check that the steps of one library follow each other without a gap.

    Raises:
        LedgerError: a step is missing, out of order, or received another number of reads than the step before left.
    """
    names = [step.step for step in steps]
    needed = [step for step in STEPS if step not in OPTIONAL_STEPS]
    without_reads = [step for step in needed if step not in READ_STEPS]
    # What demultiplexing gives to no library ends there.
    whole = names == ["raw", "demultiplex"] or [name for name in names if name in needed] in (needed, without_reads)
    if not whole or names != sorted(set(names), key=STEPS.index):
        library = steps[0].library if steps else "?"
        message = f"library {library}: the ledger has the steps {', '.join(names)}; expected {', '.join(needed)}"
        raise LedgerError(message)
    for previous, step in pairwise(steps):
        step.follows(previous)


def ledger_rows(steps: Mapping[str, Sequence[StepCounts]], sample_of: Mapping[str, str]) -> list[LedgerRow]:
    """Return the rows of the ledger after checking every library's chain.

    Args:
        steps: the steps of each library, in order.
        sample_of: the sample of each library.
    """
    rows = []
    for library, done in steps.items():
        check_chain(done)
        for step in done:
            for reason, lost in step.losses.items() or [("", 0)]:
                rows.append(
                    LedgerRow(library, sample_of[library], step.step, step.reads_in, step.reads_out, reason, lost)
                )
    return rows


def check_table(rows: Iterable[LedgerRow], table: CountTable) -> None:
    """Check that each sample's column holds the reads that its libraries have left after their last step.

    Raises:
        LedgerError: names the sample and both numbers. Samples without a column must have no reads left.
    """
    last = {(row.library, row.sample): row.reads_out for row in rows}
    left: dict[str, int] = dict.fromkeys(table.columns, 0)
    for (_, sample), reads in last.items():
        left[sample] = left.get(sample, 0) + reads
    totals = table.totals()
    for sample, reads in left.items():
        if totals.get(sample, 0) != reads:
            message = f"sample {sample}: the ledger ends with {reads} reads, the table holds {totals.get(sample, 0)}"
            raise LedgerError(message)


def write_ledger(target: Path, rows: Iterable[LedgerRow]) -> None:
    """Write ``ledger.tsv``."""
    with open_atomic(target) as out:
        out.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            cells = (row.library, row.sample, row.step, row.reads_in, row.reads_out, row.loss_reason, row.reads_lost)
            out.write("\t".join(map(str, cells)) + "\n")


def read_ledger(source: Path) -> list[LedgerRow]:
    """Read ``ledger.tsv``.

    Raises:
        DataError: the columns are others.
    """
    with source.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t")
        header = tuple(next(rows, ()))
        if header != COLUMNS:
            message = f"{source}: expected the columns {', '.join(COLUMNS)}, found {', '.join(header)}"
            raise DataError(message)
        return [LedgerRow(row[0], row[1], row[2], int(row[3]), int(row[4]), row[5], int(row[6])) for row in rows]
