"""One row a library: what came in, what was kept, and a plain sentence where something looks wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from abyssal.files import open_atomic
from abyssal.reads.counts import StepCounts
from abyssal.reads.table import CountTable
from abyssal.samples.model import Library

_COLUMNS = (
    "library", "sample", "run", "control", "reads_raw", "reads_trimmed", "reads_merged", "reads_filtered",
    "reads_final", "asvs", "turned_round", "ties", "remark",
)  # fmt: skip
_FEW = 0.5


def write_summary(
    target: Path, libraries: Sequence[Library], steps: Mapping[str, Sequence[StepCounts]], table: CountTable
) -> None:
    """Write the summary.

    Args:
        target: TSV; columns library, sample, run, control, then reads after the main steps, ASVs, reads turned round,
            reads whose best ASV was not the only one, and a remark (empty when all is well).
        libraries: in the order of the rows.
        steps: the steps of each library.
        table: reads by ASV and library at the end.
    """
    position = {library: index for index, library in enumerate(table.columns)}
    with open_atomic(target) as out:
        out.write("\t".join(_COLUMNS) + "\n")
        for library in libraries:
            chain = {step.step: step for step in steps[library.library]}
            left = [chain[name].reads_out if name in chain else "" for name in ("raw", "trim", "merge", "filter")]
            asvs = int((table.counts[:, position[library.library]] > 0).sum())
            turned = chain["trim"].notes.get("turned_round", 0) if "trim" in chain else ""
            ties = chain["map_back"].notes.get("ties", 0)
            names = [library.library, library.sample, library.run, library.control]
            cells = [*names, *left, chain["controls"].reads_out, asvs, turned, ties, remark(library, chain)]
            out.write("\t".join(map(str, cells)) + "\n")


def remark(library: Library, chain: Mapping[str, StepCounts]) -> str:
    """Return what a reader should know about a library, or an empty text."""
    if chain["raw"].reads_out == 0:
        return "the table has no reads of it" if library.kind == "asvs" else "the file has no reads"
    if library.kind == "asvs":
        return "ready-made ASVs"
    reasons = (
        ("trim", "have no primer of this marker: another marker, wrong primers or mixed orientation?"),
        ("merge", "do not merge: reads too short for the amplicon, or too poor at their ends?"),
        ("filter", "are too poor or of unexpected length"),
        ("map_back", "are like no ASV of the study, or chimeric"),
        ("controls", "are explained by the negative controls"),
    )
    for name, words in reasons:
        step = chain[name]
        lost = step.reads_in - step.reads_out
        if step.reads_in and lost > _FEW * step.reads_in and not (name == "controls" and library.is_negative_control):
            too_short = step.losses.get("too_short_after_trimming", 0)
            if too_short > _FEW * lost:
                return f"{too_short} of {step.reads_in} reads are too short once their primers are cut: primer dimers?"
            return f"{lost - too_short} of {step.reads_in} reads {words}"
    return ""
