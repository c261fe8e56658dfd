"""A small study whose files are written by the code that writes them in a real run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from abyssal.config.models import ClusterConfig
from abyssal.discovery.stage_files import ClusterFiles, cluster_files
from abyssal.encoder.kmers import kmer_profiles
from abyssal.encoder.vectors import Vectors, write_vectors
from abyssal.files import sha256_file, write_json
from abyssal.reads.ledger import LedgerRow, write_ledger
from abyssal.reads.table import CountTable, write_table
from abyssal.references.model import AmpliconReference, write_reference
from abyssal.report.inputs import ReportFacts, ReportFiles
from abyssal.sequences.alphabet import sequence_id
from abyssal.sequences.records import write_fasta
from abyssal.taxonomy.classifications import Classifications, tsv_header, tsv_rows

RANKS = ("phylum", "family", "genus", "species")
HOSTILE = '<script>alert("x")</script>'
SAMPLES = ("deep", "shallow", HOSTILE, "empty", "blank")
DEPTHS = {"deep": "2100", "shallow": "15", HOSTILE: "400", "empty": "900", "blank": ""}


def vary(random: np.random.Generator, sequence: str, count: int) -> str:
    letters = list(sequence)
    for place in random.choice(len(letters), size=count, replace=False):
        letters[place] = str(random.choice([base for base in "ACGT" if base != letters[place]]))
    return "".join(letters)


@dataclass
class MadeStudy:
    """A study of ``known`` ASVs with names and ``families`` new groups of three ASVs; sample "empty" has no reads."""

    folder: Path
    known: int = 8
    families: int = 3
    named: bool = True
    sequences: list[str] = field(default_factory=list)
    counts: np.ndarray = field(default_factory=lambda: np.zeros((0, 5), dtype=np.int64))

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(11)
        named = ["".join(self.random.choice(list("ACGT"), size=240)) for _ in range(max(self.known, self.families, 1))]
        ancestors = [vary(self.random, sequence, 24) for sequence in named[: self.families]]
        self.sequences = [vary(self.random, sequence, 1) for sequence in named[: self.known]]
        self.sequences += [vary(self.random, ancestor, 3) for ancestor in ancestors for _ in range(3)]
        shape = (len(self.sequences), len(SAMPLES))
        self.counts = np.round(self.random.lognormal(4, 1.3, size=shape)).astype(np.int64)
        self.counts[:, 3:] = 0
        self.ids = [sequence_id(sequence) for sequence in self.sequences]
        self._write_reads()
        self._write_reference(named)
        self._write_clusters()
        self._write_answers()

    def lineage(self, number: int) -> tuple[str, ...]:
        return (f"Phylum{number % 3}", f"Family{number % 5}", f"Genus{number}", f"Genus{number} alpha")

    def _write_reads(self) -> None:
        order = sorted(range(len(self.ids)), key=lambda i: (-int(self.counts[i].sum()), self.ids[i]))
        write_fasta(self.folder / "asvs.fasta", [(self.ids[i], self.sequences[i]) for i in order])
        table = CountTable(tuple(self.ids[i] for i in order), SAMPLES, self.counts[np.array(order, dtype=np.int64)])
        write_table(self.folder / "asv_table.tsv", table)
        self._vectors("asvs.fasta", "asvs", [self.sequences[i] for i in order])
        rows = []
        for sample, reads in table.totals().items():
            kept, raw = reads, reads + 400
            rows.append(LedgerRow(f"lib-{sample}", sample, "raw", raw, raw, "", 0))
            rows.append(LedgerRow(f"lib-{sample}", sample, "trim", raw, raw - 100, "no_primer", 100))
            lost = raw - 100 - (kept + 20 if sample == "blank" else kept)
            out = raw - 100 - lost
            rows.append(LedgerRow(f"lib-{sample}", sample, "filter", raw - 100, out, "expected_errors", lost))
            removed = out - kept
            rows.append(
                LedgerRow(f"lib-{sample}", sample, "controls", out, kept, "negative_control" * bool(removed), removed)
            )
        write_ledger(self.folder / "ledger.tsv", rows)
        header = "asv\tlibrary\tsample\treads_before\treads_removed\treason\tcontrol\tcontrol_reads\n"
        (self.folder / "controls.tsv").write_text(
            f"{header}{'ab' * 16}\tlib-blank\tblank\t20\t20\tnegative_control\tlib-blank\t20\n"
        )
        lines = ["sample\tlibrary\trun\tmarker\tr1\tr2\tcontrol\tdepth_m\tr1_sha256"]
        for sample in SAMPLES:
            control = "pcr_blank" if sample == "blank" else ""
            lines.append(f"{sample}\tlib-{sample}\t1\tm\ta_1.fq\ta_2.fq\t{control}\t{DEPTHS[sample]}\t{'ab' * 32}")
        (self.folder / "libraries.tsv").write_text("\n".join(lines) + "\n")

    def _vectors(self, fasta: str, name: str, sequences: list[str]) -> None:
        made = Vectors(kmer_profiles(sequences), "0" * 64, "kmers", sha256_file(self.folder / fasta))
        write_vectors(self.folder / f"{name}.safetensors", made)

    def _write_reference(self, named: list[str]) -> None:
        ids = tuple(f"ref{i}" for i in range(len(named)))
        members = tuple(((f"acc{i}", self.lineage(i)),) for i in range(len(named)))
        reference = AmpliconReference(RANKS, ids, tuple(named), members)
        write_reference(reference, self.folder / "reference.fasta.gz", self.folder / "lineages.tsv")
        self._vectors("reference.fasta.gz", "reference", named)
        write_json(self.folder / "gate.json", {"distance": 0.3, "quantile": 0.95, "k": 6})

    def _write_clusters(self) -> None:
        names = ("asvs.fasta", "asv_table.tsv", "asvs.safetensors")
        if self.named:
            names += ("reference.fasta.gz", "lineages.tsv", "reference.safetensors", "gate.json")
        settings = ClusterConfig(method="average-linkage", distance=0.4, resamples=2)
        cluster_files(ClusterFiles(*(self.folder / name for name in names)), self.folder / "cluster", settings, seed=1)

    def _write_answers(self) -> None:
        ranks = RANKS if self.named else ()
        count, depth = len(self.ids), len(ranks)
        labels = [
            self.lineage(i)[:depth] if i < self.known else (self.lineage(i)[:1] + (None,) * 3)[:depth]
            for i in range(count)
        ]
        confidence = np.array(
            [[0.99, 0.95, 0.9, 0.8][:depth] if i < self.known else [0.9, 0, 0, 0][:depth] for i in range(count)]
        )
        answers = Classifications(
            ranks, labels, confidence.astype(np.float32).reshape(count, depth),
            accepted=np.array([min(i % 3 + 1 if i < self.known else 0, depth - 1) for i in range(count)], np.int16),
            novel_at=np.array([-1 if i < self.known or not depth else 2 for i in range(count)], np.int16),
            alternatives=[()] * count, putative_taxon=[""] * count, nearest_id=[""] * count,
            nearest_identity=np.full(count, np.nan, np.float32), nearest_coverage=np.full(count, np.nan, np.float32),
            source=np.ones(count, np.int8), errors=[None] * count, engine="torch-fp32",
        )  # fmt: skip
        (self.folder / "taxonomy.tsv").write_text("\n".join([tsv_header(ranks), *tsv_rows(self.ids, answers)]) + "\n")

    def files(self) -> ReportFiles:
        cluster = self.folder / "cluster"
        return ReportFiles(
            libraries=self.folder / "libraries.tsv", ledger=self.folder / "ledger.tsv",
            controls=self.folder / "controls.tsv", table=self.folder / "asv_table.tsv",
            answers=self.folder / "taxonomy.tsv",
            putative_taxa=cluster / "putative_taxa.tsv", members=cluster / "members.tsv",
            exemplars=cluster / "exemplars.fasta", map=cluster / "map.tsv", verdicts=cluster / "verdicts.tsv",
            changes=cluster / "changes.tsv", selection=cluster / "selection.json",
        )  # fmt: skip

    def facts(self) -> ReportFacts:
        return ReportFacts("cruise", "18S", {"study": "cruise", "seed": 1}, {"abyssal": "0.1.0"}, {"encoder": "0" * 64})


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., MadeStudy]:
    def make(**options: object) -> MadeStudy:
        folder = tmp_path / f"study{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return MadeStudy(folder, **options)

    return make
