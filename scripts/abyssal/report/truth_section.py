"""The study graded against its truth, where there is one: a simulated study or a mock community.

The truth table has one row a sample and molecule: ``sample``, ``molecule`` (MD5 of the amplicon, as an ASV is named),
``status``, ``reads``, and one column a rank. ``new_<rank>`` says that the taxon is absent from the reference at that
rank and below; ``known`` that it is present; all other statuses (chimera, off_target, contaminant) are not graded for
their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abyssal.errors import DataError
from abyssal.evaluation.metrics import b_cubed
from abyssal.report.elements import (
    OTHER_COLOUR,
    PALETTE,
    UNNAMED_COLOUR,
    Figure,
    Section,
    Table,
    axis,
    count,
    decimal,
    percent,
    plural,
)
from abyssal.report.inputs import StudyResults, read_rows

_FIXED = ("sample", "molecule", "status", "reads")
_NEW = "new_"


@dataclass(frozen=True)
class TrueMolecule:
    """A molecule that was put into the study.

    Attributes:
        status: of most of its reads.
        reads: in all samples.
        lineage: name by rank; "" where unknown.
    """

    status: str
    reads: int
    lineage: Mapping[str, str]

    @property
    def graded(self) -> bool:
        """Whether its name can be right or wrong."""
        return self.status == "known" or self.status.startswith(_NEW)


@dataclass(frozen=True)
class RankGrade:
    """Answers at one rank, in ASVs whose true name is known there.

    Attributes:
        right, wrong, open: taxa that the reference has.
        overclassified, left_open: taxa that it does not have.
    """

    rank: str
    right: int
    wrong: int
    open: int
    overclassified: int
    left_open: int


def truth_section(results: StudyResults) -> Section | None:
    """Grade ASVs, names and putative taxa against the truth; None when the study has none."""
    if results.truth is None:
        return None
    truth = read_truth(results.truth)
    grades = grade_ranks(results, truth)
    return Section(
        "truth",
        "Graded against the truth",
        paragraphs=[_variants_in_words(results, truth), *_names_in_words(grades), *_groups_in_words(results, truth)],
        figures=[_figure(grades)] if grades else [],
        tables=[_status_table(results, truth), *_grade_table(grades)],
    )


def read_truth(source: Path) -> dict[str, TrueMolecule]:
    """Read a truth table by molecule.

    Raises:
        DataError: a column is missing.
    """
    rows = read_rows(source)
    missing = [name for name in _FIXED if rows and name not in rows[0]]
    if missing:
        message = f"{source}: no column {', '.join(missing)}; expected {', '.join(_FIXED)} and one column a rank"
        raise DataError(message)
    reads: dict[str, Counter[str]] = {}
    lineages: dict[str, Mapping[str, str]] = {}
    for row in rows:
        reads.setdefault(row["molecule"], Counter())[row["status"]] += int(row["reads"])
        lineages.setdefault(row["molecule"], row)
    return {
        molecule: TrueMolecule(found.most_common(1)[0][0], found.total(), lineages[molecule])
        for molecule, found in reads.items()
    }


def grade_ranks(results: StudyResults, truth: Mapping[str, TrueMolecule]) -> list[RankGrade]:
    """Return one grade a rank, highest first, over the ASVs that are exactly a true molecule."""
    ranks = results.answers.ranks
    grades = []
    for place, rank in enumerate(ranks):
        tally: Counter[str] = Counter()
        for answer in results.answers.rows:
            molecule = truth.get(answer.asv)
            if molecule is None or not molecule.graded:
                continue
            name, true_name = answer.name_at(place), molecule.lineage.get(rank, "")
            if _absent(molecule.status, place, ranks):
                tally["overclassified" if name else "left_open"] += 1
            elif true_name:
                tally["open" if not name else "right" if name == true_name else "wrong"] += 1
        keys = ("right", "wrong", "open", "overclassified", "left_open")
        grades.append(RankGrade(rank, *(tally[key] for key in keys)))
    return grades


def _absent(status: str, place: int, ranks: Sequence[str]) -> bool:
    new = status.removeprefix(_NEW)
    return status.startswith(_NEW) and new in ranks and place >= ranks.index(new)


def _variants_in_words(results: StudyResults, truth: Mapping[str, TrueMolecule]) -> str:
    statuses = Counter(truth[asv].status if asv in truth else "neither" for asv in results.table.features)
    exact = sum(amount for status, amount in statuses.items() if status not in {"neither", "chimera"})
    return (
        f"The truth of this study is known. Of {plural(len(results.table.features), 'ASV')}, {count(exact)} are "
        f"exactly a molecule that was put in, {count(statuses['chimera'])} are chimeras that were not recognised, and "
        f"{count(statuses['neither'])} are neither."
    )


def _names_in_words(grades: Sequence[RankGrade]) -> list[str]:
    parts = []
    for grade in grades[-3:]:
        named, absent = grade.right + grade.wrong, grade.overclassified + grade.left_open
        text = f"At {grade.rank}, {count(grade.right)} of {plural(named, 'name')} given to known taxa are right"
        if absent:
            text += f", and {count(grade.overclassified)} of {count(absent)} absent taxa were given a name"
        parts.append(text + ".")
    return [" ".join(parts)] if parts else []


def _groups_in_words(results: StudyResults, truth: Mapping[str, TrueMolecule]) -> list[str]:
    """Score putative taxa with B-cubed precision and recall."""
    lowest = results.answers.ranks[-1] if results.answers.ranks else ""
    putative = results.putative_of
    true_group = {
        asv: truth[asv].lineage.get(lowest, "")
        for asv in results.table.features
        if asv in truth and truth[asv].status.startswith(_NEW) and truth[asv].lineage.get(lowest, "")
    }
    if not true_group:
        return []
    grouped = [asv for asv in true_group if asv in putative]
    text = (
        f"{count(len(grouped))} of {plural(len(true_group), 'ASV')} whose {lowest} is absent from the reference are in "
        "a putative taxon"
    )
    if grouped:
        precision, recall = b_cubed([putative[asv] for asv in grouped], [true_group[asv] for asv in grouped])
        scores = f"precision of {decimal(precision, 2)} and recall of {decimal(recall, 2)}"
        text += f"; among those, grouping has a B-cubed {scores}"
    return [text + "."]


def _status_table(results: StudyResults, truth: Mapping[str, TrueMolecule]) -> Table:
    reads = dict(zip(results.table.features, results.table.counts.sum(axis=1).tolist(), strict=True))
    verdicts = {row["asv"]: row["verdict"] for row in results.verdicts}
    order = Counter(dict.fromkeys(("known",), 0))
    for molecule in truth.values():
        order[molecule.status] += molecule.reads
    rows = []
    for status, true_reads in order.most_common():
        molecules = {name for name, molecule in truth.items() if molecule.status == status}
        found = [asv for asv in results.table.features if asv in molecules]
        rows.append(_status_row(status, molecules, true_reads, found, reads, verdicts))
    other = [asv for asv in results.table.features if asv not in truth]
    rows.append(_status_row("in no molecule", set(), 0, other, reads, verdicts))
    header = ["status", "molecules put in", "reads put in", "found as ASV", "reads counted", "beyond the gate",
              "off target"]  # fmt: skip
    caption = (
        "What was put in and what was found, by status of the molecule; the last row counts ASVs that nobody put in."
    )
    return Table(header, rows, caption, frozenset(range(1, 7)))


def _status_row(
    status: str,
    molecules: set[str],
    true_reads: int,
    found: Sequence[str],
    reads: Mapping[str, int],
    verdicts: Mapping[str, str],
) -> list[str]:
    kinds = Counter(verdicts.get(asv, "") for asv in found)
    amounts = [len(molecules), true_reads, len(found), sum(int(reads[asv]) for asv in found)]
    amounts += [kinds["beyond"], kinds["off_target"]]
    return [status.replace("_", " "), *(count(amount) for amount in amounts)]


def _grade_table(grades: Sequence[RankGrade]) -> list[Table]:
    rows = []
    for grade in grades:
        present, absent = grade.right + grade.wrong + grade.open, grade.overclassified + grade.left_open
        named = grade.right + grade.wrong
        rows.append(
            [
                grade.rank, count(present), count(grade.right), count(grade.wrong), count(grade.open),
                percent(grade.right, named), percent(grade.right, present), count(absent), count(grade.overclassified),
                percent(grade.overclassified, absent),
            ]
        )  # fmt: skip
    header = ["rank", "present in the reference", "right", "wrong", "left open", "precision", "recall",
              "absent from it", "named all the same", "over-classification"]  # fmt: skip
    caption = "ASVs that are exactly a true molecule, graded at each rank where its true name is known."
    return [Table(header, rows, caption, frozenset(range(1, 10)))] if rows else []


def _figure(grades: Sequence[RankGrade]) -> Figure:
    parts = {
        "right": (PALETTE[2], [grade.right for grade in grades]),
        "wrong": (PALETTE[5], [grade.wrong for grade in grades]),
        "left open": (UNNAMED_COLOUR, [grade.open for grade in grades]),
        "absent, named": (PALETTE[7], [grade.overclassified for grade in grades]),
        "absent, left open": (OTHER_COLOUR, [grade.left_open for grade in grades]),
    }
    traces: list[Mapping[str, Any]] = [
        {
            "type": "bar", "orientation": "h", "name": name, "y": [grade.rank for grade in grades], "x": values,
            "marker": {"color": colour}, "hovertemplate": "%{y}: %{x:,d} ASVs %{fullData.name}<extra></extra>",
        }
        for name, (colour, values) in parts.items()
    ]  # fmt: skip
    layout = {
        "barmode": "stack",
        "xaxis": axis("ASVs"),
        "yaxis": axis("", autorange="reversed", type="category"),
        "legend": {"traceorder": "normal"},
    }
    total = max(grade.right + grade.wrong + grade.open + grade.overclassified + grade.left_open for grade in grades)
    caption = (
        f"Names against the truth by rank (at most {count(total)} ASVs a rank; those without a true name are left out)."
    )
    return Figure("truth-by-rank", caption, traces, layout, height=140 + 34 * len(grades))
