"""``abyssal bundle add-taxa``: a new bundle from an old one and more labelled sequences, without training."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from abyssal.bundle.golden import GOLDEN, GoldenQuery, read_golden
from abyssal.bundle.provenance import code_version, data_digests, tool_versions
from abyssal.bundle.read import Bundle
from abyssal.bundle.write import CONFIG, BundleIdentity, BundleInputs, write_bundle
from abyssal.config.models import TrainConfig
from abyssal.errors import BundleError, UsageError
from abyssal.files import read_json
from abyssal.references.build import BuildReport, BuildSettings, build_reference
from abyssal.references.formats import open_reference
from abyssal.references.markers import ResolvedMarker
from abyssal.references.model import AmpliconReference
from abyssal.taxonomy.classifier import Classifier
from abyssal.taxonomy.extend import Extension, check_ranks, extend_model, extend_reference
from abyssal.taxonomy.model import ENCODER_FOLDER, EXEMPLAR_FILE, PUTATIVE_FILE, Model, read_preprocessing, save_model
from abyssal.taxonomy.pseudo import read_exemplars, with_pseudo_labels

logger = logging.getLogger(__name__)

_GOLDEN_ADDITIONS = 8


@dataclass(frozen=True)
class Additions:
    """What is added to a bundle and how.

    Attributes:
        fasta: labelled sequences, full length or cut, in any format of ``references.formats``.
        lineages: table of lineages beside it; None when the headers carry them.
        version: version of the new bundle; None makes one from the old version and the additions' digest.
        trim: cut the amplicon out with the bundle's primers; False takes sequences as they are.
        refit: fit the calibrators again on the whole reference, which may change every answer.
    """

    fasta: Path
    lineages: Path | None = None
    version: str | None = None
    trim: bool = True
    refit: bool = False


@dataclass(frozen=True)
class Extended:
    """What ``add_taxa`` wrote: digest and version of the new bundle, what was added, what became of each record."""

    digest: str
    version: str
    extension: Extension
    report: BuildReport


def add_taxa(bundle: Bundle, additions: Additions, target: Path) -> Extended:
    """Write a bundle that knows more taxa.

    Args:
        bundle: the verified bundle to start from; it is not changed.
        additions: labelled sequences and settings.
        target: directory of the new bundle.

    Raises:
        UsageError: the bundle has no reference, a file is missing, or ``target`` is there already.
        ReferenceFormatError: malformed records, other ranks, or a taxon of the bundle with another parent; names file
            and record.
    """
    if not bundle.ranks:
        message = f"{bundle.directory}: has no reference, so no taxa can be added; run the study with a reference"
        raise UsageError(message)
    classifier = Classifier.load(bundle.directory)
    new, report = _read_additions(bundle, classifier, additions)
    extension = extend_reference(classifier.model.index.reference, new, source=_source(additions))
    if not extension.added.any():
        message = f"{_source(additions)}: all {extension.present} sequences are in the bundle with these lineages"
        raise UsageError(message)
    model = extend_model(classifier.model, extension, classifier.encoder.embed)
    if additions.refit:
        model = _refitted(bundle, classifier, model)
    digests = data_digests({"added sequences": additions.fasta, "added lineages": additions.lineages})
    version = additions.version or _version(bundle.version, digests, refit=additions.refit)
    digest = _write(bundle, classifier, model, target, _identity(bundle, additions, extension, version, digests))
    return Extended(digest, version, extension, report)


def _source(additions: Additions) -> str:
    return str(additions.lineages or additions.fasta)


def _read_additions(
    bundle: Bundle, classifier: Classifier, additions: Additions
) -> tuple[AmpliconReference, BuildReport]:
    spec = classifier.marker
    marker = ResolvedMarker(spec.name, spec.forward_primer, spec.reverse_primer, spec.min_length, spec.max_length)
    raw = open_reference(additions.fasta, additions.lineages)
    check_ranks(bundle.ranks, raw.ranks, _source(additions))
    # A bundle without primers has amplicons that were cut before; so must these be.
    settings = BuildSettings(trim=additions.trim and bool(spec.forward_primer and spec.reverse_primer))
    new, report = build_reference(raw, marker, settings, known=classifier.model.index.reference.sequences)
    logger.info(
        "%d records: %d cut by primers, %d by alignment, %d as they are, dropped %s",
        report.records, report.amplified, report.aligned, report.uncut, dict(report.dropped),
    )  # fmt: skip
    return new, report


def _refitted(bundle: Bundle, classifier: Classifier, model: Model) -> Model:
    # Imported here: scikit-learn alone takes seconds to import, and adding without fitting does not need it.
    from abyssal.taxonomy.fit import fit_model

    config: Mapping[str, Any] = read_json(bundle.directory / CONFIG)
    if "train" not in config or "seed" not in config:
        message = f"{bundle.directory}: {CONFIG} does not say how the model was trained; add the taxa without refitting"
        raise BundleError(message)
    settings = TrainConfig(**config["train"])
    file = _optional(bundle.directory / EXEMPLAR_FILE) if settings.pseudo_labels else None
    exemplars = [] if file is None else read_exemplars(file)
    # Putative taxa enter after the fit here, too: what clustering made of reads calibrates nothing.
    reference, kept = _without({name for name, _ in exemplars}, model.index.reference)
    fitted = fit_model(
        reference, model.index.vectors[kept], classifier.encoder, settings=settings, seed=int(config["seed"])
    )
    return with_pseudo_labels(fitted, classifier.encoder, classifier.marker, exemplars)


def _without(accessions: set[str], reference: AmpliconReference) -> tuple[AmpliconReference, list[int]]:
    """Return the reference without the lineages of these accessions, and the places of the amplicons that are left."""
    left = [tuple(pair for pair in pairs if pair[0] not in accessions) for pairs in reference.members]
    kept = [place for place, pairs in enumerate(left) if pairs]
    return replace(reference, members=tuple(left)).subset(kept), kept


def _version(old: str, digests: Mapping[str, str], *, refit: bool) -> str:
    """Name the additions, so that two extensions of one bundle never take the same version."""
    total = hashlib.sha256("".join(digests[role] for role in sorted(digests)).encode()).hexdigest()
    return f"{old}-{'refitted' if refit else 'added'}-{total[:8]}"


def _identity(
    bundle: Bundle, additions: Additions, extension: Extension, version: str, digests: Mapping[str, str]
) -> BundleIdentity:
    old = bundle.manifest
    taxa = ", ".join(f"{count} {rank}" for rank, count in extension.taxa.items() if count) or "none"
    facts = {
        "Made from": f"{old.name} {old.version} by adding reference taxa",
        "Added amplicons": f"{extension.amplicons} new, {extension.merged} that got a lineage more",
        "Added taxa": taxa,
        "Calibrators": "fitted again on the whole reference" if additions.refit else f"those of version {old.version}",
        "Metrics and report": f"those of version {old.version}",
    }
    return BundleIdentity(
        name=old.name,
        version=version,
        marker=old.marker,
        ranks=tuple(old.ranks),
        encoder_digest=old.encoder_digest,
        code_version=code_version(),
        config=read_json(bundle.directory / CONFIG),
        data_digests=old.data_digests | {f"{role} ({version})": digest for role, digest in digests.items()}
        | {f"bundle {old.version}": bundle.digest},
        tool_versions=tool_versions(),
        facts=old.facts | facts,
    )  # fmt: skip


def _write(bundle: Bundle, classifier: Classifier, model: Model, target: Path, identity: BundleIdentity) -> str:
    old = bundle.directory
    _, preprocessing = read_preprocessing(old)
    encoder = old / ENCODER_FOLDER if preprocessing["encoder"] == ENCODER_FOLDER else None
    with tempfile.TemporaryDirectory(prefix="abyssal-add-taxa-") as folder:
        staging = Path(folder) / "model"
        save_model(
            model, staging, encoder=encoder, marker=classifier.marker, batch_size=int(preprocessing["batch_size"])
        )  # fmt: skip
        inputs = BundleInputs(
            model=staging, metrics=old / "metrics.json", report=old / "report.html",
            putative_taxa=_optional(old / PUTATIVE_FILE), exemplars=_optional(old / EXEMPLAR_FILE),
        )  # fmt: skip
        golden = _golden(bundle, model, len(classifier.model.index))
        return write_bundle(target, inputs=inputs, identity=identity, golden=golden, load=Classifier.load)


def _optional(path: Path) -> Path | None:
    return path if path.is_file() else None


def _golden(bundle: Bundle, model: Model, first: int) -> list[GoldenQuery]:
    """The old golden sequences, asked again, and some of the new amplicons, evenly spread."""
    queries = [answer.query for answer in read_golden(bundle.directory / GOLDEN, bundle.ranks)]
    taken = {query.id for query in queries}
    reference = model.index.reference
    count = min(_GOLDEN_ADDITIONS, len(reference) - first)
    places = np.linspace(first, len(reference) - 1, count).astype(int) if count else ()
    added = [GoldenQuery(reference.ids[place], "reference", reference.sequences[place]) for place in places]
    return queries + [query for query in added if query.id not in taken]
