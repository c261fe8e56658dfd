"""Simulated communities from reads to names: ``abyssal simulate``, the whole workflow, and peers on the same ASVs.

Half of each community's templates are taxa that were left out of the reference. Composition is compared by Bray-Curtis
dissimilarity, exactly (by sequence) and by accepted name; names by whether a taxon is really in the sample.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from abyssal.benchmark.cases import Case, read_case
from abyssal.benchmark.datasets import source_of
from abyssal.benchmark.peers import sintax_points
from abyssal.evaluation.answers import Answers
from abyssal.evaluation.baselines import Baselines
from abyssal.evaluation.split import HeldOutQuery
from abyssal.files import open_atomic, to_json, write_json, write_text
from abyssal.reads.table import read_table
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.sequences.records import read_records, write_fasta
from abyssal.tools import run_tool

LIBRARIES, PAIRS, RICHNESS, TEMPLATES = 4, 2000, 40, 60
RANKS = 3
UNNAMED = ""


def write_community(
    case_folder: Path, dataset: str, encoder: str, snakefile: Path, target: Path, *, seed: int, threads: int
) -> None:
    """Simulate communities from a case, run the workflow on them and write the figures."""
    case = read_case(case_folder)
    with tempfile.TemporaryDirectory(prefix="abyssal-communities-") as folder:
        work = Path(folder)
        simulated = _simulate(case, dataset, work, seed)
        config = _write_study(case, dataset, encoder, work)
        results = f"results/community/{source_of(dataset).marker}"
        made = [f"{results}/{name}" for name in ("taxonomy.tsv", "preprocess/asv_table.tsv")]
        run_tool(
            [sys.executable, "-m", "snakemake", *made, "--snakefile", snakefile, "--directory", work, "--configfile",
             config, "--cores", str(threads), "--quiet", "all"]
        )  # fmt: skip
        write_json(target, {"command": simulated, "dataset": dataset, **_grade(case, work, work / results)})


def _simulate(case: Case, dataset: str, work: Path, seed: int) -> str:
    rng = np.random.default_rng(seed)
    half = TEMPLATES // 2
    present = rng.permutation(len(case.fitted))[:half].tolist()
    absent = rng.permutation(len(case.queries))[:half].tolist()
    chosen = [(f"a{place}", case.fitted.sequences[place], case.fitted.lineages[place]) for place in present]
    chosen += [(f"q{row}", case.queries[row].sequence, case.queries[row].lineage) for row in absent]
    _write_labelled(chosen, case.fitted.ranks, work / "templates.fasta", work / "templates.tsv")
    options = ["--marker", source_of(dataset).marker, "--libraries", str(LIBRARIES), "--pairs", str(PAIRS),
               "--richness", str(RICHNESS), "--seed", str(seed), "--no-read-truth"]  # fmt: skip
    run_tool(
        [sys.executable, "-m", "abyssal.cli", "simulate", work / "templates.fasta", "--lineages",
         work / "templates.tsv", "-o", work / "reads", *options]
    )  # fmt: skip
    return " ".join(["abyssal simulate templates.fasta --lineages templates.tsv -o reads", *options])


def _write_labelled(
    records: Sequence[tuple[str, str, Lineage]], ranks: Sequence[str], fasta: Path, table: Path
) -> None:
    write_fasta(fasta, ((name, sequence) for name, sequence, _ in records))
    with open_atomic(table) as out:
        out.write("\t".join(["id", *ranks]) + "\n")
        for name, _, lineage in records:
            out.write("\t".join([name, *(part or "" for part in lineage)]) + "\n")


def _write_study(case: Case, dataset: str, encoder: str, work: Path) -> Path:
    pairs = [
        (sequence, lineage)
        for sequence, members in zip(case.fitted.sequences, case.fitted.members, strict=True)
        for _, lineage in members
    ]
    records = [(f"r{row}", sequence, lineage) for row, (sequence, lineage) in enumerate(pairs)]
    _write_labelled(records, case.fitted.ranks, work / "reference.fasta", work / "reference.tsv")
    reference = {"fasta": str(work / "reference.fasta"), "lineages": str(work / "reference.tsv"), "trim": False}
    config = {
        "study": "community",
        "samples": str(work / "reads" / "samples.tsv"),
        "markers": {source_of(dataset).marker: {"reference": reference}},
        "encoder": {"name": str(Path(encoder).resolve()) if Path(encoder).is_dir() else encoder},
    }
    write_text(work / "study.json", to_json(config))
    return work / "study.json"


def _grade(case: Case, work: Path, results: Path) -> dict[str, Any]:
    with (work / "reads" / "truth_reads.tsv").open(encoding="utf-8", newline="") as lines:
        truth = [row for row in csv.DictReader(lines, delimiter="\t") if row["status"] == "known"]
    table = read_table(results / "preprocess" / "asv_table.tsv")
    found: dict[str, Counter[str]] = {sample: Counter() for sample in table.columns}
    for asv, counts in zip(table.features, table.counts.tolist(), strict=True):
        for sample, reads in zip(table.columns, counts, strict=True):
            found[sample][asv] += reads
    true: dict[str, Counter[str]] = {sample: Counter() for sample in table.columns}
    for row in truth:
        true[row["sample"]][row["molecule"]] += int(row["reads"])
    exact = [bray_curtis(true[sample], found[sample]) for sample in table.columns]
    molecules = {row["molecule"] for row in truth}
    asvs = set(table.features)
    return {
        "samples": len(table.columns), "true_variants": len(molecules), "asvs": len(asvs),
        "true_variants_found": len(molecules & asvs), "bray_curtis_by_sequence": float(np.mean(exact)),
        "names": _grade_names(case, truth, true, found, _named(case, results, work)),
    }  # fmt: skip


def _named(case: Case, results: Path, work: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return for each method the accepted names of each ASV."""
    ranks = case.fitted.ranks
    with (results / "taxonomy.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    ours = {}
    for row in rows:
        accepted = set() if row["Taxon"] == "Unassigned" else set(row["Taxon"].split("; "))
        ours[row["Feature ID"]] = tuple(row[rank] if row[rank] in accepted else UNNAMED for rank in ranks)
    blank: Lineage = (None,) * len(ranks)
    asvs = list(read_records(results / "preprocess" / "asvs.fasta"))
    peers = Baselines(case.fitted, [HeldOutQuery(asv.id, asv.sequence, blank) for asv in asvs], work)
    answers = [*sintax_points(peers.run("sintax")), peers.run("top-hit"), peers.run("lca")]
    return {"abyssal": ours, **{found.method: _names(found, [asv.id for asv in asvs]) for found in answers}}


def _names(answers: Answers, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {
        asv: tuple(name if name and kept else UNNAMED for name, kept in zip(row, answers.accepted[place], strict=True))
        for place, (asv, row) in enumerate(zip(ids, answers.labels, strict=True))
    }


def _grade_names(
    case: Case, truth: Sequence[Mapping[str, str]], true: Mapping[str, Counter[str]],
    found: Mapping[str, Counter[str]], named: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> list[dict[str, Any]]:  # fmt: skip
    rows = []
    for place, rank in list(enumerate(case.fitted.ranks))[-RANKS:]:
        known = _names_in(case.fitted, place)
        # A taxon that the reference lacks is right when it has no name.
        true_names = {row["molecule"]: row[rank] if row[rank] in known else UNNAMED for row in truth}
        for method, names in named.items():
            given = {asv: lineage[place] for asv, lineage in names.items()}
            pairs = [(by_name(true[s], true_names), by_name(found[s], given)) for s in found if true[s]]
            said = sum(len(set(there) - {UNNAMED}) for _, there in pairs)
            wanted = sum(len(set(here) - {UNNAMED}) for here, _ in pairs)
            both = sum(len((set(here) & set(there)) - {UNNAMED}) for here, there in pairs)
            rows.append(
                {
                    "rank": rank, "method": method, "names_given": said, "names_true": wanted,
                    "precision": both / said if said else None, "recall": both / wanted if wanted else None,
                    "bray_curtis": float(np.mean([bray_curtis(here, there) for here, there in pairs])),
                }
            )  # fmt: skip
    return rows


def _names_in(reference: AmpliconReference, rank: int) -> set[str]:
    return {str(lineage[rank]) for pairs in reference.members for _, lineage in pairs if lineage[rank] is not None}


def by_name(reads: Mapping[str, int], names: Mapping[str, str]) -> dict[str, float]:
    """Sum reads by name; what has none counts as unnamed."""
    summed: dict[str, float] = {}
    for item, amount in reads.items():
        if amount:
            summed[names.get(item, UNNAMED)] = summed.get(names.get(item, UNNAMED), 0.0) + amount
    return summed


def bray_curtis(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Return the Bray-Curtis dissimilarity of two compositions, as shares: 0 equal, 1 nothing in common."""
    one, two = sum(first.values()) or 1.0, sum(second.values()) or 1.0
    return 1.0 - sum(min(first.get(name, 0.0) / one, second.get(name, 0.0) / two) for name in {*first, *second})
