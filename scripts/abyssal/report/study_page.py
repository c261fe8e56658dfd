"""The report of a study with one or more markers: what each gave, sample by sample, and what they agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abyssal.exports.source import ExportSource
from abyssal.files import write_text
from abyssal.reads.ledger import LedgerRow
from abyssal.reads.marker_split import OTHER_MARKER
from abyssal.report.elements import PALETTE, Figure, Section, Table, axis, count, label, percent, plural
from abyssal.report.headline import Card, Headline
from abyssal.report.page import render_page
from abyssal.report.reads_section import reads_in_and_kept

_MOST_SHARED = 300


@dataclass(frozen=True)
class MarkerResults:
    """One marker of the study: its tables, its ledger, and the name, version and digest of its bundle."""

    source: ExportSource
    ledger: Sequence[LedgerRow]
    bundle: str

    @property
    def name(self) -> str:
        return self.source.names.marker

    @property
    def reads_by_name(self) -> dict[tuple[str, str], int]:
        """Reads of each accepted (rank, name), all samples together."""
        reads: dict[tuple[str, str], int] = {}
        totals = self.source.table.counts.sum(axis=1).tolist()
        for asv, found in zip(self.source.table.features, totals, strict=True):
            for pair in self.source.lineages[asv].accepted:
                reads[pair] = reads.get(pair, 0) + int(found)
        return reads


def write_study_page(target: Path, study: str, markers: Sequence[MarkerResults]) -> None:
    """Write ``results/<study>/report.html``; each marker's own report lies in the folder of its name beside it."""
    write_text(target, render_page(study, _headline(study, markers), _sections(markers)))


def shared_taxa(markers: Sequence[MarkerResults]) -> list[tuple[str, str, list[int]]]:
    """Return (rank, name, reads by marker) of the names that at least two markers accept, lowest ranks first."""
    reads = [marker.reads_by_name for marker in markers]
    depth = {rank: place for marker in markers for place, rank in enumerate(marker.source.answers.ranks)}
    pairs = {pair for found in reads for pair in found if sum(pair in other for other in reads) > 1}
    order = sorted(pairs, key=lambda pair: (-depth[pair[0]], -sum(found.get(pair, 0) for found in reads), pair[1]))
    return [(rank, name, [found.get((rank, name), 0) for found in reads]) for rank, name in order]


def reads_in(markers: Sequence[MarkerResults]) -> int:
    """Return the reads that came in; those of files that several markers share count once.

    A file of ready-made ASVs is no such file: each of its libraries has reads of its own.
    """
    found: dict[object, int] = {}
    for marker in markers:
        reads = [row for row in marker.source.libraries if row.kind != "asvs"]
        files = {row.library: (row.files, row.tags) for row in reads}
        first: dict[object, int] = {}
        for row in marker.ledger:
            first.setdefault(files.get(row.library, (marker.name, row.library)), row.reads_in)
        found |= first
    return sum(found.values())


def _samples(markers: Sequence[MarkerResults]) -> list[str]:
    return list(dict.fromkeys(sample for marker in markers for sample in marker.source.table.columns))


def _headline(study: str, markers: Sequence[MarkerResults]) -> Headline:
    raw, kept = reads_in(markers), sum(reads_in_and_kept(marker.ledger)[1] for marker in markers)
    samples = _samples(markers)
    asvs = sum(len(marker.source.table.features) for marker in markers)
    shared = shared_taxa(markers)
    names = ", ".join(marker.name for marker in markers)
    paragraphs = [
        f"Study {study}: {plural(len(samples), 'sample')} sequenced for {plural(len(markers), 'marker')} ({names}). "
        f"{count(raw)} reads or read pairs came in, {count(kept)} ({percent(kept, raw)}) are kept, in "
        f"{plural(asvs, 'sequence variant')} (ASVs).",
        "Each marker has a report of its own, linked below, with what lives in the samples and how far names can be "
        "trusted; its bundle and its exports lie beside that report.",
    ]
    if len(markers) > 1:
        paragraphs.append(_agreement(markers, len(shared)))
    empty = [marker.name for marker in markers if not marker.source.table.counts.sum()]
    warnings = [f"No reads are left of {', '.join(empty)}; the marker's own report says where they went."] * bool(empty)
    cards = [
        Card("markers", count(len(markers)), f"{len(markers) - len(empty)} with reads"),
        Card("samples", count(len(samples)), "of all markers"),
        Card("reads kept", count(kept), f"{percent(kept, raw)} of {count(raw)}"),
        Card("ASVs", count(asvs), "of all markers"),
    ]
    if len(markers) > 1:
        cards.append(Card("shared taxa", count(len(shared)), "named by two markers or more"))
    return Headline(paragraphs, cards, warnings)


