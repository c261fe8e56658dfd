"""The chain of rules from libraries to tables, called as functions: what preprocess.smk does, without Snakemake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abyssal.config.preprocess import PreprocessConfig
from abyssal.reads.counts import write_counts
from abyssal.reads.denoise import denoise, pool_uniques, remove_chimeras
from abyssal.reads.filtering import FilterSettings, filter_reads
from abyssal.reads.ledger import LedgerRow, read_ledger
from abyssal.reads.map_back import map_back, write_assignments
from abyssal.reads.merge import merge_pairs
from abyssal.reads.study import LibraryFiles, Pool, StudyOutputs, count_study, pool_names
from abyssal.reads.table import CountTable, read_table
from abyssal.reads.trim import TrimSettings, trim_primers
from abyssal.samples.model import Library
from support.amplicons import FORWARD, REVERSE

OUTPUTS = ("asvs", "table", "libraries_table", "chimeras", "controls", "ledger", "summary")


def library(name: str, *files: Path, sample: str | None = None, run: str = "1", control: str = "") -> Library:
    """A row of a sample sheet."""
    kind = "paired" if len(files) == 2 else "asvs" if files[0].suffix == ".fasta" else "single"
    return Library(name, sample or name, run, "18S", kind, tuple(files), control)


@dataclass
class Chain:
    """Runs the stage in a folder; libraries in ``prepared`` have their own steps behind them."""

    folder: Path
    config: PreprocessConfig = field(default_factory=PreprocessConfig)
    primers: tuple[str, str] = (FORWARD, REVERSE)
    window: tuple[int, int] = (50, 600)
    threads: int = 1
    prepared: dict[str, LibraryFiles] = field(default_factory=dict)

    def run(self, libraries: Sequence[Library]) -> Results:
        """Take all libraries through all steps."""
        reads = [row for row in libraries if row.kind != "asvs"]
        files = {row.library: self.prepared.get(row.library) or self.prepare(row) for row in reads}
        pools = [
            self.denoise(name, members, files)
            for name, members in pool_names(libraries, self.config.denoise.pooling).items()
        ]
        outputs = StudyOutputs(**{name: self.folder / f"{name}.out" for name in OUTPUTS})
        settings = self.config.controls
        count_study(libraries, files, pools, outputs, controls=settings.method, tag_jump_rate=settings.tag_jump_rate)
        return Results(outputs)

    def prepare(self, row: Library) -> LibraryFiles:
        """The steps of one library."""
        folder = self.folder / "libraries" / row.library
        folder.mkdir(parents=True, exist_ok=True)
        trim = self.config.trim
        trimmed = [folder / f"trimmed.R{number}.fastq" for number, _ in enumerate(row.files, start=1)]
        settings = TrimSettings(
            *self.primers, trim.error_rate, trim.orientation == "mixed", trim.random_bases, trim.min_read_length
        )
        first = trim_primers(row.library, list(row.files), trimmed, settings)
        merged = merge_pairs(
            row.library, trimmed, folder / "merged.fastq",
            min_overlap=self.config.merge.min_overlap, max_differences=self.config.merge.max_differences,
        )  # fmt: skip
        limits = FilterSettings(self.config.filter.max_expected_errors, self.config.filter.max_ambiguous, *self.window)
        last = filter_reads(row.library, folder / "merged.fastq", folder / "unique.fasta", limits)
        counts = folder / "trim.json", folder / "merge.json", folder / "filter.json"
        for path, steps in zip(counts, (first, [merged.follows(first[-1])], last), strict=True):
            write_counts(path, steps)
        last[0].follows(merged)
        return LibraryFiles(folder / "unique.fasta", counts)

    def denoise(self, name: str, members: Sequence[str], files: dict[str, LibraryFiles]) -> Pool:
        """The steps of one pool."""
        folder = self.folder / "pools" / name
        folder.mkdir(parents=True, exist_ok=True)
        uniques, variants, asvs, chimeras, assignments = (
            folder / f"{kind}" for kind in ("uniques", "variants", "asvs", "chimeras", "assignments")
        )
        pool_uniques([files[member].uniques for member in members], uniques)
        settings = self.config.denoise
        denoise(uniques, variants, min_size=settings.min_size, alpha=settings.alpha, threads=self.threads)
        skew = self.config.chimeras.abundance_skew if self.config.chimeras else None
        remove_chimeras(variants, asvs, chimeras, abundance_skew=skew)
        identity = self.config.map_back_identity
        write_assignments(assignments, map_back(uniques, asvs, chimeras, identity=identity, threads=self.threads))
        return Pool(tuple(members), asvs, chimeras, assignments)


@dataclass(frozen=True)
class Results:
    """What a run wrote."""

    outputs: StudyOutputs

    @property
    def table(self) -> CountTable:
        return read_table(self.outputs.table)

    @property
    def ledger(self) -> list[LedgerRow]:
        return read_ledger(self.outputs.ledger)

    def counts(self, sample: str) -> dict[str, int]:
        """Reads by ASV in a sample, without zeros."""
        table = self.table
        column = table.counts[:, table.columns.index(sample)].tolist()
        return {name: reads for name, reads in zip(table.features, column, strict=True) if reads}

    def lost(self, library: str) -> dict[str, int]:
        """Reads lost by reason in a library."""
        return {row.loss_reason: row.reads_lost for row in self.ledger if row.library == library and row.reads_lost}

    def bytes(self) -> dict[str, bytes]:
        """All output files."""
        return {name: getattr(self.outputs, name).read_bytes() for name in OUTPUTS}
