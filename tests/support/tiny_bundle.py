"""A real, small bundle: a synthetic reference, a small random encoder, a fitted model, packed as users' bundles are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from abyssal.bundle.golden import select_golden_queries
from abyssal.bundle.manifest import Marker
from abyssal.bundle.write import BundleIdentity, BundleInputs, write_bundle
from abyssal.config.models import TrainConfig
from abyssal.encoder.configuration import AbyssalEncoderConfig
from abyssal.encoder.load import load_encoder
from abyssal.encoder.modeling import AbyssalEncoderModel
from abyssal.encoder.store import save_encoder
from abyssal.references.model import AmpliconReference
from abyssal.sequences.alphabet import reverse_complement
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.fit import fit_model
from abyssal.taxonomy.model import MarkerSpec, save_model

RANKS = ("domain", "family", "genus", "species")
_LENGTH = 220
_BATCH = 16


def _mutated(sequence: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    changed = sequence.copy()
    places = random.random(sequence.size) < share
    changed[places] = random.choice(list("ACGT"), size=int(places.sum()))
    return changed


def synthetic_reference(seed: int = 3) -> AmpliconReference:
    """Return 6 families x 4 genera x 4 species x 2 amplicons that differ as taxa do; two species share an amplicon."""
    random = np.random.default_rng(seed)
    root = random.choice(list("ACGT"), size=_LENGTH)
    ids, sequences, members = [], [], []
    for family in range(6):
        ancestor = _mutated(root, 0.35, random)
        for genus in range(4):
            relative = _mutated(ancestor, 0.12, random)
            for species in range(4):
                own = _mutated(relative, 0.04, random)
                for amplicon in range(2):
                    name = f"A{family}{genus}{species}{amplicon}"
                    cut = int(random.integers(0, 20))
                    ids.append(name)
                    sequences.append("".join(_mutated(own, 0.01, random)[: _LENGTH - cut]))
                    lineage = (
                        "Eukaryota",
                        f"Family{family}",
                        f"Genus{family}.{genus}",
                        f"Species{family}.{genus}.{species}",
                    )
                    members.append(((f"X{name}", lineage),))
    twin = ("Eukaryota", "Family0", "Genus0.0", "Species0.0.twin")
    members[0] = (*members[0], ("Xtwin", twin))
    return AmpliconReference(RANKS, tuple(ids), tuple(sequences), tuple(members))


def make_tiny_bundle(folder: Path, *, version: str = "1", name: str = "toy", gate: float = 0.0) -> Path:
    """Build the bundle below ``folder`` and return its directory; a gate above 0 runs the encoder's deep branch."""
    folder.mkdir(parents=True, exist_ok=True)
    reference = synthetic_reference()
    encoder_folder, model_folder = folder / "encoder", folder / "model"
    model = AbyssalEncoderModel(AbyssalEncoderConfig())
    torch.nn.init.constant_(model.network.gate, gate)
    save_encoder(model, encoder_folder)
    encoder = load_encoder(encoder_folder, batch_size=_BATCH)
    settings = TrainConfig(neighbours=20, calibration_queries=200)
    fitted = fit_model(reference, encoder.embed(reference.sequences), encoder, settings=settings, seed=1)
    marker = MarkerSpec("toy", "", "", 180, 240)
    save_model(fitted, model_folder, encoder=encoder_folder, marker=marker, batch_size=_BATCH)
    (folder / "metrics.json").write_text("{}\n")
    (folder / "report.html").write_text("<!doctype html><title>report</title>\n")
    pairs = list(zip(reference.ids, reference.sequences, strict=True))
    write_bundle(
        folder / "bundle",
        inputs=BundleInputs(model_folder, folder / "metrics.json", folder / "report.html"),
        identity=BundleIdentity(name, version, Marker(name="toy"), RANKS, encoder.digest, "0.1.0"),
        golden=select_golden_queries(pairs, [], seed=1),
        load=Classifier.load,
    )
    return folder / "bundle"


def reads_like_users_send(count: int, seed: int = 5) -> list[tuple[str, str]]:
    """Return (id, sequence) pairs: erroneous copies on both strands, duplicates, strangers and faulty reads."""
    random = np.random.default_rng(seed)
    reference = synthetic_reference()
    reads: list[tuple[str, str]] = []
    for number in range(count):
        kind = random.random()
        if kind < 0.3 and reads:
            sequence = reads[int(random.integers(len(reads)))][1]
        elif kind < 0.35:
            sequence = ["", "ACG", "ACGT!" * 40, "A" * 900, "N" * 100][int(random.integers(5))]
        elif kind < 0.45:
            sequence = "".join(random.choice(list("ACGT"), size=200))
        else:
            source = np.array(list(reference.sequences[int(random.integers(len(reference)))]))
            sequence = "".join(_mutated(source, float(random.choice([0.0, 0.02, 0.15])), random))
            sequence = reverse_complement(sequence) if random.random() < 0.3 else sequence
            sequence = sequence.lower().replace("t", "u") if random.random() < 0.1 else sequence
        reads.append((f"read{number}", sequence))
    return reads
