"""Bring the libraries of a study together: counts, tag jumps, contamination, the ledger and the results.

Libraries are read one after the other and a pool's assignments are dropped after its libraries, so that memory
follows the count table and the largest pool, not the number of libraries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.errors import SequenceFormatError
from abyssal.reads.controls import Method, Removal, apply_controls, remove_tag_jumps, write_removals
from abyssal.reads.counts import StepCounts, read_counts
from abyssal.reads.filtering import read_sized
from abyssal.reads.ledger import (
    check_table,
    control_counts,
    count_library,
    ledger_rows,
    tag_jump_counts,
    write_ledger,
)
from abyssal.reads.map_back import read_assignments
from abyssal.reads.summary import write_summary
from abyssal.reads.table import CountTable, write_table
from abyssal.samples.model import Library
from abyssal.sequences.alphabet import first_invalid_letter, normalise, sequence_id
from abyssal.sequences.records import read_records, write_fasta


@dataclass(frozen=True)
class Pool:
    """Files of libraries that were denoised together.

    Args:
        libraries: names of the libraries.
        asvs: FASTA of variants kept.
        chimeras: FASTA of chimeras.
        assignments: TSV of ``map_back``.
    """

    libraries: tuple[str, ...]
    asvs: Path
    chimeras: Path
    assignments: Path


@dataclass(frozen=True)
class LibraryFiles:
    """Files of one library's own steps: unique sequences, and the counts in the order of the steps."""

    uniques: Path
    counts: tuple[Path, ...]


@dataclass(frozen=True)
class StudyOutputs:
    """Where the results go; see ``count_study``."""

    asvs: Path
    table: Path
    libraries_table: Path
    chimeras: Path
    controls: Path
    ledger: Path
    summary: Path


def pool_names(libraries: Sequence[Library], pooling: str) -> dict[str, tuple[str, ...]]:
    """Return the libraries of each pool: one pool ``study``, or one a sample; ready-made ASVs are in none.

    Args:
        libraries: all libraries of a marker.
        pooling: ``pooled`` or ``sample``.
    """
    pools: dict[str, list[str]] = {}
    for library in libraries:
        if library.kind != "asvs":
            pools.setdefault("study" if pooling == "pooled" else library.sample, []).append(library.library)
    return {name: tuple(sorted(members)) for name, members in pools.items()}


def count_study(
    libraries: Sequence[Library],
    files: Mapping[str, LibraryFiles],
    pools: Sequence[Pool],
    outputs: StudyOutputs,
    *,
    controls: Method,
    tag_jump_rate: float,
) -> None:
    """Write the results of the stage.

    Args:
        libraries: all libraries of the marker, in the order of the sheet.
        files: files of each library that has reads.
        pools: every such library is in exactly one.
        outputs: ``asvs`` FASTA by reads; ``table`` counts by sample (blanks left out once they were used);
            ``libraries_table`` counts by library before tag jumps and controls; ``chimeras`` FASTA; ``controls`` every
            removal; ``ledger``; ``summary`` one row a library.
        controls, tag_jump_rate: see ``apply_controls`` and ``remove_tag_jumps``.

    Raises:
        LedgerError, SequenceFormatError: a read is unaccounted for, or a FASTA of ready-made ASVs is malformed.
    """
    columns, steps, sequences = _count(libraries, files, pools)
    counted = CountTable.from_columns(columns)
    settled = remove_tag_jumps(counted, [library.run for library in libraries], rate=tag_jump_rate)
    negative = [library.library for library in libraries if library.is_negative_control]
    positive = [library.library for library in libraries if library.control == "positive"]
    cleaned, removals = apply_controls(settled, negative, method=controls, positive=positive)
    _append_steps(steps, tag_jump_counts(counted, settled))
    _append_steps(steps, control_counts(settled, cleaned, removals))
    sample_of = {library.library: library.sample for library in libraries}
    rows = ledger_rows(steps, sample_of)
    used = set(negative) if controls != "none" else set()
    table = cleaned.merge_columns(_libraries_by_sample(libraries, used)).by_abundance()
    check_table(rows, table)
    _write(outputs, table, counted, sequences, removals, sample_of)
    _write_chimeras(outputs.chimeras, pools)
    write_ledger(outputs.ledger, rows)
    write_summary(outputs.summary, libraries, steps, cleaned)


