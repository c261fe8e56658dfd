"""The first lines: what the study is, what came out, how far it can be trusted, in plain words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from abyssal.report.elements import count, percent, plural
from abyssal.report.inputs import StudyResults
from abyssal.report.reads_section import empty_samples, largest_loss, read_unit, reads_in_and_kept
from abyssal.report.taxa_section import RankSummary, asv_reads, summarise_ranks


@dataclass(frozen=True)
class Card:
    """One number with its name and what it is out of."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Headline:
    """What the reader sees first."""

    paragraphs: Sequence[str]
    cards: Sequence[Card]
    warnings: Sequence[str]


def make_headline(results: StudyResults, verdicts: Sequence[str]) -> Headline:
    """Return the first screen; ``verdicts`` are the sentences of the evaluation."""
    paragraphs = [_study(results), _named(results), _sure(results), *verdicts]
    return Headline([text for text in paragraphs if text], _cards(results), _warnings(results))


def _study(results: StudyResults) -> str:
    total, kept = reads_in_and_kept(results.ledger)
    libraries = {row.library for row in results.ledger}
    samples = plural(len(results.table.columns), "sample")
    text = (
        f"Study {results.facts.study}, marker {results.facts.marker}: "
        f"{plural(len(libraries), 'library', 'libraries')} of {samples} gave {count(total)} {read_unit(results)}. "
        f"{count(kept)} of them ({percent(kept, total)}) are kept, in "
        f"{plural(len(results.table.features), 'sequence variant')} (ASVs). {largest_loss(results)}"
    )
    return text.rstrip()


def _named(results: StudyResults) -> str:
    summaries = [summary for summary in summarise_ranks(results) if summary.reads]
    total = int(results.table.counts.sum())
    if not results.answers.ranks:
        return "There is no reference, so nothing is named; all ASVs are grouped into putative taxa."
    if not summaries or not total:
        return "No read could be given a name at any rank."
    parts = [f"{percent(summary.reads, total)} at {summary.rank}" for summary in summaries]
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    putative = sum(int(row["reads"]) for row in results.putative_taxa)
    taxa = plural(len(results.putative_taxa), "putative taxon", "putative taxa")
    return (
        f"Of the reads kept, a name is accepted for {text}. {taxa} that the reference does not explain "
        f"{'holds' if len(results.putative_taxa) == 1 else 'hold'} {percent(putative, total)}; a read counts for both "
        f"where its name ends above the new taxon. {_nearest(results)}".rstrip()
    )


def _nearest(results: StudyResults) -> str:
    """Say how near the reference is, which is why names end where they end."""
    reads = asv_reads(results)
    near = sorted((row.nearest, reads.get(row.asv, 0)) for row in results.answers.rows if row.nearest is not None)
    running = list(accumulate(number for _, number in near))
    if not running or not running[-1]:
        return ""
    identity, _ = near[bisect_left(running, running[-1] / 2)]
    if identity >= 1.0:
        same = sum(number for found, number in near if found >= 1.0)
        return f"{percent(same, running[-1])} of the reads are identical to a reference sequence."
    return f"Half of the reads are at most {percent(identity)} identical to the nearest reference sequence."


def _sure(results: StudyResults) -> str:
    deepest = [summary for summary in summarise_ranks(results) if summary.confidence is not None]
    if not deepest:
        return ""
    last: RankSummary = deepest[-1]
    return (
        f"How sure: names at {last.rank}, the lowest rank with any, are right with a calibrated probability of "
        f"{percent(last.confidence or 0.0)} on average ({plural(last.asvs, 'ASV')})."
    )


def _cards(results: StudyResults) -> list[Card]:
    total, kept = reads_in_and_kept(results.ledger)
    reads = int(results.table.counts.sum())
    cards = [
        Card("samples", count(len(results.table.columns)), f"{len(empty_samples(results))} without reads"),
        Card("reads kept", count(kept), f"{percent(kept, total)} of {count(total)}"),
        Card("ASVs", count(len(results.table.features)), f"{count(reads)} reads in the table"),
    ]
    cards += [
        Card(f"named at {summary.rank}", percent(summary.reads, reads), f"of reads; {plural(summary.names, 'name')}")
        for summary in summarise_ranks(results)[-3:]
    ]
    putative = sum(int(row["reads"]) for row in results.putative_taxa)
    cards.append(Card("putative taxa", count(len(results.putative_taxa)), f"{percent(putative, reads)} of reads"))
    return cards


def _warnings(results: StudyResults) -> list[str]:
    warnings = []
    controls = {row["sample"] for row in results.control_libraries}
    empty = [sample for sample in empty_samples(results) if sample not in controls]
    if empty:
        warnings.append(f"No reads are left of {', '.join(empty)}; the ledger below says where they went.")
    broken = [answer for answer in results.answers.rows if answer.error]
    if broken:
        warnings.append(f"{plural(len(broken), 'ASV')} could not be classified; taxonomy.tsv says why.")
    return warnings
