"""Remove what jumped between libraries of a run, then what the negative controls explain.

Tag jumps come first: an abundant ASV leaks into the blanks of its run as it leaks into every other library, and a blank
must not speak against an ASV for reads that the blank itself owes to it. Libraries are compared, not samples, since a
control is a library and has a library's depth. Every read removed is named, with the control that removed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abyssal.files import open_atomic
from abyssal.reads.table import CountTable

AT_OR_BELOW_CONTROL = "at_or_below_control"
AS_PREVALENT_IN_CONTROLS = "as_prevalent_in_controls"
NEGATIVE_CONTROL = "negative_control"
_COLUMNS = ("asv", "library", "sample", "reads_before", "reads_removed", "reason", "control", "control_reads")

Method = Literal["maximum", "prevalence", "none"]


@dataclass(frozen=True, slots=True)
class Removal:
    """Reads of one ASV taken out of one library, why, and because of which control."""

    asv: str
    library: str
    reads_before: int
    reads_removed: int
    reason: str
    control: str
    control_reads: int


def remove_tag_jumps(table: CountTable, runs: Sequence[str], *, rate: float) -> CountTable:
    """Zero counts smaller than ``rate`` times the ASV's reads in the same run.

    Args:
        table: columns are libraries.
        runs: the run of each column.
        rate: share of an ASV's reads that may jump, 0 to 0.05; 0 changes nothing.
    """
    counts = table.counts.copy()
    for run in sorted(set(runs)):
        members = np.array([name == run for name in runs])
        limit = rate * counts[:, members].sum(axis=1, keepdims=True)
        part = counts[:, members]
        counts[:, members] = np.where(part < limit, 0, part)
    return CountTable(table.features, table.columns, counts)


def apply_controls(
    table: CountTable, negative: Sequence[str], *, method: Method, positive: Sequence[str] = ()
) -> tuple[CountTable, list[Removal]]:
    """Take out what the negative controls explain, and the controls' own reads.

    Args:
        table: columns are libraries.
        negative: libraries that are blanks.
        method: ``maximum`` zeroes a count that does not exceed the ASV's largest count in a blank; ``prevalence``
            removes an ASV that is in no larger share of the samples than of the blanks; ``none`` leaves table and
            controls alone.
        positive: libraries that are positive controls; prevalence does not count them as samples.

    Returns:
        The table with the same rows and columns, and every removal, by ASV and library.
    """
    if method == "none" or not negative:
        return table, []
    blank = np.array([column in set(negative) for column in table.columns])
    if method == "maximum":
        removed, reason = _not_above_maximum(table, blank), AT_OR_BELOW_CONTROL
    else:
        known = np.array([column in set(positive) for column in table.columns])
        removed, reason = _not_more_prevalent(table, blank, ~blank & ~known), AS_PREVALENT_IN_CONTROLS
    removed[:, blank] = True
    removed &= table.counts > 0
    counts = np.where(removed, 0, table.counts)
    return CountTable(table.features, table.columns, counts), _removals(table, removed, blank, reason)


def _not_above_maximum(table: CountTable, blank: NDArray[np.bool_]) -> NDArray[np.bool_]:
    largest = table.counts[:, blank].max(axis=1, keepdims=True)
    return np.asarray(table.counts <= largest)


def _not_more_prevalent(table: CountTable, blank: NDArray[np.bool_], samples: NDArray[np.bool_]) -> NDArray[np.bool_]:
    present = table.counts > 0
    in_blanks = present[:, blank].mean(axis=1)
    in_samples = present[:, samples].mean(axis=1) if samples.any() else np.zeros(len(table.features))
    rejected = (in_blanks > 0) & (in_samples <= in_blanks)
    return np.repeat(rejected[:, None], len(table.columns), axis=1)


def _removals(table: CountTable, removed: NDArray[np.bool_], blank: NDArray[np.bool_], reason: str) -> list[Removal]:
    blanks = np.flatnonzero(blank)
    found = []
    for row, column in np.argwhere(removed):
        before = int(table.counts[row, column])
        # argmax returns the first of equal blanks, which keeps the table the same whatever else changes.
        culprit = column if blank[column] else blanks[int(np.argmax(table.counts[row, blanks]))]
        why = NEGATIVE_CONTROL if blank[column] else reason
        found.append(
            Removal(
                table.features[row],
                table.columns[column],
                before,
                before,
                why,
                table.columns[culprit],
                int(table.counts[row, culprit]),
            )
        )
    return found


def write_removals(target: Path, removals: Sequence[Removal], sample_of: dict[str, str]) -> None:
    """Write ``controls.tsv``: one row for each ASV and library that lost reads, by ASV, then library."""
    with open_atomic(target) as out:
        out.write("\t".join(_COLUMNS) + "\n")
        for row in sorted(removals, key=lambda removal: (removal.asv, removal.library)):
            cells = [row.asv, row.library, sample_of[row.library], row.reads_before, row.reads_removed]
            out.write("\t".join(map(str, [*cells, row.reason, row.control, row.control_reads])) + "\n")
