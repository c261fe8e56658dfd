"""Accuracy on six splits of 18S V4 that nothing was tuned on; run with ``-s`` it prints the figures of the README."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from abyssal.config.models import NoveltyConfig, ReferenceConfig, TrainConfig
from abyssal.encoder.load import load_encoder
from abyssal.evaluation.answers import ABSENT, Answers, Truth, judge, right
from abyssal.evaluation.metrics import auroc, calibration_error, recall_at
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference, Lineage
from abyssal.references.stage import prepare_reference
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.decision import accepted_rank
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec
from abyssal.taxonomy.putative import no_putative_taxa

pytestmark = [pytest.mark.slow, pytest.mark.shared_data, pytest.mark.timeout(1800)]

SEEDS = tuple(f"fin{number}" for number in range(6))
FAMILY, GENUS, SPECIES = 5, 6, 7
NEW_GENERA, NEW_SPECIES, KNOWN_AMPLICONS = 0.06, 0.022, 0.085
PRIMERS = ("CCAGCASCYGCGGTAATTCC", "ACTTTCGTTCTTGATYRATGA")


def _uniform(seed: str, kind: str, name: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}:{kind}:{name}".encode()).digest()[:8], "big") / 2**64


def split(whole: AmpliconReference, seed: str) -> tuple[AmpliconReference, list[int], list[int]]:
    """Hold out 6 % of genera, 2.2 % of species of genera with three or more, 8.5 % of amplicons of species with three.

    Returns what is fitted on, its places in the whole reference, and the places of the queries.
    """
    amplicons: dict[str, int] = defaultdict(int)
    species: dict[str | None, set[str]] = defaultdict(set)
    for pairs in whole.members:
        for lineage in {lineage for _, lineage in pairs}:
            if lineage[SPECIES] is not None:
                amplicons[lineage[SPECIES] or ""] += 1
                species[lineage[GENUS]].add(lineage[SPECIES] or "")

    def held_out(lineage: Lineage) -> bool:
        genus, name = lineage[GENUS], lineage[SPECIES]
        if genus and _uniform(seed, "g", genus) < NEW_GENERA:
            return True
        return bool(name and _uniform(seed, "s", name) < NEW_SPECIES and len(species[genus]) >= 3)

    kept, members, queries = [], [], []
    for place, pairs in enumerate(whole.members):
        left = tuple(pair for pair in pairs if not held_out(pair[1]))
        name = pairs[0][1][SPECIES]
        spare = len(left) == len(pairs) == 1 and name is not None and amplicons[name] >= 3
        if left and not (spare and _uniform(seed, "k", whole.sequences[place]) < KNOWN_AMPLICONS):
            kept.append(place)
            members.append(left)
        else:
            queries.append(place)
    chosen = whole.subset(kept)
    return AmpliconReference(whole.ranks, chosen.ids, chosen.sequences, tuple(members)), kept, queries


@pytest.fixture(scope="module")
def whole(shared_data: Path) -> AmpliconReference:
    fasta = shared_data / "18s-reference" / "pr2_4.7.2_x_silva93_18S.V4_TAReuk.fasta.gz"
    marker = ResolvedMarker("18S-V4", *PRIMERS, min_length=250, max_length=600)
    return prepare_reference(ReferenceConfig(fasta=str(fasta), trim=False), marker)[0]


def _stratum(present: NDArray[np.int8]) -> str:
    if present[GENUS] == 0:
        return "genus"
    return {0: "species", 1: "known"}.get(int(present[SPECIES]), "") if present[GENUS] == 1 else ""


class Tally:
    """Figures per split, and pooled confidences and counts."""

    def __init__(self) -> None:
        self.splits: list[dict[str, float]] = []
        self.stated: dict[str, list[tuple[NDArray[np.float64], NDArray[np.bool_]]]] = defaultdict(list)
        self.taxa: dict[str, dict[str | None, list[bool]]] = defaultdict(lambda: defaultdict(list))
        self.counts: dict[str, NDArray[np.int64]] = defaultdict(lambda: np.zeros(4, dtype=np.int64))

    def add(self, classifier: Classifier, sequences: list[str], truth: Truth) -> None:
        strata = np.array([_stratum(row) for row in truth.present])
        found = classifier.classify(sequences)
        confidence = found.confidence.astype(np.float64)
        good = right(Answers("", (), found.labels, confidence, confidence > 0), truth)
        figures: dict[str, float] = {}
        for rank, name in ((GENUS, "genus"), (SPECIES, "species")):
            present, absent = truth.present[:, rank] == 1, truth.present[:, rank] == 0
            for bound in (0.02, 0.05, 0.1):
                swept = recall_at(confidence[:, rank], good[:, rank], present, absent, bound)
                figures[f"{name} recall at {bound:g}"] = swept[0] if swept else np.nan
            figures[f"{name} auroc"] = auroc(confidence[:, rank], good[:, rank], absent) or np.nan
        figures["species of known"] = good[strata == "known", SPECIES].mean()
        figures["genus of new species"] = good[strata == "species", GENUS].mean()
        figures["family of new genera"] = good[
            (strata == "genus") & (truth.present[:, GENUS - 1] == 1), GENUS - 1
        ].mean()
        self.splits.append(figures)
        self._accepted(classifier, found.labels, confidence, good, truth)
        self._stated(classifier, sequences, truth, strata)

    def _accepted(
        self, classifier: Classifier, labels: list[Any], confidence: NDArray[np.float64], good: NDArray[np.bool_],
        truth: Truth,
    ) -> None:  # fmt: skip
        named = np.array([[label is not None for label in row] for row in labels])
        for alpha, thresholds in classifier.model.summary["thresholds_by_alpha"].items():
            accepted = accepted_rank(np.where(named, 0, -1).astype(np.int32), confidence, np.array(thresholds))
            for rank, name in ((FAMILY, "family"), (GENUS, "genus"), (SPECIES, "species")):
                given = named[:, rank] & (accepted >= rank)
                absent, present = truth.present[:, rank] == 0, truth.present[:, rank] == 1
                self.counts[f"alpha {alpha} {name}"] += np.array(
                    [(given & absent).sum(), absent.sum(), (given & good[:, rank]).sum(), present.sum()]
                )
                for row in np.flatnonzero(absent):
                    self.taxa[f"alpha {alpha} {name}"][truth.lineages[row][rank]].append(bool(given[row]))

    def _stated(self, classifier: Classifier, sequences: list[str], truth: Truth, strata: NDArray[np.str_]) -> None:
        counted = strata != ""
        shares = {name: float((strata[counted] == name).mean()) for name in ("species", "genus")}
        mixes = {"all": NoveltyConfig(**shares, family=0.0), "known": NoveltyConfig(species=0.0, genus=0.0, family=0.0),
                 "species": NoveltyConfig(species=1.0, genus=0.0, family=0.0)}  # fmt: skip
        for group, mix in mixes.items():
            rows = np.flatnonzero(counted if group == "all" else strata == group)
            part = Truth(
                truth.ranks, tuple(truth.lineages[row] for row in rows), truth.present[rows], ("",) * len(rows)
            )
            found = classifier.classify([sequences[row] for row in rows], novelty=mix)
            confidence = found.confidence.astype(np.float64)
            good = right(Answers("", (), found.labels, confidence, confidence > 0), part)
            for rank, name in ((GENUS, "genus"), (SPECIES, "species")):
                graded = part.present[:, rank] > ABSENT + 1
                self.stated[f"{name} of {group}"].append((confidence[graded, rank], good[graded, rank]))

    def report(self) -> dict[str, Any]:
        means = {key: round(float(np.mean([row[key] for row in self.splits])), 3) for key in self.splits[0]}
        errors = {key: calibration_error(*map(np.concatenate, zip(*parts, strict=True)))
                  for key, parts in self.stated.items()}  # fmt: skip
        return {
            "means": means,
            "over-classified, absent, rightly named, present": {key: row.tolist() for key, row in self.counts.items()},
            "over-classified share of an absent taxon's reads, mean over taxa": {
                key: [round(float(np.mean([np.mean(reads) for reads in taxa.values()])), 3), len(taxa)]
                for key, taxa in self.taxa.items()
            },
            "debiased ECE": {
                key: [round(row["ece_debiased"] or 0.0, 3), row["queries"]] for key, row in errors.items()
            },
        }


def test_accuracy_on_taxa_held_out(whole: AmpliconReference, repository: Path) -> None:
    encoder = load_encoder(repository / "resources" / "encoders" / "abyssal-small")
    vectors = encoder.embed(list(whole.sequences))
    marker = MarkerSpec("18S-V4", *PRIMERS, 250, 600)
    tally = Tally()
    for seed in SEEDS:
        fitted, kept, queries = split(whole, seed)
        model = fit_model(fitted, vectors[kept], encoder, settings=TrainConfig(), seed=1)
        truth = judge([whole.members[place][0][1] for place in queries], fitted)
        classifier = Classifier(model, encoder, marker, no_putative_taxa())
        tally.add(classifier, [whole.sequences[place] for place in queries], truth)
    found = tally.report()
    print(json.dumps(found, indent=1))
    means = found["means"]
    assert means["genus recall at 0.05"] > 0.5
    assert means["species recall at 0.05"] > 0.65
    assert means["species auroc"] > 0.95
    for key, (over, absent, _, _) in found["over-classified, absent, rightly named, present"].items():
        # The few new families come in clumps of one genus each; the README states what they do to the bound.
        assert over / absent <= float(key.split()[1]) + 0.01 or key.endswith("family"), key
