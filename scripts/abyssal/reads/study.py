"""Bring the libraries of a study together: counts, tag jumps, contamination, the ledger and the results.

Libraries are read one after the other and a pool's assignments are dropped after its libraries, so that memory
follows the count table and the largest pool, not the number of libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abyssal.reads.controls import Method, apply_controls, remove_tag_jumps, require_replicates
from abyssal.reads.counts import StepCounts, read_counts
from abyssal.reads.curate import CurateSettings, curate
from abyssal.reads.filtering import read_sized
from abyssal.reads.ledger import check_table, count_library, ledger_rows, removal_counts, write_ledger
from abyssal.reads.map_back import read_assignments
from abyssal.reads.ready import read_ready_asvs
from abyssal.reads.removals import Removal, write_controls, write_removals
from abyssal.reads.screen import ScreenSettings, screen
from abyssal.reads.summary import write_summary
from abyssal.reads.table import CountTable, write_table
from abyssal.samples.model import Library
from abyssal.sequences.records import write_fasta


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
    """Files of one library's own steps.

    Args:
        uniques: unique sequences with sizes.
        counts: what each step counted, in their order.
        poor: unique sequences of the reads that were only mapped back, where there are any.
    """

    uniques: Path
    counts: tuple[Path, ...]
    poor: Path | None = None


@dataclass(frozen=True)
class StudyOutputs:
    """Where the results go; see ``count_study``."""

    asvs: Path
    table: Path
    libraries_table: Path
    chimeras: Path
    controls: Path
    removed: Path
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


@dataclass(frozen=True)
class CountSettings:
    """What is taken out of the counts; see the configuration.

    Args:
        controls: method of the negative controls.
        per_run: whether a control speaks only about its own run.
        tag_jump_rate: share of an ASV's reads that may jump within a run.
        min_replicates: replicates that must have an ASV.
        screen: what speaks against an ASV.
        curate: LULU-like curation; None leaves ASVs as they are.
    """

    controls: Method = "maximum"
    per_run: bool = False
    tag_jump_rate: float = 0.0
    min_replicates: int = 1
    screen: ScreenSettings = field(default_factory=ScreenSettings)
    curate: CurateSettings | None = None


def stage_files(
    folder: Path, pools: Mapping[str, Sequence[str]], *, poor: bool
) -> tuple[dict[str, LibraryFiles], list[Pool]]:
    """Return where the stage's earlier steps left the files of each library and pool.

    Args:
        folder: ``results/<study>/<marker>/preprocess``.
        pools: libraries of each pool.
        poor: whether reads with too many errors were set aside to be mapped.
    """
    files, found = {}, []
    for name, libraries in pools.items():
        root = folder / "pools" / name
        found.append(Pool(tuple(libraries), root / "asvs.fasta", root / "chimeras.fasta", root / "assignments.tsv"))
        for library in libraries:
            own = folder / "libraries" / library
            counts = tuple(own / f"{step}.json" for step in ("trim", "merge", "filter"))
            files[library] = LibraryFiles(own / "unique.fasta", counts, own / "poor.fasta" if poor else None)
    return files, found


def count_study(
    libraries: Sequence[Library],
    files: Mapping[str, LibraryFiles],
    pools: Sequence[Pool],
    outputs: StudyOutputs,
    settings: CountSettings,
    *,
    undetermined: Sequence[Path] = (),
) -> None:
    """Write the results of the stage.

    Args:
        libraries: all libraries of the marker, in the order of the sheet.
        files: files of each library that has reads.
        pools: every such library is in exactly one.
        outputs: ``asvs`` FASTA by reads; ``table`` counts by sample (blanks left out once they were used);
            ``libraries_table`` counts by library before anything is taken out; ``chimeras`` FASTA; ``controls`` what
            controls removed; ``removed`` every removal; ``ledger``; ``summary`` one row a library.
        settings: what is taken out.
        undetermined: counts of the reads that demultiplexing gave to no library, one file a pool of libraries.

    Raises:
        LedgerError, SequenceFormatError: a read is unaccounted for, or a file of ready-made ASVs is malformed.
    """
    columns, steps, sequences = _count(libraries, files, pools)
    counted = CountTable.from_columns(columns)
    cleaned, removals = _clean(counted, libraries, sequences, settings, steps, outputs.table.parent)
    sample_of = {library.library: library.sample for library in libraries}
    for source in undetermined:
        rest = read_counts(source)
        steps[rest[0].library], sample_of[rest[0].library] = rest, ""
    rows = ledger_rows(steps, sample_of)
    used = {library.library for library in libraries if library.is_negative_control and settings.controls != "none"}
    table = cleaned.merge_columns(_libraries_by_sample(libraries, used)).by_abundance()
    check_table(rows, table)
    _write(outputs, table, counted, sequences, removals, sample_of)
    _write_chimeras(outputs.chimeras, pools)
    write_ledger(outputs.ledger, rows)
    write_summary(outputs.summary, libraries, steps, cleaned)


def _clean(
    table: CountTable,
    libraries: Sequence[Library],
    sequences: Mapping[str, str],
    settings: CountSettings,
    steps: dict[str, list[StepCounts]],
    folder: Path,
) -> tuple[CountTable, dict[str, list[Removal]]]:
    """Take out what is no ASV of a sample, step by step; return the table left and the removals by step.

    Every step's counts are added to ``steps``. Adding daughters to parents moves reads and loses none.
    """
    runs = [library.run for library in libraries]
    negative = [library.library for library in libraries if library.is_negative_control]
    positive = [library.library for library in libraries if library.control == "positive"]
    taken: dict[str, Callable[[CountTable], tuple[CountTable, list[Removal]]]] = {
        "screen": lambda now: screen(now, sequences, settings.screen, folder=folder),
        "tag_jumps": lambda now: remove_tag_jumps(now, runs, rate=settings.tag_jump_rate),
        "controls": lambda now: apply_controls(
            now, negative, method=settings.controls, positive=positive, runs=runs if settings.per_run else ()
        ),
    }
    if settings.min_replicates > 1:
        taken["replicates"] = lambda now: require_replicates(now, _replicates(libraries), least=settings.min_replicates)
    removals: dict[str, list[Removal]] = {}
    for step, take in taken.items():
        left, removals[step] = take(table)
        for library, counts in removal_counts(step, table, left, removals[step]).items():
            steps[library].append(counts)
        table = left
    if settings.curate is not None:
        table, removals["curate"] = curate(
            table, _libraries_by_sample(libraries, set(negative)), sequences, settings.curate, folder=folder
        )
        for library, reads in table.totals().items():
            steps[library].append(StepCounts(library, "curate", steps[library][-1].reads_out, reads))
    return table, removals


def _replicates(libraries: Sequence[Library]) -> dict[str, dict[str, list[str]]]:
    """Return the libraries of each replicate of each sample; a library without a replicate's name is one of its own."""
    groups: dict[str, dict[str, list[str]]] = {}
    for library in libraries:
        replicate = library.metadata.get("replicate") or library.library
        groups.setdefault(library.sample, {}).setdefault(replicate, []).append(library.library)
    return groups


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
            own = files[library]
            sizes = ((name, size) for name, _, size in read_sized(own.uniques))
            poor = ((name, size) for name, _, size in read_sized(own.poor)) if own.poor is not None else ()
            columns[library], mapped = count_library(library, sizes, assignments, poor)
            steps[library] = [step for source in files[library].counts for step in read_counts(source)] + [mapped]
    for ready in libraries:
        if ready.kind == "asvs":
            columns[ready.library], found = read_ready_asvs(ready.files[0], ready.table, ready.library, ready.sample)
            reads = sum(columns[ready.library].values())
            steps[ready.library] = [StepCounts(ready.library, step, reads, reads) for step in ("raw", "map_back")]
            sequences.update(found)
    return columns, steps, sequences


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
    removals: Mapping[str, Sequence[Removal]],
    sample_of: Mapping[str, str],
) -> None:
    write_table(outputs.table, table)
    write_table(outputs.libraries_table, counted.by_abundance())
    write_fasta(outputs.asvs, ((name, sequences[name]) for name in table.features))
    write_controls(outputs.controls, removals["controls"], sample_of)
    write_removals(outputs.removed, removals, sample_of)


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
