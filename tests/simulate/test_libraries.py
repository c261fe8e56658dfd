"""Simulated libraries against what was asked for, by comparing reads with their templates."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from abyssal.errors import UsageError
from abyssal.sequences.alphabet import IUPAC_BASES, reverse_complement, sequence_id
from abyssal.sequences.records import read_records
from abyssal.simulate import libraries as libraries_module
from abyssal.simulate.community import LibraryPlan
from abyssal.simulate.libraries import simulate_libraries
from abyssal.simulate.molecules import OtherTemplates
from abyssal.simulate.quality import shipped_model
from abyssal.simulate.settings import Amplification, Mixing, Simulation, sequencing_profile
from abyssal.simulate.templates import Template

from .conftest import FORWARD, ILLUMINA_NAME, QUIET, REVERSE, Simulated, digests, make_templates

Simulate = Callable[..., Simulated]


def differences(read: str, expected: str) -> int:
    """Count bases that differ; degenerate letters of ``expected`` accept what they stand for."""
    return sum(base not in IUPAC_BASES[letter] for base, letter in zip(read, expected, strict=False))


def construct(amplicon: str) -> str:
    return FORWARD + amplicon + reverse_complement(REVERSE)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(simulate: Simulate) -> None:
    settings = {"pairs": 500, "amplification": Amplification(chimera_rate=0.1)}
    first = digests(simulate(folder="a", seed=5, **settings).folder)
    again = digests(simulate(folder="b", seed=5, **settings).folder)
    other = digests(simulate(folder="c", seed=6, **settings).folder)
    assert first == again
    assert first["lib_R1.fastq.gz"] != other["lib_R1.fastq.gz"]


def test_reads_do_not_depend_on_the_other_reads_of_their_library(simulate: Simulate) -> None:
    few = simulate(folder="few", pairs=50)
    many = simulate(folder="many", pairs=60)
    qualities = [[read.quality for read in made.reads("lib", 1)] for made in (few, many)]
    assert qualities[0] == qualities[1][:50]


def test_a_library_longer_than_a_block_is_whole(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries_module, "BLOCK", 128)
    made = simulate(pairs=300)
    numbers = [int(read.id.rpartition(".")[2]) for read in made.reads("lib", 2)]
    assert numbers == list(range(1, 301))
    assert [row["read"] for row in made.truth("lib")] == [read.id for read in made.reads("lib", 1)]


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05])
def test_substitutions_are_as_many_as_asked_and_as_the_truth_says(simulate: Simulate, rate: float) -> None:
    made = simulate(pairs=2000, sequencing={"substitution_rate": rate, "indel_rate": 0.0})
    molecules = made.molecules()
    found = said = bases = 0
    for row, one, two in zip(made.truth("lib"), made.reads("lib", 1), made.reads("lib", 2), strict=True):
        whole = construct(molecules[row["molecule"]])
        errors = (differences(one.sequence, whole), differences(two.sequence, reverse_complement(whole)))
        # An error on a degenerate primer letter may hit another base that the letter allows.
        assert errors[0] <= int(row["substitutions_1"]) <= errors[0] + 3
        assert errors[1] <= int(row["substitutions_2"]) <= errors[1] + 3
        found += sum(errors)
        said += int(row["substitutions_1"]) + int(row["substitutions_2"])
        bases += len(one.sequence) + len(two.sequence)
    assert found / bases == pytest.approx(rate, rel=0.1)
    assert said == made.report.substitutions
    assert bases == made.report.bases


def test_errors_follow_the_qualities(simulate: Simulate) -> None:
    made = simulate(pairs=4000, sequencing={"indel_rate": 0.0})
    molecules = made.molecules()
    wrong, seen = Counter[int](), Counter[int]()
    for row, read in zip(made.truth("lib"), made.reads("lib", 1), strict=True):
        whole = construct(molecules[row["molecule"]])
        for base, quality, letter in zip(read.sequence, read.quality or "", whole, strict=False):
            if letter in "ACGT":
                seen[ord(quality) - 33] += 1
                wrong[ord(quality) - 33] += base != letter
    for phred in (13, 20, 30):
        near = [q for q in seen if abs(q - phred) <= 2]
        expected = sum(seen[q] * 10 ** (-q / 10) for q in near)
        assert sum(wrong[q] for q in near) == pytest.approx(expected, rel=0.15)


def test_chimeras_are_as_many_as_asked_and_made_of_their_parents(simulate: Simulate, templates: list[Template]) -> None:
    made = simulate(pairs=20_000, amplification=Amplification(efficiency_sd=0.0, chimera_rate=0.05, three_parents=0.3))
    assert made.report.statuses["chimera"] / 20_000 == pytest.approx(0.05, rel=0.1)
    parents = {template.id: template.sequence for template in templates}
    molecules = made.molecules()
    counts = Counter[int]()
    for row in made.truth("lib"):
        if row["status"] != "chimera":
            continue
        sequence = molecules[row["molecule"]]
        names = row["templates"].split(";")
        ends = [0, *map(int, row["breakpoints"].split(";")), len(sequence)]
        assert len(ends) == len(names) + 1
        assert all(sequence[a:b] in parents[name] for name, (a, b) in zip(names, pairwise(ends), strict=True))
        assert sequence not in parents.values()
        counts[len(names)] += 1
    assert set(counts) == {2, 3}


def test_indels_are_as_many_as_asked_and_prefer_homopolymers(simulate: Simulate) -> None:
    runs = Template("runs", "ACGTTTTTTCAGGCATCGTAAAAAACTGCATGCCCCCCGATGCATGCTAGCATGCATCGAT" * 3)
    made = simulate(
        pairs=20_000, own=[runs], profile="nanopore",
        sequencing={"substitution_rate": 0.0, "indel_rate": 0.01, "flipped_share": 0.0, "homopolymer_growth": 5.0},
    )  # fmt: skip
    rate = sum(int(row["indels_1"]) for row in made.truth("lib")) / (20_000 * len(construct(runs.sequence)))
    assert rate == pytest.approx(0.01, rel=0.1)
    one_off = [read.sequence for read in made.reads("lib") if len(read.sequence) == len(construct(runs.sequence)) - 1]
    in_runs = sum(any(f"G{'T' * n}C" in s[20:40] for n in (4, 5)) for s in one_off)
    # Six of the sixty bases are in this run; without the preference one deletion in thirty would shorten it here.
    assert in_runs / len(one_off) > 2 * 6 / len(construct(runs.sequence))


def test_indels_change_the_read_and_are_counted(simulate: Simulate) -> None:
    made = simulate(pairs=300, profile="nanopore", sequencing={"substitution_rate": 0.0, "indel_rate": 0.002})
    molecules = made.molecules()
    for row, read in zip(made.truth("lib"), made.reads("lib"), strict=True):
        whole = construct(molecules[row["molecule"]])
        expected = reverse_complement(whole) if row["strand"] == "-" else whole
        if row["indels_1"] == "0":
            assert len(read.sequence) == len(expected)
            assert differences(read.sequence, expected) == 0
        elif row["indels_1"] == "1":
            assert abs(len(read.sequence) - len(expected)) == 1


def test_pcr_errors_are_shared_by_both_mates(simulate: Simulate) -> None:
    made = simulate(
        pairs=1000, sequencing={"substitution_rate": 0.0, "indel_rate": 0.0},
        amplification=Amplification(efficiency_sd=0.0, chimera_rate=0.0, error_rate=0.002),
    )  # fmt: skip
    molecules = made.molecules()
    total = 0
    for row, one, two in zip(made.truth("lib"), made.reads("lib", 1), made.reads("lib", 2), strict=True):
        amplicon = molecules[row["molecule"]]
        forward = one.sequence[len(FORWARD) :]
        backward = reverse_complement(two.sequence)[: -len(REVERSE)]
        overlap = len(forward) + len(backward) - len(amplicon)
        assert forward[len(forward) - overlap :] == backward[:overlap]
        assert differences(forward + backward[overlap:], amplicon) == int(row["pcr_errors"])
        total += int(row["pcr_errors"])
    assert total / (1000 * 380) == pytest.approx(0.002, rel=0.1)


def test_short_molecules_run_into_the_adapters(simulate: Simulate) -> None:
    short = Template("short", "ACGTTGCAAC" * 6)
    made = simulate(
        pairs=40, own=[short],
        sequencing={"substitution_rate": 0.0, "indel_rate": 0.0, "adapter_1": "AGATCGGAAGAG",
                    "adapter_2": "CTGTCTCTTATA"},
    )  # fmt: skip
    for one, two in zip(made.reads("lib", 1), made.reads("lib", 2), strict=True):
        size = len(construct(short.sequence))
        assert one.sequence[size:] == "AGATCGGAAGAG" + "A" * (250 - size - 12)
        assert two.sequence[size : size + 12] == "CTGTCTCTTATA"
        assert one.sequence[:size] == reverse_complement(two.sequence[:size])


def test_every_base_of_a_degenerate_primer_letter_is_used(simulate: Simulate) -> None:
    made = simulate(pairs=400, sequencing={"substitution_rate": 0.0, "indel_rate": 0.0})
    seen = [{read.sequence[i] for read in made.reads("lib", 1)} for i in range(len(FORWARD))]
    assert seen == [set(IUPAC_BASES[letter]) for letter in FORWARD]


def test_random_bases_stand_in_front_of_the_primer(simulate: Simulate) -> None:
    made = simulate(pairs=400, sequencing={"substitution_rate": 0.0, "indel_rate": 0.0, "random_bases": 4})
    starts = Counter(read.sequence.find("GGTAATTCC") - 11 for read in made.reads("lib", 1))
    assert set(starts) == {0, 1, 2, 3, 4}


def test_flipped_molecules_start_with_the_reverse_primer(simulate: Simulate) -> None:
    made = simulate(pairs=1000, sequencing={"substitution_rate": 0.0, "indel_rate": 0.0, "flipped_share": 0.3})
    flipped = [row["strand"] == "-" for row in made.truth("lib")]
    assert [differences(read.sequence, REVERSE) == 0 for read in made.reads("lib", 1)] == flipped
    assert np.mean(flipped) == pytest.approx(0.3, abs=0.05)


def test_tag_jumps_move_reads_within_a_run_only(simulate: Simulate, templates: list[Template]) -> None:
    own = [{templates[i].id: 1.0} for i in range(3)]
    plans = [LibraryPlan(f"lib{i}", 10_000, own[i], run="b" if i == 2 else "a") for i in range(3)]
    made = simulate(libraries=plans, mixing=Mixing(tag_jump_rate=0.02))
    for i, other in ((0, 1), (1, 0)):
        origins = Counter(row["origin"] for row in made.truth(f"lib{i}"))
        assert set(origins) == {f"lib{i}", f"lib{other}"}
        assert origins[f"lib{other}"] / 10_000 == pytest.approx(0.02, rel=0.2)
    assert {row["origin"] for row in made.truth("lib2")} == {"lib2"}
    assert sum(made.report.reads.values()) == 30_000
    assert made.report.jumped == sum(int(row["reads_from_other_libraries"]) for row in made.counts())


def test_a_blank_holds_contaminants_and_what_jumped_in(simulate: Simulate, templates: list[Template]) -> None:
    dirt = make_templates(2, seed=99)
    contaminants = [Template(f"dirt{i}", t.sequence, "contaminant") for i, t in enumerate(dirt)]
    plans = [
        LibraryPlan("lib", 20_000, {t.id: 1.0 for t in templates}),
        LibraryPlan("blank", 50, {}, control="extraction_blank"),
    ]
    mixing = Mixing(contamination=0.01, tag_jump_rate=0.001)
    made = simulate(libraries=plans, mixing=mixing, others=OtherTemplates(contaminants))
    for row in made.truth("blank"):
        assert row["status"] == "contaminant" or row["origin"] == "lib"
    share = sum(row["status"] == "contaminant" for row in made.truth("lib")) / 20_000
    assert share == pytest.approx(0.01, rel=0.2)


def test_a_blank_without_contaminants_is_empty_but_whole(simulate: Simulate, templates: list[Template]) -> None:
    plans = [LibraryPlan("lib", 10, {templates[0].id: 1.0}), LibraryPlan("blank", 50, {}, control="pcr_blank")]
    made = simulate(libraries=plans)
    assert made.report.reads == {"lib": 10, "blank": 0}
    assert made.reads("blank", 1) == []
    assert made.truth("blank") == []


def test_off_target_molecules_without_primers_start_anywhere(simulate: Simulate) -> None:
    other = Template("16S", "TACGGAGGGTGCAAGCGTTAATCGG" * 20, "off_target", primed=False)
    made = simulate(
        pairs=5000, mixing=Mixing(off_target=0.1), others=OtherTemplates((), [other]),
        sequencing={"substitution_rate": 0.0, "indel_rate": 0.0},
    )  # fmt: skip
    rows = made.truth("lib")
    assert sum(row["status"] == "off_target" for row in rows) / 5000 == pytest.approx(0.1, rel=0.1)
    for row, read in zip(rows, made.reads("lib", 1), strict=True):
        assert (row["status"] == "off_target") == read.sequence.startswith("TACGGAGGG")


def test_truth_adds_up(simulate: Simulate, templates: list[Template]) -> None:
    weights = {t.id: float(i + 1) for i, t in enumerate(templates)}
    plans = [LibraryPlan("one", 3000, weights), LibraryPlan("two", 1000, weights)]
    made = simulate(libraries=plans, amplification=Amplification(chimera_rate=0.05), mixing=Mixing(tag_jump_rate=0.01))
    molecules = made.molecules()
    per_read: Counter[tuple[str, str, str]] = Counter()
    for library in ("one", "two"):
        rows = made.truth(library)
        assert len(rows) == made.report.reads[library] == len(made.reads(library, 1)) == len(made.reads(library, 2))
        per_read.update((library, row["molecule"], row["status"]) for row in rows)
    table = {(row["sample"], row["molecule"], row["status"]): int(row["reads"]) for row in made.counts()}
    assert table == dict(per_read)
    assert sum(table.values()) == sum(made.report.statuses.values()) == 4000
    assert all(sequence_id(sequence) == name for name, sequence in molecules.items())
    lineages = {row["templates"]: row["species"] for row in made.counts() if row["status"] == "known"}
    assert all(lineages[t.id] == t.lineage[1] for t in templates)


def test_abundances_follow_the_community(simulate: Simulate, templates: list[Template]) -> None:
    weights = {t.id: float(2**i) for i, t in enumerate(templates[:5])}
    made = simulate(libraries=[LibraryPlan("lib", 31_000, weights)])
    reads = Counter(row["templates"] for row in made.truth("lib"))
    for name, weight in weights.items():
        assert reads[name] == pytest.approx(1000 * weight, rel=0.15)


def test_amplification_bias_changes_abundances_for_good(simulate: Simulate) -> None:
    biased = Amplification(efficiency_sd=0.05, chimera_rate=0.0)
    even = Counter(row["templates"] for row in simulate(pairs=12_000, folder="even").truth("lib"))
    first = Counter(row["templates"] for row in simulate(pairs=12_000, amplification=biased).truth("lib"))
    assert max(even.values()) / min(even.values()) < 2
    assert max(first.values()) / max(1, min(first.values())) > 3


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (LibraryPlan("lib", 10, {"nobody": 1.0}), "'nobody', which is no template"),
        (LibraryPlan("lib", 10, {}), "has no community and is no blank"),
    ],
    ids=["unknown template", "no community"],
)
def test_plans_that_cannot_be_made(simulate: Simulate, plan: LibraryPlan, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        simulate(libraries=[plan])


def test_shares_without_templates_or_out_of_range_are_refused(simulate: Simulate) -> None:
    with pytest.raises(UsageError, match="no contaminant sequences"):
        simulate(mixing=Mixing(contamination=0.1))
    with pytest.raises(UsageError, match="sum to 1 or more"):
        simulate(mixing=Mixing(off_target=0.99), amplification=Amplification(chimera_rate=0.02))
    with pytest.raises(UsageError, match=r"tag-jump rate 1\.5"):
        simulate(mixing=Mixing(tag_jump_rate=1.5))


def test_identical_templates_give_no_chimeras_but_reads(simulate: Simulate, templates: list[Template]) -> None:
    same = [Template("a", templates[0].sequence), Template("b", templates[0].sequence)]
    made = simulate(pairs=200, own=same, amplification=Amplification(chimera_rate=0.1))
    assert made.report.statuses == {"known": 200}


def test_single_reads_have_one_file(simulate: Simulate) -> None:
    made = simulate(pairs=30, profile="miseq-single", amplification=QUIET)
    assert len(made.reads("lib")) == 30
    assert not (made.folder / "lib_R1.fastq.gz").exists()


@pytest.mark.parametrize("compression", ["none", "fast", "small"])
def test_compression_changes_no_read(simulate: Simulate, compression: str) -> None:
    made = simulate(pairs=50, folder=compression, compression=compression)
    suffix = "" if compression == "none" else ".gz"
    reference = simulate(pairs=50, folder="reference")
    assert list(read_records(made.folder / f"lib_R1.fastq{suffix}")) == reference.reads("lib", 1)


def test_trimmed_reads_have_the_lengths_of_the_model_and_their_bases_are_still_the_molecules(
    simulate: Simulate,
) -> None:
    made = simulate(pairs=6000, sequencing={"trimmed": True, "substitution_rate": 0.0, "indel_rate": 0.0})
    model = shipped_model("miseq-2x250")
    shares = model.length_counts / model.length_counts.sum()
    expected = dict(zip(map(tuple, model.lengths.tolist()), shares, strict=True))
    molecules = made.molecules()
    found = Counter[tuple[int, int]]()
    bases = 0
    for row, one, two in zip(made.truth("lib"), made.reads("lib", 1), made.reads("lib", 2), strict=True):
        whole = construct(molecules[row["molecule"]])
        lengths = []
        for read, template in ((one, whole), (two, reverse_complement(whole))):
            masked = set(read.sequence) == {"N"}
            assert masked or differences(read.sequence.replace("N", "A"), template) <= read.sequence.count("N")
            assert not masked or len(set(read.quality or "")) == 1
            lengths.append(-len(read.sequence) if masked else len(read.sequence))
            bases += len(read.sequence)
        found[lengths[0], lengths[1]] += 1
    assert set(found) <= set(expected)
    assert bases == made.report.bases
    for pair, share in expected.items():
        assert found[pair] / 6000 == pytest.approx(share, abs=4 * np.sqrt(share / 6000) + 1e-3)


def test_profiles_look_like_their_sequencers(templates: list[Template], tmp_path: Path) -> None:
    for profile in ("miseq", "nanopore"):
        simulation = Simulation(FORWARD, REVERSE, sequencing_profile(profile), QUIET)
        simulate_libraries(
            templates, [LibraryPlan("lib", 200, {t.id: 1.0 for t in templates})], simulation, tmp_path / profile, seed=1
        )
    reads = list(read_records(tmp_path / "miseq" / "lib_R1.fastq.gz"))
    assert all(ILLUMINA_NAME.fullmatch(read.id) for read in reads)
    assert len({len(read.sequence) for read in reads}) > 1
    with gzip.open(tmp_path / "miseq" / "lib_R2.fastq.gz", "rt") as text:
        assert text.readline().endswith(" 2:N:0:1\n")
    with gzip.open(tmp_path / "nanopore" / "lib.fastq.gz", "rt") as text:
        assert " runid=" in text.readline()