def _agreement(markers: Sequence[MarkerResults], shared: int) -> str:
    if not any(marker.source.answers.ranks for marker in markers):
        return "No marker has a reference, so nothing is named; ASVs are grouped into putative taxa."
    if not shared:
        return "No taxon is named by more than one marker; references that use other names look like this, too."
    named = plural(shared, "taxon is", "taxa are")
    return f"{named} named by more than one marker, which speaks for the name: markers err independently."


def _sections(markers: Sequence[MarkerResults]) -> list[Section]:
    sections = [_marker_section(markers), _sample_section(markers)]
    return [*sections, _shared_section(markers)] if len(markers) > 1 else sections


def _marker_section(markers: Sequence[MarkerResults]) -> Section:
    rows = []
    for marker in markers:
        raw, kept = reads_in_and_kept(marker.ledger)
        raw -= sum(row.reads_lost for row in marker.ledger if row.loss_reason == OTHER_MARKER)
        lineages = marker.source.lineages.values()
        named = sum(bool(lineage.accepted) for lineage in lineages)
        putative = {lineage.putative_taxon for lineage in lineages if lineage.putative_taxon}
        asvs, libraries = len(marker.source.table.features), len({row.library for row in marker.ledger})
        rows.append([
            marker.name, count(libraries), count(raw), percent(kept, raw), count(asvs), percent(named, asvs),
            count(len(putative)), marker.bundle,
        ])  # fmt: skip
    header = ["marker", "libraries", "reads in", "kept", "ASVs", "ASVs named at any rank", "putative taxa", "bundle"]
    caption = "What each marker gave; reads with the primers of another marker of the study are not counted here."
    table = Table(header, rows, caption, frozenset(range(1, 7)))
    links = [(f"{marker.name}/report.html", f"Report of {marker.name}") for marker in markers]
    return Section("markers", "Markers", links=links, tables=[table])


def _sample_section(markers: Sequence[MarkerResults]) -> Section:
    totals = {marker.name: marker.source.table.totals() for marker in markers}
    samples = _samples(markers)
    rows = [
        [sample, *("" if sample not in found else count(found[sample]) for found in totals.values())]
        for sample in samples
    ]
    table = Table(
        ["sample", *totals], rows, "Reads kept, by sample and marker; empty: not sequenced for it, or a control.",
        frozenset(range(1, len(totals) + 1)),
    )  # fmt: skip
    return Section(
        "samples", "Samples and markers", figures=[_bars(samples, totals)] if samples else [], tables=[table]
    )


def _bars(samples: Sequence[str], totals: Mapping[str, Mapping[str, int]]) -> Figure:
    traces = [
        {
            "type": "bar", "orientation": "h", "name": label(marker), "y": [label(sample) for sample in samples],
            "x": [found.get(sample, 0) for sample in samples],
            "marker": {"color": PALETTE[place % len(PALETTE)],
                       "pattern": {"shape": ("", "/", "x", ".")[place // len(PALETTE) % 4]}},
            "hovertemplate": "<b>%{fullData.name}</b><br>%{x:,d} reads<extra></extra>",
        }
        for place, (marker, found) in enumerate(totals.items())
    ]  # fmt: skip
    layout = {
        "barmode": "stack", "xaxis": axis("reads kept"), "yaxis": axis("", autorange="reversed", type="category"),
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
        "margin": {"l": 8, "r": 16, "t": 8, "b": 48},
    }  # fmt: skip
    caption = f"Reads kept in {plural(len(samples), 'sample')}, by marker."
    return Figure("samples-by-marker", caption, traces, layout, height=240 + 26 * len(samples))


def _shared_section(markers: Sequence[MarkerResults]) -> Section:
    shared = shared_taxa(markers)
    rows = [[name, rank, *map(count, reads)] for rank, name, reads in shared[:_MOST_SHARED]]
    caption = f"Accepted names of at least two markers, lowest ranks first, with reads ({len(rows)} of {len(shared)})."
    table = Table(["taxon", "rank", *(marker.name for marker in markers)], rows, caption,
                  frozenset(range(2, len(markers) + 2)))  # fmt: skip
    text = "Reads of different markers cannot be compared with each other: primers differ in what they amplify."
    return Section("shared", "Taxa that markers share", paragraphs=[text], tables=[table] if rows else [])
