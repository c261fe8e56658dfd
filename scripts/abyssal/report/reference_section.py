"""What this marker and this reference can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from abyssal.report.elements import Section, Table, count, percent, plural
from abyssal.report.inputs import StudyResults


def reference_section(results: StudyResults) -> Section | None:
    """Summarise the reference report; None without a reference."""
    found = results.reference_report
    if found is None:
        return None
    return Section(
        "reference", "What the reference can tell apart", _words(results), tables=[_ranks(found), _shared(found)]
    )


def _words(results: StudyResults) -> list[str]:
    found = results.reference_report or {}
    name, records, lengths = results.facts.config["marker"]["reference"], found["records"], found["lengths"]
    kept = records["amplified"] + records["aligned"] + records["uncut"]
    dropped = ", ".join(f"{count(number)} {reason.replace('_', ' ')}" for reason, number in records["dropped"].items())
    return [
        f"Reference {name['name']} {name['version']}: {plural(records['read'], 'record')} were read, {count(kept)} kept"
        + (f" (dropped: {dropped})" if dropped else "")
        + f", which are {plural(found['amplicons'], 'distinct amplicon')} of {lengths['min']} to {lengths['max']} bp "
        f"(median {lengths['median']}). {plural(found['suspect_count'], 'record')} may be mislabelled and "
        f"{plural(found['conflict_count'], 'taxon', 'taxa')} had two parents.",
        "A taxon whose amplicon is the same as that of another taxon cannot be told from it with this marker, whatever "
        "the model.",
    ]


def _ranks(found: Mapping[str, Any]) -> Table:
    rows = [
        [
            rank["rank"], count(rank["taxa"]), percent(rank["share_named"]), percent(rank["share_unique"]),
            count(rank["taxa_with_own_amplicon"]), percent(rank["taxa_with_own_amplicon"], rank["taxa"]),
            count(rank["taxa_with_one_amplicon"]),
        ]
        for rank in found["ranks"]
    ]  # fmt: skip
    header = [
        "rank", "taxa", "amplicons with a name", "of these with one name only", "taxa with an amplicon of their own",
        "share of taxa", "taxa with a single amplicon",
    ]  # fmt: skip
    caption = f"The reference by rank, of {count(found['amplicons'])} amplicons."
    return Table(header, rows, caption, frozenset(range(1, 7)))


def _shared(found: Mapping[str, Any]) -> Table:
    rows = [
        [row["amplicon"], row["blurred_from"], count(row["taxa"]), _names(row["names"], row["taxa"])]
        for row in found["shared"]
    ]
    header = ["amplicon", "blurred from", "taxa", "taxa that share it"]
    caption = "Amplicons that several taxa share, those that blur the highest rank first (at most 200)."
    return Table(header, rows, caption, frozenset({2}), shown=8)


def _names(names: Sequence[str], taxa: int) -> str:
    text = ", ".join(names)
    return text if taxa <= len(names) else f"{text} and {taxa - len(names)} more"
