"""Merge the two reads of a pair into one with vsearch; single reads pass unchanged.

Pairs that do not merge are lost, or kept apart: joined by a spacer of N, or their forward read alone. They have no
length to judge by, since the amplicon is longer than what was read of it.

Staggered pairs are allowed: where reads are longer than the amplicon each hangs over the start of its mate, and without
this setting every pair of such a library would be lost.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from abyssal.errors import ToolError
from abyssal.files import atomic_path
from abyssal.reads.counts import StepCounts
from abyssal.reads.integrity import count_lines
from abyssal.reads.unmerged import SPACER, Unmerged
from abyssal.tools import run_tool

_HIGHEST_QUALITY = "93"
_REASONS = {
    "reads too short (after truncation)": "too_short_to_merge",
    "too few kmers found on same diagonal": "no_overlap_found",
    "multiple potential alignments": "several_overlaps_possible",
    "too many differences": "too_many_differences",
    "too high percentage of differences": "too_many_differences",
    "alignment score too low, or score drop too high": "overlap_too_poor",
    "overlap too short": "overlap_too_short",
    "staggered read pairs": "staggered",
}


def merge_pairs(
    library: str,
    sources: list[Path],
    target: Path,
    *,
    min_overlap: int,
    max_differences: int,
    unmerged: Unmerged | None = None,
    threads: int = 1,
    log: Path | None = None,
) -> StepCounts:
    """Merge a trimmed pair, or copy a single trimmed file, and return the counts of step merge.

    Args:
        library: name used in counts and errors.
        sources: one FASTQ file, or R1 and R2.
        target: FASTQ of merged reads.
        min_overlap: shortest overlap (bp).
        max_differences: most differing bases in the overlap.
        unmerged: what becomes of pairs that do not merge; None drops them.
        threads: vsearch threads; they do not change the result's order.
        log: file that receives vsearch's messages.
    """
    if unmerged is not None:
        unmerged.target.write_bytes(b"")
    if len(sources) == 1:
        reads = count_lines(sources[0]) // 4
        with atomic_path(target) as temporary:
            shutil.copyfile(sources[0], temporary)
        return StepCounts(library, "merge", reads, reads)
    with atomic_path(target) as temporary, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        apart = [Path(folder) / f"{number}.fastq" for number in (1, 2)] if unmerged else []
        command = _merge_command(sources, temporary, min_overlap=min_overlap, max_differences=max_differences)
        command += ["--fastqout_notmerged_fwd", apart[0], "--fastqout_notmerged_rev", apart[1]] if apart else []
        counts = parse_merge_report(library, run_tool([*command, "--threads", str(threads)], log=log).stderr)
        if unmerged is not None:
            counts = _keep_unmerged(counts, apart, unmerged, log=log)
    return counts


def _merge_command(sources: list[Path], target: Path, *, min_overlap: int, max_differences: int) -> list[str | Path]:
    return [
        *("vsearch", "--fastq_mergepairs", sources[0], "--reverse", sources[1], "--fastqout", target),
        *("--fastq_minovlen", str(min_overlap), "--fastq_maxdiffs", str(max_differences)),
        *("--fastq_allowmergestagger", "--fastq_qmax", _HIGHEST_QUALITY),
    ]


def _keep_unmerged(counts: StepCounts, apart: list[Path], unmerged: Unmerged, *, log: Path | None) -> StepCounts:
    """Write pairs that did not merge as one read each; the counts then have no losses."""
    lost = sum(counts.losses.values())
    with atomic_path(unmerged.target) as temporary:
        if unmerged.spaced and lost:
            padding = ("--join_padgap", "N" * SPACER, "--join_padgapq", "I" * SPACER, "--fastq_qmax", _HIGHEST_QUALITY)
            run_tool(
                ["vsearch", "--fastq_join", apart[0], "--reverse", apart[1], "--fastqout", temporary, *padding], log=log
            )
        elif lost:
            shutil.copyfile(apart[0], temporary)
        kept = count_lines(temporary) // 4
    note = {"concatenated" if unmerged.spaced else "forward_read_only": kept}
    losses = {} if kept == lost else {**counts.losses}
    return StepCounts(counts.library, counts.step, counts.reads_in, counts.reads_out + kept, losses, note)


def parse_merge_report(library: str, report: str) -> StepCounts:
    """Read the numbers of pairs, merged pairs and reasons of failure from what vsearch prints.

    Raises:
        ToolError: the report has another form than vsearch 2.22 to 2.30 give it.
    """
    pairs = re.search(r"^\s*(\d+)\s+Pairs$", report, re.MULTILINE)
    merged = re.search(r"^\s*(\d+)\s+Merged", report, re.MULTILINE)
    if not pairs or not merged:
        message = f"library {library}: cannot find the numbers of pairs in vsearch's report:\n{report}"
        raise ToolError(message)
    losses: dict[str, int] = {}
    _, _, reasons = report.partition("failed merging due to various reasons:")
    for line in reasons.lstrip("\n").splitlines():
        found = re.match(r"\s*(\d+)\s+(\S.*)$", line)
        if not found:
            break
        reason = _REASONS.get(found[2], re.sub(r"\W+", "_", found[2].lower()).strip("_"))
        losses[reason] = losses.get(reason, 0) + int(found[1])
    return StepCounts(library, "merge", int(pairs[1]), int(merged[1]), losses)
