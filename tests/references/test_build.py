"""Records to references: every record accounted for, nothing depends on their order."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from support.references_made import FORWARD_SITE, MARKER, REVERSE_SITE, mutate, random_dna, raw

from abyssal.errors import ReferenceFormatError
from abyssal.references.build import BuildReport, BuildSettings, build_reference
from abyssal.references.formats.raw import RawRecord
from abyssal.references.markers import ResolvedMarker
from abyssal.sequences.alphabet import reverse_complement

RNG_SEED = 11


def community() -> tuple[dict[str, str], list[RawRecord]]:
    """Forty related inserts with both primers, and records that each meet one fate."""
    rng = np.random.default_rng(RNG_SEED)
    root = random_dna(rng, 150)
    inserts = {f"full{number:02d}": mutate(rng, root, 0.08) for number in range(40)}
    records = []
    for number, (accession, insert) in enumerate(inserts.items()):
        sequence = random_dna(rng, 30) + FORWARD_SITE + insert + REVERSE_SITE + random_dna(rng, 30)
        sequence = reverse_complement(sequence) if number % 3 == 0 else sequence
        records.append(record(accession, sequence, f"Madeum_s{number}"))
    return inserts, records


def record(accession: str, sequence: str, species: str, *, family: str = "Madeidae", line: int = 1) -> RawRecord:
    return RawRecord(accession, sequence, ("Chordata", family, "Madeum", species), line)


def account(report: BuildReport) -> int:
    return report.amplified + report.aligned + report.uncut + sum(report.dropped.values())


def test_amplicons_are_cut_on_both_strands() -> None:
    inserts, records = community()
    reference, report = build_reference(raw(records), MARKER)
    assert set(reference.sequences) == set(inserts.values())
    assert report.amplified == report.records == 40
    assert reference.ids == tuple(sorted(inserts))


def test_stripped_primers_are_rescued_and_truncated_records_dropped() -> None:
    inserts, records = community()
    rng = np.random.default_rng(12)
    both, front, back = (mutate(rng, inserts["full00"], 0.05) for _ in range(3))
    records += [
        record("stripped", both, "Madeum_a"),
        record("stripped_minus", reverse_complement(both[:-1] + "A"), "Madeum_b"),
        record("forward_only", random_dna(rng, 50) + FORWARD_SITE + front, "Madeum_c"),
        record("reverse_only", back + REVERSE_SITE + random_dna(rng, 50), "Madeum_d"),
        record("truncated", random_dna(rng, 30) + FORWARD_SITE + inserts["full01"][:110], "Madeum_e"),
        record("alien", random_dna(rng, 400), "Madeum_f"),
        record("ambiguous", FORWARD_SITE + "N" * 20 + inserts["full02"][20:] + REVERSE_SITE, "Madeum_g"),
        record("short", FORWARD_SITE + inserts["full03"][:90] + REVERSE_SITE, "Madeum_h"),
        RawRecord("nameless", FORWARD_SITE + inserts["full04"] + REVERSE_SITE, ("", "uncultured", "NA", "sp."), 9),
        records[0],
    ]
    reference, report = build_reference(raw(records), MARKER)
    accessions = {accession for pairs in reference.members for accession, _ in pairs}
    assert {"stripped", "stripped_minus", "forward_only", "reverse_only"} <= accessions
    assert {front, back, both} <= set(reference.sequences)
    assert dict(report.reasons) == {
        "truncated": "partial",
        "alien": "not_target",
        "ambiguous": "too_ambiguous",
        "short": "too_short",
        "nameless": "no_known_name",
        "full00": "duplicate",
    }
    assert account(report) == report.records == len(records)


def test_barcodes_that_end_where_the_reverse_primer_began() -> None:
    rng = np.random.default_rng(13)
    root = random_dna(rng, 150)
    records = [
        record(f"b{number:02d}", random_dna(rng, 80) + FORWARD_SITE + mutate(rng, root, 0.1), f"Madeum_s{number}")
        for number in range(30)
    ]
    records.append(record("cut", random_dna(rng, 80) + FORWARD_SITE + mutate(rng, root, 0.1)[:120], "Madeum_t"))
    reference, report = build_reference(raw(records), MARKER)
    assert (report.amplified, report.aligned, dict(report.dropped)) == (0, 30, {"partial": 1})
    assert {len(sequence) for sequence in reference.sequences} == {150}


def test_identical_amplicons_become_one_with_all_lineages() -> None:
    _, records = community()
    twin = RawRecord("a_twin", records[1].sequence + "ACGT", ("Chordata", "Madeidae", "Madeum", "Madeum_twin"), 5)
    reference, _ = build_reference(raw([*records, twin]), MARKER)
    position = reference.ids.index("a_twin")
    assert len(reference) == 40
    assert [accession for accession, _ in reference.members[position]] == ["a_twin", "full01"]
    assert reference.lineages[position] == ("Chordata", "Madeidae", "Madeum", None)


def test_the_order_of_records_does_not_matter() -> None:
    _, records = community()
    records.append(record("other_parent", records[2].sequence[:-1], "Madeum_s2", family="Otheridae"))
    shuffled = records[:]
    random.Random(3).shuffle(shuffled)
    assert build_reference(raw(records), MARKER)[0] == build_reference(raw(shuffled), MARKER)[0]


def test_untrimmed_sequences_are_kept_whole() -> None:
    rng = np.random.default_rng(14)
    whole = random_dna(rng, 150)
    lower = raw([record("x", whole.lower().replace("t", "u"), "Madeum_a")])
    reference, report = build_reference(lower, MARKER, BuildSettings(trim=False))
    assert reference.sequences == (whole,)
    assert report.uncut == 1


def test_untrimmed_sequences_of_the_other_strand_are_turned_and_merged() -> None:
    inserts, _ = community()
    records = [record(name, insert, f"Madeum_{name}") for name, insert in inserts.items()]
    records[3] = record("full03", reverse_complement(inserts["full03"]), "Madeum_full03")
    records.append(record("twin", reverse_complement(inserts["full05"]), "Madeum_twin"))
    reference, report = build_reference(raw(records), MARKER, BuildSettings(trim=False))
    assert set(reference.sequences) == set(inserts.values())
    assert report.turned == 2
    assert len(reference.members[reference.ids.index("full05")]) == 2


def test_a_file_without_primers_suggests_no_trim() -> None:
    rng = np.random.default_rng(15)
    records = [record(f"x{n}", random_dna(rng, 150), f"Madeum_{n}") for n in range(5)]
    with pytest.raises(ReferenceFormatError, match="look already cut: set trim to false"):
        build_reference(raw(records), MARKER)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (record("x", "ACGTACGA", "Madeum_a", line=7), r"line 7: identifier 'x' .* line 3"),
        (record("y", "ACGTEACG", "Madeum_a", line=7), r"line 7: .* letter 'E' at position 5"),
        (record("y", "Madeum exemplare", "Madeum_a", line=7), r"line 7: .* not a nucleotide"),
    ],
    ids=["identifier twice", "protein", "swapped columns"],
)
def test_contradictory_and_impossible_records(second: RawRecord, message: str) -> None:
    with pytest.raises(ReferenceFormatError, match=message):
        build_reference(raw([record("x", "ACGTACGT", "Madeum_a", line=3), second]), MARKER, BuildSettings(trim=False))


def test_no_record_left_says_why() -> None:
    with pytest.raises(ReferenceFormatError, match=r"none of 1 records .*too_short 1"):
        build_reference(raw([record("x", "ACGT", "Madeum_a")]), MARKER, BuildSettings(trim=False))


def test_memory_grows_with_amplicons_not_with_genes() -> None:
    marker = ResolvedMarker("m", FORWARD_SITE, MARKER.reverse_primer, 100, 200)
    rng = np.random.default_rng(16)
    flank, count = random_dna(rng, 4000), 4000

    def records() -> Iterator[RawRecord]:
        for number in range(count):
            insert = random_dna(rng, 150)
            yield record(f"r{number}", flank + FORWARD_SITE + insert + REVERSE_SITE, f"Madeum_s{number % 50}")

    build_reference(raw(list(records())[:50]), marker)
    tracemalloc.start()
    reference, _ = build_reference(raw(records()), marker)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(reference) == count
    # A chunk of 2,000 genes may be in flight with its copies; all 4,000 would be 17 MB of letters alone.
    assert peak < 45e6
    assert peak / count < 12_000
