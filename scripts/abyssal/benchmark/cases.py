"""A case: one reference to fit on and the queries every method answers, on disk between the jobs of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.evaluation.split import HeldOutQuery
from abyssal.files import open_atomic
from abyssal.references.model import AmpliconReference, read_reference, write_reference

REFERENCE_FILE = "reference.fasta.gz"
LINEAGES_FILE = "lineages.tsv"
QUERIES_FILE = "queries.tsv"


@dataclass(frozen=True)
class CaseKey:
    """One case; also the folder below ``cases/`` that it lies in."""

    part: str
    dataset: str
    split: str

    @property
    def path(self) -> str:
        return f"{self.part}/{self.dataset}/{self.split}"


@dataclass(frozen=True)
class Case:
    """What is fitted on and what is asked.

    Attributes:
        fitted: the reference every method gets.
        queries: graded sequences.
        groups: for each query what was done to it, such as a robustness variant; "" for nothing.
    """

    fitted: AmpliconReference
    queries: tuple[HeldOutQuery, ...]
    groups: tuple[str, ...]

    @classmethod
    def plain(cls, fitted: AmpliconReference, queries: Sequence[HeldOutQuery]) -> Case:
        """A case whose queries are all of one kind."""
        return cls(fitted, tuple(queries), ("",) * len(queries))


def write_case(case: Case, folder: Path) -> None:
    """Write the three files of a case."""
    write_reference(case.fitted, folder / REFERENCE_FILE, folder / LINEAGES_FILE)
    with open_atomic(folder / QUERIES_FILE) as out:
        out.write("\t".join(["query", "group", "sequence", *case.fitted.ranks]) + "\n")
        for query, group in zip(case.queries, case.groups, strict=True):
            out.write("\t".join([query.id, group, query.sequence, *(name or "" for name in query.lineage)]) + "\n")


def read_case(folder: Path) -> Case:
    """Read what ``write_case`` wrote."""
    fitted = read_reference(folder / REFERENCE_FILE, folder / LINEAGES_FILE)
    rows = [line.split("\t") for line in (folder / QUERIES_FILE).read_text(encoding="utf-8").splitlines()[1:]]
    queries = tuple(HeldOutQuery(row[0], row[2], tuple(name or None for name in row[3:])) for row in rows)
    return Case(fitted, queries, tuple(row[1] for row in rows))
