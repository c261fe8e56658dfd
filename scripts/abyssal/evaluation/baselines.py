"""Peers on the same split: vsearch's SINTAX, its top hit, and the lowest common ancestor of its hits.

Names go through vsearch as codes, so that no letter of a name can upset a header; every (amplicon, lineage) pair is one
record, as in the references that users download. One thread and a fixed seed: SINTAX draws at random.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abyssal.evaluation.answers import Answers
from abyssal.evaluation.split import HeldOutQuery
from abyssal.references.model import AmpliconReference, Lineage, common_lineage
from abyssal.sequences.records import write_fasta
from abyssal.tools import run_tool

SINTAX_LETTERS = "dkpcofgs"
"""SINTAX knows eight ranks; of a longer lineage the lowest eight are given to it."""
SINTAX_CUTOFF = 0.8
TOP_HIT_IDENTITY = 0.7
LCA_WITHIN = 0.01
"""Hits within this identity of the best are ancestors of the answer."""

Hits = dict[int, list[tuple[float, int]]]
"""For each query its (identity 0..1, position in ``pairs``), as the program ordered them."""

_CALL = re.compile(r"([a-z]):t(\d+)\(([0-9.]+)\)")


class Baselines:
    """The peers' database and queries in a working directory; ``pairs`` are the lineages of its records, in order."""

    def __init__(self, reference: AmpliconReference, queries: Sequence[HeldOutQuery], directory: Path) -> None:
        self._reference = reference
        self._queries = queries
        self._directory = directory
        self._found: tuple[str, Hits] | None = None
        self._names = [
            sorted({name for pairs in reference.members for _, lineage in pairs if (name := lineage[rank]) is not None})
            for rank in range(len(reference.ranks))
        ]
        self.pairs: list[Lineage] = []
        records = []
        for sequence, pairs in zip(reference.sequences, reference.members, strict=True):
            for _, lineage in pairs:
                records.append((f"r{len(self.pairs)};tax={self._tax(lineage)};", sequence))
                self.pairs.append(lineage)
        write_fasta(directory / "reference.fasta", records)
        write_fasta(directory / "queries.fasta", [(f"q{row}", query.sequence) for row, query in enumerate(queries)])

    def _tax(self, lineage: Lineage) -> str:
        skipped = max(len(lineage) - len(SINTAX_LETTERS), 0)
        letters = SINTAX_LETTERS[-(len(lineage) - skipped) :]
        return ",".join(
            f"{letter}:t{self._names[skipped + place].index(name)}"
            for place, (letter, name) in enumerate(zip(letters, lineage[skipped:], strict=True))
            if name is not None
        )

    def run(self, name: str) -> Answers:
        """Run one peer: ``sintax``, ``top-hit`` or ``lca``."""
        return self._sintax() if name == "sintax" else self._hits(name)

    def _sintax(self) -> Answers:
        target = self._directory / "sintax.tsv"
        command = ["vsearch", "--sintax", "queries.fasta", "--db", "reference.fasta", "--tabbedout", "sintax.tsv",
                   "--sintax_cutoff", f"{SINTAX_CUTOFF:g}", "--randseed", "1", "--threads", "1"]  # fmt: skip
        self._call(command)
        labels, confidence = self._blank()
        ranks = len(self._reference.ranks)
        letters = SINTAX_LETTERS[-min(ranks, len(SINTAX_LETTERS)) :]
        for line in target.read_text(encoding="utf-8").splitlines():
            query, calls = line.split("\t")[:2]
            for letter, code, sure in _CALL.findall(calls):
                rank = ranks - len(letters) + letters.index(letter)
                labels[int(query[1:])][rank] = self._names[rank][int(code)]
                confidence[int(query[1:]), rank] = float(sure)
        return Answers("sintax", (shlex.join(command),), labels, confidence, confidence >= SINTAX_CUTOFF)

    def _hits(self, name: str) -> Answers:
        # One search serves both readings of its hits.
        self._found = self._found or self._search()
        return self.named_by_hits(name, *self._found, lowest_common=name == "lca")

    def _search(self) -> tuple[str, Hits]:
        target = self._directory / "hits.tsv"
        command = ["vsearch", "--usearch_global", "queries.fasta", "--db", "reference.fasta", "--id",
                   f"{TOP_HIT_IDENTITY:g}", "--maxaccepts", "20", "--maxrejects", "64", "--userout", target.name,
                   "--userfields", "query+target+id", "--threads", "1"]  # fmt: skip
        self._call(command)
        found: Hits = {}
        for line in target.read_text(encoding="utf-8").splitlines():
            query, hit, identity = line.split("\t")
            found.setdefault(int(query[1:]), []).append((float(identity) / 100.0, int(hit[1:].split(";")[0])))
        return shlex.join(command), found

    def named_by_hits(self, name: str, command: str, found: Hits, *, lowest_common: bool) -> Answers:
        """Return what hits say: the best one's lineage, or the common one of all within ``LCA_WITHIN`` of it."""
        labels, confidence = self._blank()
        for row, hits in found.items():
            best = max(identity for identity, _ in hits)
            near = [self.pairs[pair] for identity, pair in hits if identity >= best - LCA_WITHIN]
            first = next(self.pairs[pair] for identity, pair in hits if identity == best)
            labels[row] = list(common_lineage(near) if lowest_common else first)
            confidence[row] = best
        given = np.array([[label is not None for label in row] for row in labels]).reshape(confidence.shape)
        return Answers(name, (command,), labels, confidence, given)

    def _blank(self) -> tuple[list[list[str | None]], NDArray[np.float64]]:
        ranks = len(self._reference.ranks)
        return [[None] * ranks for _ in self._queries], np.zeros((len(self._queries), ranks))

    def _call(self, command: list[str]) -> None:
        """Run in the working directory by giving whole paths; the recorded command keeps the short ones."""
        files = {"queries.fasta", "reference.fasta", "sintax.tsv", "hits.tsv"}
        run_tool([self._directory / part if part in files else part for part in command])


def vsearch_version() -> str:
    """Return the first words of ``vsearch --version``."""
    done = run_tool(["vsearch", "--version"])
    return (done.stderr or done.stdout).splitlines()[0].split(",")[0]
