"""Alignment search for reads that the model leaves open (vsearch or BLAST+), within a budget.

What the program finds joins the candidates of the model's own search: it is compared by k-mers, aligned and voted like
any of them, and the same calibrators judge it. So a confidence means the same whether a read was searched or not, and
a searched read's answer depends on the read alone. Which reads are searched depends on the budget: those with the
lowest confidence at the wanted rank come first, and equal reads are one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from abyssal.config.fallback import FallbackConfig
from abyssal.config.models import NoveltyConfig
from abyssal.errors import ConfigError, ToolTimeoutError
from abyssal.references.model import AmpliconReference
from abyssal.sequences.records import write_fasta
from abyssal.taxonomy.classifications import Classifications, Source
from abyssal.taxonomy.classifier import Classifier
from abyssal.tools import require_tool, run_tool

HITS = 8
"""Reference amplicons taken from a search."""

MIN_IDENTITY = 0.6
"""Identity below which vsearch reports nothing (share)."""

_CHUNK = 512
"""Reads searched in one call of the program; between calls the clock is looked at."""

Method = Literal["vsearch", "blast"]


@dataclass(frozen=True)
class Budget:
    """What a search may cost.

    Attributes:
        share: most distinct reads that are searched, as a share of those given.
        seconds: time after which no search is begun; None sets none.
    """

    share: float = 0.1
    seconds: float | None = None


@dataclass(frozen=True)
class Gain:
    """What a search brought; counts are of distinct reads.

    Attributes:
        reads: reads given.
        open: reads without an accepted name at the wanted rank.
        searched: reads that were searched.
        changed: searched reads with another accepted lineage than before.
        deeper: per rank, reads that have an accepted name there now and had none.
        lost: per rank, reads that had an accepted name there and have none now.
        seconds: time the searches and second looks took.
    """

    reads: int
    open: int
    searched: int
    changed: int
    deeper: dict[str, int]
    lost: dict[str, int]
    seconds: float


class Search(Protocol):
    """A program that finds amplicons of the reference."""

    def hits(self, sequences: Sequence[str], timeout: float | None = None) -> NDArray[np.int64]:
        """Return (q, HITS) positions, best first, -1 when empty.

        Raises:
            ToolError: the program failed.
            ToolTimeoutError: it did not end within ``timeout`` seconds.
        """


class VsearchSearch:
    """vsearch's global alignment; its database is built once."""

    def __init__(self, reference: AmpliconReference, folder: Path, threads: int = 1) -> None:
        self._folder, self._threads = folder, threads
        fasta, self._database = folder / "reference.fasta", folder / "reference.udb"
        write_fasta(fasta, ((str(place), sequence) for place, sequence in enumerate(reference.sequences)))
        run_tool(["vsearch", "--makeudb_usearch", fasta, "--output", self._database, "--threads", "1"])

    def hits(self, sequences: Sequence[str], timeout: float | None = None) -> NDArray[np.int64]:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            queries, table = Path(name) / "queries.fasta", Path(name) / "hits.tsv"
            write_fasta(queries, ((str(row), sequence) for row, sequence in enumerate(sequences)))
            run_tool(
                ["vsearch", "--usearch_global", queries, "--db", self._database, "--id", f"{MIN_IDENTITY:g}",
                 "--maxaccepts", str(HITS), "--maxrejects", "64", "--userout", table,
                 "--userfields", "query+target", "--threads", str(self._threads)],
                timeout=timeout,
            )  # fmt: skip
            return _read_hits(table, len(sequences))


class BlastSearch:
    """BLAST+ ``blastn``, best subject first."""

    def __init__(self, reference: AmpliconReference, folder: Path, threads: int = 1) -> None:
        require_tool("blastn")
        self._folder, self._threads = folder, threads
        fasta, self._database = folder / "reference.fasta", folder / "reference"
        write_fasta(fasta, ((str(place), sequence) for place, sequence in enumerate(reference.sequences)))
        run_tool(["makeblastdb", "-in", fasta, "-dbtype", "nucl", "-out", self._database])

    def hits(self, sequences: Sequence[str], timeout: float | None = None) -> NDArray[np.int64]:
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            queries, table = Path(name) / "queries.fasta", Path(name) / "hits.tsv"
            write_fasta(queries, ((str(row), sequence) for row, sequence in enumerate(sequences)))
            run_tool(
                ["blastn", "-task", "megablast", "-word_size", "16", "-query", queries, "-db", self._database,
                 "-out", table, "-outfmt", "6 qseqid sseqid", "-max_target_seqs", str(4 * HITS), "-max_hsps", "1",
                 "-strand", "plus", "-evalue", "1e-10", "-dust", "no", "-num_threads", str(self._threads)],
                timeout=timeout,
            )  # fmt: skip
            return _read_hits(table, len(sequences))


