"""Write the small bundle that is kept of a format: ``python -m tests.bundle.keep FOLDER`` in the repository.

It has what that of a study has: a fitted model, an encoder with weights, putative taxa, and taxa that were added later.
Kept bundles are never written again; what changes within a format gets a bundle of its own.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tests.encoder.conftest import make_reference

from abyssal.bundle.extend import Additions, add_taxa
from abyssal.bundle.golden import select_golden_queries
from abyssal.bundle.manifest import Marker
from abyssal.bundle.read import open_bundle
from abyssal.bundle.write import BundleIdentity, BundleInputs, write_bundle
from abyssal.config.models import TrainConfig
from abyssal.encoder.configuration import AbyssalEncoderConfig
from abyssal.encoder.interface import Encoder
from abyssal.encoder.load import load_encoder
from abyssal.encoder.modeling import AbyssalEncoderModel
from abyssal.encoder.network import EncoderSizes
from abyssal.encoder.store import save_encoder
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec, save_model

SIZES = EncoderSizes(
    kmer_size=3, dimension=16, residual_width=8, stem_width=8, patch_kernel=4, width=16, layers=1, heads=2
)
LATER = "Family5d"
"""The family of the reference that the model is not fitted on: it is added."""


def save_small_encoder(directory: Path) -> None:
    """Write an encoder of random weights whose deep branch counts."""
    torch.manual_seed(1)
    encoder = AbyssalEncoderModel(AbyssalEncoderConfig(**asdict(SIZES)))
    with torch.no_grad():
        encoder.network.gate.fill_(0.5)
    save_encoder(encoder, directory)


def fit(place: Path, reference: AmpliconReference) -> Encoder:
    """Write the inference half of the bundle into ``place / "model"``."""
    save_small_encoder(place / "encoder")
    encoder = load_encoder(place / "encoder", batch_size=16)
    settings = TrainConfig(calibration_queries=400, neighbours=10)
    model = fit_model(reference, encoder.embed(reference.sequences), encoder, settings=settings, seed=1)
    marker = MarkerSpec("tiny", "", "", 100, 400)
    save_model(model, place / "model", encoder=place / "encoder", marker=marker, batch_size=16)
    return encoder


def package(place: Path, reference: AmpliconReference, encoder: Encoder) -> Path:
    """Write the bundle as the package stage does."""
    exemplar = "".join(np.random.default_rng(9).choice(list("ACGT"), size=240))
    files = {
        "putative_taxa.tsv": "putative_taxon\tsize\tradius\nPT000000000001\t1\t0.050000\n",
        "exemplars.fasta": f">PT000000000001\n{exemplar}\n",
        "metrics.json": '{"format": "abyssal-metrics", "format_version": 1, "ranks": [], "methods": {}}\n',
        "report.html": "<!doctype html>\n<title>Kept</title>\n",
    }
    for name, text in files.items():
        (place / name).write_text(text)
    inputs = BundleInputs(
        place / "model", place / "metrics.json", place / "report.html", place / "putative_taxa.tsv",
        place / "exemplars.fasta",
    )  # fmt: skip
    identity = BundleIdentity(
        name="kept", version="1", marker=Marker(name="tiny", min_length=100, max_length=400), ranks=reference.ranks,
        encoder_digest=encoder.digest, code_version="kept", config={"study": "kept", "seed": 1},
    )  # fmt: skip
    known = list(zip(reference.ids, reference.sequences, strict=True))
    golden = select_golden_queries(known, [("PT000000000001", exemplar)], seed=1, count=8)
    write_bundle(place / "bundle", inputs=inputs, identity=identity, golden=golden, load=Classifier.load)
    return place / "bundle"


def labelled(place: Path, reference: AmpliconReference) -> Additions:
    """Write amplicons and their lineages as a user has them."""
    fasta, table = place / "added.fasta", place / "added.tsv"
    records = list(zip(reference.ids, reference.sequences, reference.lineages, strict=True))
    fasta.write_text("".join(f">{name}\n{sequence}\n" for name, sequence, _ in records))
    rows = [("id", *reference.ranks), *((name, *map(str, lineage)) for name, _, lineage in records)]
    table.write_text("".join("\t".join(row) + "\n" for row in rows))
    return Additions(fasta, table, "2", trim=False)


def main(target: Path) -> None:
    """Write the bundle."""
    whole = make_reference(5, families=4)
    first = [place for place, lineage in enumerate(whole.lineages) if lineage[0] != LATER]
    rest = [place for place, lineage in enumerate(whole.lineages) if lineage[0] == LATER]
    with tempfile.TemporaryDirectory() as folder:
        reference = whole.subset(first)
        bundle = package(Path(folder), reference, fit(Path(folder), reference))
        add_taxa(open_bundle(bundle), labelled(Path(folder), whole.subset(rest)), target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
