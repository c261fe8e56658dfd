"""What was taken out of the count table: which ASV, where, how much of it, why, and because of what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abyssal.files import open_atomic
from abyssal.reads.table import CountTable

_CONTROL_COLUMNS = ("asv", "library", "sample", "reads_before", "reads_removed", "reason", "control", "control_reads")
_COLUMNS = ("asv", "library", "sample", "step", "reason", "reads_before", "reads_removed", "because_of")


@dataclass(frozen=True, slots=True)
class Removal:
    """Reads of one ASV taken out of one library, and why.

    Args:
        asv: name.
        library: name.
        reads_before: reads of the ASV in the library.
        reads_removed: how many of them went.
        reason: one word for the ledger.
        control: the control, parent or evidence that spoke against the ASV; may be empty.
        control_reads: reads of the ASV in that control.
    """

    asv: str
    library: str
    reads_before: int
    reads_removed: int
    reason: str
    control: str = ""
    control_reads: int = 0


def removed_counts(
    before: CountTable,
    after: CountTable,
    reason: str | Callable[[str], str],
    because_of: Callable[[str], str] = lambda _: "",
) -> list[Removal]:
    """Return a removal for every cell of which reads are gone; reason and evidence may depend on the ASV."""
    found = []
    for row, column in np.argwhere(after.counts < before.counts):
        asv = before.features[row]
        had = int(before.counts[row, column])
        why = reason if isinstance(reason, str) else reason(asv)
        gone = had - int(after.counts[row, column])
        found.append(Removal(asv, before.columns[column], had, gone, why, because_of(asv)))
    return found


def write_controls(target: Path, removals: Sequence[Removal], sample_of: Mapping[str, str]) -> None:
    """Write ``controls.tsv``: one row for each ASV and library that lost reads to controls, by ASV, then library."""
    with open_atomic(target) as out:
        out.write("\t".join(_CONTROL_COLUMNS) + "\n")
        for row in _sorted(removals):
            cells = [row.asv, row.library, sample_of[row.library], row.reads_before, row.reads_removed]
            out.write("\t".join(map(str, [*cells, row.reason, row.control, row.control_reads])) + "\n")


def write_removals(target: Path, removals: Mapping[str, Sequence[Removal]], sample_of: Mapping[str, str]) -> None:
    """Write ``removed.tsv``: every removal from the table by step, ASV and library, with what spoke against the ASV."""
    with open_atomic(target) as out:
        out.write("\t".join(_COLUMNS) + "\n")
        for step, found in removals.items():
            for row in _sorted(found):
                cells = [row.asv, row.library, sample_of[row.library], step, row.reason]
                out.write("\t".join(map(str, [*cells, row.reads_before, row.reads_removed, row.control])) + "\n")


def _sorted(removals: Sequence[Removal]) -> list[Removal]:
    return sorted(removals, key=lambda removal: (removal.asv, removal.library))
