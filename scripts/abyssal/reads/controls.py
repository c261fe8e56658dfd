"""Remove what jumped between libraries of a run, then what the negative controls explain.

Tag jumps come first: an abundant ASV leaks into the blanks of its run as it leaks into every other library, and a blank
must not speak against an ASV for reads that the blank itself owes to it. Libraries are compared, not samples, since a
control is a library and has a library's depth. Every read removed is named, with the control that removed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abyssal.reads.removals import Removal, removed_counts
from abyssal.reads.table import CountTable

AT_OR_BELOW_CONTROL = "at_or_below_control"
AS_PREVALENT_IN_CONTROLS = "as_prevalent_in_controls"
NEGATIVE_CONTROL = "negative_control"
TAG_JUMP = "tag_jump"
TOO_FEW_REPLICATES = "in_too_few_replicates"

Method = Literal["maximum", "prevalence", "none"]


def remove_tag_jumps(table: CountTable, runs: Sequence[str], *, rate: float) -> tuple[CountTable, list[Removal]]:
    """Zero counts smaller than ``rate`` times the ASV's reads in the same run.

    Args:
        table: columns are libraries.
        runs: the run of each column.
        rate: share of an ASV's reads that may jump, 0 to 0.05; 0 changes nothing.

    Returns:
        The table with the same rows and columns, and every removal.
    """
    counts = table.counts.copy()
    for run in sorted(set(runs)):
        members = np.array([name == run for name in runs])
        limit = rate * counts[:, members].sum(axis=1, keepdims=True)
        part = counts[:, members]
        counts[:, members] = np.where(part < limit, 0, part)
    settled = CountTable(table.features, table.columns, counts)
    return settled, removed_counts(table, settled, TAG_JUMP)


def apply_controls(
    table: CountTable,
    negative: Sequence[str],
    *,
    method: Method,
    positive: Sequence[str] = (),
    runs: Sequence[str] = (),
) -> tuple[CountTable, list[Removal]]:
    """Take out what the negative controls explain, and the controls' own reads.

    Args:
        table: columns are libraries.
        negative: libraries that are blanks.
        method: ``maximum`` zeroes a count that does not exceed the ASV's largest count in a blank; ``prevalence``
            removes an ASV that is in no larger share of the samples than of the blanks; ``none`` leaves table and
            controls alone.
        positive: libraries that are positive controls; prevalence does not count them as samples.
        runs: the run of each column; when given, a blank speaks only about the libraries of its run.

    Returns:
        The table with the same rows and columns, and every removal, by ASV and library.
    """
    if method == "none" or not negative:
        return table, []
    blanks, known = set(negative), set(positive)
    found: list[Removal] = []
    counts = table.counts.copy()
    for run in dict.fromkeys(runs or [""]):
        columns = [place for place, _ in enumerate(table.columns) if not runs or runs[place] == run]
        part = CountTable(table.features, tuple(table.columns[place] for place in columns), table.counts[:, columns])
        counts[:, columns], removals = _within(part, blanks, known, method)
        found += removals
    return CountTable(table.features, table.columns, counts), found


def _within(
    table: CountTable, blanks: set[str], known: set[str], method: Method
) -> tuple[NDArray[np.int64], list[Removal]]:
    """Return the counts and the removals of libraries that share their blanks."""
    blank = np.array([column in blanks for column in table.columns])
    if not blank.any():
        return table.counts, []
    if method == "maximum":
        removed, reason = _not_above_maximum(table, blank), AT_OR_BELOW_CONTROL
    else:
        samples = np.array([column not in blanks | known for column in table.columns])
        removed, reason = _not_more_prevalent(table, blank, samples), AS_PREVALENT_IN_CONTROLS
    removed[:, blank] = True
    removed &= table.counts > 0
    return np.where(removed, 0, table.counts), _removals(table, removed, blank, reason)


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


def require_replicates(
    table: CountTable, replicates: Mapping[str, Mapping[str, Sequence[str]]], *, least: int
) -> tuple[CountTable, list[Removal]]:
    """Take an ASV out of a sample when too few of its replicates have it.

    Args:
        table: columns are libraries.
        replicates: libraries of each replicate of each sample; libraries of one replicate are added up.
        least: replicates that must have the ASV; all of them where a sample has fewer.

    Returns:
        The table with the same rows and columns, and every removal.
    """
    position = {column: place for place, column in enumerate(table.columns)}
    counts = table.counts.copy()
    for groups in replicates.values():
        members = [[position[library] for library in libraries] for libraries in groups.values()]
        present = sum((table.counts[:, places].sum(axis=1) > 0).astype(np.int64) for places in members)
        columns = [place for places in members for place in places]
        rare = np.flatnonzero(np.asarray(present) < min(least, len(members)))
        counts[rare[:, None], columns] = 0
    kept = CountTable(table.features, table.columns, counts)
    return kept, removed_counts(table, kept, TOO_FEW_REPLICATES)