def _count(
    libraries: Sequence[Library], files: Mapping[str, LibraryFiles], pools: Sequence[Pool]
) -> tuple[dict[str, dict[str, int]], dict[str, list[StepCounts]], dict[str, str]]:
    """Return reads by ASV and the steps of each library, in the order of the sheet, and the ASVs' sequences."""
    columns: dict[str, dict[str, int]] = {library.library: {} for library in libraries}
    steps: dict[str, list[StepCounts]] = {library.library: [] for library in libraries}
    sequences: dict[str, str] = {}
    for pool in pools:
        assignments = read_assignments(pool.assignments)
        sequences.update((name, sequence) for name, sequence, _ in read_sized(pool.asvs))
        for library in pool.libraries:
            sizes = ((name, size) for name, _, size in read_sized(files[library].uniques))
            columns[library], mapped = count_library(library, sizes, assignments)
            steps[library] = [step for source in files[library].counts for step in read_counts(source)] + [mapped]
    for ready in libraries:
        if ready.kind == "asvs":
            columns[ready.library], found = read_ready_asvs(ready.files[0])
            reads = sum(columns[ready.library].values())
            steps[ready.library] = [StepCounts(ready.library, step, reads, reads) for step in ("raw", "map_back")]
            sequences.update(found)
    return columns, steps, sequences


def read_ready_asvs(source: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Read ready-made ASVs: reads by ASV (``;size=N`` in the header, else 1) and sequences by ASV.

    Raises:
        SequenceFormatError: a record is empty, has letters outside IUPAC or a size that is no number.
    """
    reads: dict[str, int] = {}
    sequences: dict[str, str] = {}
    for number, record in enumerate(read_records(source), start=1):
        sequence = normalise(record.sequence.strip())
        wrong = first_invalid_letter(sequence)
        _, _, size = record.id.partition(";size=")
        size = size.split(";")[0]
        if not sequence or wrong or (size and not size.isdecimal()):
            fault = f"has {wrong[1]!r} at position {wrong[0] + 1}" if wrong else "has no sequence or no valid size"
            message = (
                f"{source}: record {number} ({record.id}) {fault}; expected IUPAC DNA and headers like >NAME;size=12"
            )
            raise SequenceFormatError(message)
        name = sequence_id(sequence)
        sequences[name] = sequence
        reads[name] = reads.get(name, 0) + int(size or 1)
    return reads, sequences


def _append_steps(steps: dict[str, list[StepCounts]], more: Mapping[str, StepCounts]) -> None:
    for library, step in more.items():
        steps[library].append(step)


def _libraries_by_sample(libraries: Sequence[Library], left_out: set[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for library in libraries:
        if library.library not in left_out:
            groups.setdefault(library.sample, []).append(library.library)
    return groups


def _write(
    outputs: StudyOutputs,
    table: CountTable,
    counted: CountTable,
    sequences: Mapping[str, str],
    removals: Sequence[Removal],
    sample_of: dict[str, str],
) -> None:
    write_table(outputs.table, table)
    write_table(outputs.libraries_table, counted.by_abundance())
    write_fasta(outputs.asvs, ((name, sequences[name]) for name in table.features))
    write_removals(outputs.controls, removals, sample_of)


def _write_chimeras(target: Path, pools: Sequence[Pool]) -> None:
    """Write every variant that any pool called a chimera, most reads first, with its reads as the description."""
    sizes: dict[str, int] = {}
    sequences: dict[str, str] = {}
    for pool in pools:
        for name, sequence, size in read_sized(pool.chimeras):
            sizes[name] = sizes.get(name, 0) + size
            sequences[name] = sequence
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    write_fasta(target, ((f"{name} reads={sizes[name]}", sequences[name]) for name in order))
