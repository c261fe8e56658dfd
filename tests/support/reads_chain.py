"""The chain of rules from libraries to tables, called as functions: what preprocess.smk does, without Snakemake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from abyssal.config.preprocess import PreprocessConfig
from abyssal.reads.adapters import adapter_pairs
from abyssal.reads.contaminants import contaminant_file
from abyssal.reads.counts import write_counts
from abyssal.reads.cutadapt import TrimSettings
from abyssal.reads.denoise import ChimeraSettings, pool_uniques, remove_chimeras
from abyssal.reads.filtering import FilterFiles, FilterSettings, filter_reads
from abyssal.reads.ledger import LedgerRow, read_ledger
from abyssal.reads.map_back import map_back, write_assignments
from abyssal.reads.merge import merge_pairs
from abyssal.reads.settings import count_settings
from abyssal.reads.study import LibraryFiles, Pool, StudyOutputs, count_study, pool_names
from abyssal.reads.table import CountTable, read_table
from abyssal.reads.trim import trim_primers
from abyssal.reads.unmerged import Unmerged
from abyssal.reads.variants import VariantSettings, make_variants, read_members
from abyssal.references.markers import Coding
from abyssal.samples.model import Library
from support.amplicons import FORWARD, REVERSE

OUTPUTS = ("asvs", "table", "libraries_table", "chimeras", "controls", "removed", "ledger", "summary")


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
    coding: Coding | None = None
    reference: Path | None = None
    others: dict[str, Sequence[tuple[str, str, str]]] = field(default_factory=dict)

    def run(self, libraries: Sequence[Library]) -> Results:
        """Take all libraries through all steps."""
        reads = [row for row in libraries if row.kind != "asvs"]
        files = {row.library: self.prepared.get(row.library) or self.prepare(row) for row in reads}
        pools = [
            self.denoise(name, members, files)
            for name, members in pool_names(libraries, self.config.denoise.pooling).items()
        ]
        outputs = StudyOutputs(**{name: self.folder / f"{name}.out" for name in OUTPUTS})
        config = self.config
        settings = count_settings(
            config.controls.model_dump(), config.screen.model_dump(), asdict(self.coding) if self.coding else {},
            config.curate.model_dump() if config.curate else None,
            contaminants=[contaminant_file(name) for name in config.screen.contaminants], reference=self.reference,
        )  # fmt: skip
        count_study(libraries, files, pools, outputs, settings)
        return Results(outputs)

    def prepare(self, row: Library) -> LibraryFiles:
        """The steps of one library."""
        folder = self.folder / "libraries" / row.library
        folder.mkdir(parents=True, exist_ok=True)
        trim = self.config.trim
        trimmed = [folder / f"trimmed.R{number}.fastq" for number, _ in enumerate(row.files, start=1)]
        own = [given or usual for given, usual in zip(row.primers, self.primers, strict=True)]
        settings = TrimSettings(
            *own, trim.error_rate, trim.orientation == "mixed", trim.random_bases, trim.min_read_length,
            trim.anchored, trim.primers == "optional", adapter_pairs(trim.adapters), trim.two_colour_quality,
            tuple(self.others.get(row.library, ())),
            tuple(contaminant_file(name) for name in self.config.screen.contaminants),
        )  # fmt: skip
        first = trim_primers(row.library, list(row.files), trimmed, settings)
        merge = self.config.merge
        unmerged = folder / "unmerged.fastq"
        unmerged.touch()
        merged = merge_pairs(
            row.library, trimmed, folder / "merged.fastq",
            min_overlap=merge.min_overlap, max_differences=merge.max_differences,
            unmerged=None if merge.unmerged == "drop" else Unmerged(unmerged, merge.unmerged == "concatenate"),
        )  # fmt: skip
        given = self.config.filter
        limits = FilterSettings(
            given.max_expected_errors, given.max_ambiguous, *self.window, given.max_expected_error_rate,
            given.max_expected_errors_mapped, self.config.denoise.method == "consensus",
        )  # fmt: skip
        files = FilterFiles(
            folder / "merged.fastq", folder / "unique.fasta", unmerged,
            folder / "poor.fasta" if limits.max_errors_mapped else None,
            folder / "passed.fastq.gz" if self.config.denoise.method == "dada2" else None,
        )  # fmt: skip
        last = filter_reads(row.library, files, limits)
        counts = folder / "trim.json", folder / "merge.json", folder / "filter.json"
        for path, steps in zip(counts, (first, [merged.follows(first[-1])], last), strict=True):
            write_counts(path, steps)
        last[0].follows(merged)
        return LibraryFiles(folder / "unique.fasta", counts, files.poor)

    def denoise(self, name: str, members: Sequence[str], files: dict[str, LibraryFiles]) -> Pool:
        """The steps of one pool."""
        folder = self.folder / "pools" / name
        folder.mkdir(parents=True, exist_ok=True)
        uniques, variants, asvs, chimeras, assignments, named = (
            folder / f"{kind}" for kind in ("uniques", "variants", "asvs", "chimeras", "assignments", "members")
        )
        pool_uniques([files[member].uniques for member in members], uniques)
        settings = VariantSettings(**self.config.denoise.model_dump(exclude={"pooling"}))
        passed = [files[member].uniques.with_name("passed.fastq.gz") for member in members]
        make_variants(uniques, variants, named, settings, passed=passed, threads=self.threads)
        chimera = self.config.chimeras
        how = ChimeraSettings(chimera.method, chimera.abundance_skew) if chimera else None
        against = self.reference if self.config.chimeras and self.config.chimeras.reference else None
        remove_chimeras(
            variants, asvs, chimeras, settings=how, libraries=[files[member].uniques for member in members],
            reference=against,
        )  # fmt: skip
        poor = [files[member].poor for member in members]
        found = map_back(
            uniques, asvs, chimeras, identity=self.config.map_back_identity, members=read_members(named),
            poor=[path for path in poor if path],
        )  # fmt: skip
        write_assignments(assignments, found)
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