def _read_hits(table: Path, count: int) -> NDArray[np.int64]:
    """Read query and target of each hit, in the program's order."""
    found = np.full((count, HITS), -1, dtype=np.int64)
    filled = np.zeros(count, dtype=np.int64)
    for line in table.read_text(encoding="utf-8").splitlines():
        row, place = (int(cell) for cell in line.split("\t"))
        if filled[row] < HITS and place not in found[row]:
            found[row, filled[row]] = place
            filled[row] += 1
    return found


class Fallback:
    """A classifier with a search behind it; use it as a context, the program's database is deleted at the end.

    Args:
        classifier: answers first, and once more with what the search found.
        method: program.
        rank: rank that reads should reach; None takes the second lowest.
        threads: threads of the program; answers do not depend on them.

    Raises:
        ToolError: the program is not installed.
        ConfigError: the bundle has no such rank.
    """

    def __init__(
        self, classifier: Classifier, method: Method = "vsearch", *, rank: str | None = None, threads: int = 1
    ) -> None:
        ranks = classifier.ranks
        if rank is not None and rank not in ranks:
            message = f"fallback.rank: no rank {rank!r}; expected one of {', '.join(ranks) or 'none: no reference'}"
            raise ConfigError(message)
        self._classifier = classifier
        self._rank = max(len(ranks) - 2, 0) if rank is None else ranks.index(rank)
        self._folder = tempfile.TemporaryDirectory(prefix="abyssal-fallback-")
        reference = classifier.model.index.reference
        engine = VsearchSearch if method == "vsearch" else BlastSearch
        self._search: Search | None = engine(reference, Path(self._folder.name), threads) if len(reference) else None

    @classmethod
    def configured(cls, classifier: Classifier, settings: FallbackConfig, *, threads: int = 1) -> Fallback | None:
        """Return the fallback that the configuration asks for; None for ``none``."""
        if settings.method == "none":
            return None
        return cls(classifier, settings.method, rank=settings.rank, threads=threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def revise(
        self,
        sequences: Sequence[str],
        answers: Classifications,
        budget: Budget | None = None,
        *,
        novelty: NoveltyConfig | None = None,
    ) -> tuple[Classifications, Gain]:
        """Search for reads that are open and answer them once more.

        Args:
            sequences: what was classified, as it was given.
            answers: the classifier's answers.
            budget: what it may cost.
            novelty: the mix for which confidences shall hold, as in the classifier's answers.

        Returns:
            The answers, those of searched reads with source FALLBACK where anything was found, and the gain.
        """
        begun = time.monotonic()
        budget = budget or Budget()
        groups = _equal_reads(sequences)
        firsts = np.array([rows[0] for rows in groups], dtype=np.int64)
        open_groups = self._open(answers, firsts)
        most = int(budget.share * len(groups))
        revised, searched = answers, 0
        changes: list[tuple[int, int]] = []
        for start in range(0, min(open_groups.size, most), _CHUNK):
            left = None if budget.seconds is None else budget.seconds - (time.monotonic() - begun)
            if left is not None and left <= 0:
                break
            part = open_groups[start : min(start + _CHUNK, most)]
            second = self._second([sequences[row] for row in firsts[part]], left, novelty)
            if second is None:
                break
            searched += part.size
            changes += _compare(answers, firsts[part], second)
            revised = _merged(revised, [groups[group] for group in part], second)
        gain = _gain(answers.ranks, len(groups), open_groups.size, searched, changes, time.monotonic() - begun)
        return revised, gain

    def _open(self, answers: Classifications, firsts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the distinct reads without an accepted name at the wanted rank, hardest first."""
        if self._search is None or not firsts.size:
            return np.zeros(0, dtype=np.int64)
        wanted = (answers.source[firsts] != Source.REJECTED) & (answers.accepted[firsts] < self._rank)
        found = np.flatnonzero(wanted)
        return found[np.argsort(answers.confidence[firsts[found], self._rank], kind="stable")]

    def _second(self, given: list[str], timeout: float | None, novelty: NoveltyConfig | None) -> Classifications | None:
        """Search and answer; None when the program ran out of time."""
        assert self._search is not None
        try:
            hits = self._search.hits(self._classifier.oriented(given), timeout)
        except ToolTimeoutError:
            return None
        second = self._classifier.classify(given, novelty=novelty, hits=hits)
        source = np.where(hits[:, 0] >= 0, np.int8(Source.FALLBACK), second.source).astype(np.int8)
        return replace(second, source=source)


class Revision:
    """Revises window after window of one input on one budget, and adds up the gain.

    Args:
        fallback: what searches.
        budget: share of each window's distinct reads, seconds of all windows together.
    """

    def __init__(self, fallback: Fallback, budget: Budget) -> None:
        self._fallback, self._budget = fallback, budget
        self.gain: Gain | None = None

    def __call__(self, sequences: Sequence[str], answers: Classifications) -> Classifications:
        """Return the revised answers of a window."""
        spent = 0.0 if self.gain is None else self.gain.seconds
        seconds = None if self._budget.seconds is None else max(0.0, self._budget.seconds - spent)
        revised, gain = self._fallback.revise(sequences, answers, Budget(self._budget.share, seconds))
        self.gain = gain if self.gain is None else _summed(self.gain, gain)
        return revised

    def report(self) -> str:
        """Return the gain in one line."""
        gain = self.gain
        if gain is None:
            return "no reads"
        deeper = ", ".join(f"{rank} {count}" for rank, count in gain.deeper.items() if count) or "none"
        lost = ", ".join(f"{rank} {count}" for rank, count in gain.lost.items() if count) or "none"
        return (
            f"{gain.open} of {gain.reads} distinct reads open, {gain.searched} searched in {gain.seconds:.1f} s "
            f"(at most {self._budget.share:.0%} of all may be); "
            f"answers changed: {gain.changed}; ranks gained: {deeper}; ranks lost: {lost}"
        )


def _summed(one: Gain, other: Gain) -> Gain:
    return Gain(
        one.reads + other.reads, one.open + other.open, one.searched + other.searched, one.changed + other.changed,
        {rank: count + other.deeper[rank] for rank, count in one.deeper.items()},
        {rank: count + other.lost[rank] for rank, count in one.lost.items()},
        one.seconds + other.seconds,
    )  # fmt: skip


def _equal_reads(sequences: Sequence[str]) -> list[list[int]]:
    """Return the rows of each distinct read, in the order of its letters, so that nothing depends on the input's."""
    groups: dict[str, list[int]] = {}
    for row, sequence in enumerate(sequences):
        groups.setdefault(sequence, []).append(row)
    return [groups[sequence] for sequence in sorted(groups)]


def _compare(before: Classifications, rows: NDArray[np.int64], after: Classifications) -> list[tuple[int, int]]:
    """Return the accepted ranks before and after of searched reads with another accepted lineage."""
    changes = []
    for place, row in enumerate(rows.tolist()):
        old, new = int(before.accepted[row]), int(after.accepted[place])
        if before.labels[row][: old + 1] != after.labels[place][: new + 1]:
            changes.append((old, new))
    return changes


def _gain(
    ranks: tuple[str, ...], reads: int, left_open: int, searched: int, changes: list[tuple[int, int]], seconds: float
) -> Gain:
    deeper = {rank: sum(old < place <= new for old, new in changes) for place, rank in enumerate(ranks)}
    lost = {rank: sum(new < place <= old for old, new in changes) for place, rank in enumerate(ranks)}
    return Gain(reads, left_open, searched, len(changes), deeper, lost, seconds)


def _merged(answers: Classifications, groups: list[list[int]], second: Classifications) -> Classifications:
    """Return the answers with those of some reads replaced, row by row of ``groups``."""
    rows = np.array([row for group in groups for row in group], dtype=np.int64)
    places = np.array([place for place, group in enumerate(groups) for _ in group], dtype=np.int64)
    columns: dict[str, Any] = {}
    for field in fields(answers):
        old, new = getattr(answers, field.name), getattr(second, field.name)
        if field.name in ("ranks", "engine"):
            continue
        if isinstance(old, np.ndarray):
            columns[field.name] = old.copy()
            columns[field.name][rows] = new[places]
        else:
            merged = list(old)
            for row, place in zip(rows.tolist(), places.tolist(), strict=True):
                merged[row] = new[place]
            columns[field.name] = merged
    return replace(answers, **columns)
